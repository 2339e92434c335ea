/* Loads and unloads libraries in a loop, in two name spaces, while a tick may come at any moment. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    int    loaded = 0;
    time_t end = time(NULL) + 1;

    while (time(NULL) <= end && loaded < 300) {
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

        if (!library)
            return 99;
        loaded += dlsym(library, "cosh") != NULL;
        dlclose(library);
    }
    void *apart = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);
    printf("%s, apart: %s\n", loaded ? "loaded" : "none", apart ? "yes" : "no");
    return 37;
}
