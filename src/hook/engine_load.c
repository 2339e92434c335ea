/* The engine's way into a leader. A library that cannot be loaded is no error here, only a program that runs
 * unobserved. */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "hook/hook.h"

typedef void *open_function(const char *file, int mode);
typedef void *symbol_function(void *library, const char *name);
typedef int   address_function(const void *address, Dl_info *ret);

/* Threads and loader stood in libraries of their own before glibc 2.34, which a program need not have. Its libc can
 * load them all the same, as it does for NSS; libpthread takes over a program that ran without it. They are loaded
 * globally, so that the engine finds them. */
static void load_what_libc_lacks(void)
{
    static const char *const names[] = {"libpthread.so.0", "libdl.so.2"};
    const int                from_libc = (int)0x80000000U;
    open_function           *open = NULL;
    if (!next_symbol("dlopen") || !next_symbol("pthread_create"))
        open = (open_function *)next_symbol("__libc_dlopen_mode");
    for (size_t i = 0; open && i < sizeof names / sizeof *names; i++)
        (void)open(names[i], RTLD_NOW | RTLD_GLOBAL | from_libc);
}

/* The hook's own file. Its name may be a link into the folder of one version, and may lead into another one's since the
 * loader followed it; which file was mapped, the kernel knows. "" for a
 * path that is too long. */
static void own_file(const char *name, char ret[HOOK_PATH_MAX])
{
    struct strbuf path = strbuf_in(ret, HOOK_PATH_MAX);
    if (sys_readlink(name, ret, HOOK_PATH_MAX) >= 0 &&
        mapped_file_at((const void *)engine_load, ret, HOOK_PATH_MAX) == 0)
        return;
    strbuf_add(&path, name);
    if (path.cut)
        ret[0] = '\0';
}

const struct engine *engine_load(void)
{
    Dl_info us;
    char    own[HOOK_PATH_MAX], file[HOOK_PATH_MAX];
    load_what_libc_lacks();
    open_function    *open = (open_function *)next_symbol("dlopen");
    symbol_function  *symbol = (symbol_function *)next_symbol("dlsym");
    address_function *address = (address_function *)next_symbol("dladdr");
    if (!open || !symbol || !address || !address(&hook, &us) || !us.dli_fname)
        return NULL;
    own_file(us.dli_fname, own);
    struct strbuf path = strbuf_in(file, sizeof file);
    strbuf_add(&path, own);
    path.len -= strlen(string_base_name(own));
    strbuf_add(&path, "libpillion-engine.so");
    bool                 is_known = own[0] && !path.cut; /* never a file of the working directory */
    void                *library = !is_known || !engine_file_is_whole(file) ? NULL : open(file, RTLD_NOW | RTLD_LOCAL);
    const struct engine *engine = library ? symbol(library, "pillion_engine") : NULL;
    return engine && engine->version == ENGINE_VERSION ? engine : NULL;
}
