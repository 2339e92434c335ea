# SPDX-License-Identifier: Apache-2.0
"""Recipes of tools/recipes as they stand, but for the place of the library: the one that was built here."""
import pathlib

import pillion

RECIPES = pillion.SOURCE / "tools" / "recipes"
INSTALLED = "/usr/lib/pillion/libpillion.so"


def recipe(folder, name):
    """A copy of it in this folder."""
    text = (RECIPES / name).read_text()
    if INSTALLED not in text:
        raise AssertionError("%s does not name %s" % (name, INSTALLED))
    path = pathlib.Path(folder) / name
    path.write_text(text.replace(INSTALLED, str(pillion.HOOK)))
    path.chmod(0o755)
    return path
