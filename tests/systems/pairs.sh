#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The presets musl and aarch64 build: what test_pairs looks at.
set -eu
cd "$PILLION_SOURCE"
. tools/needs.sh
for preset in musl aarch64; do
    configure "$preset"
    build "for/$preset"
done
