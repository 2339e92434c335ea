// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "sentinel/http/http.h"

enum { BUNDLE_MAX = 4 * 1024 * 1024 };

/* What the user names is taken as it is, an empty file too: then no server is trusted. */
static const char *const variables[] = {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"};

static const char *const paths[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Arch, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora, Red Hat */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/pki/tls/cacert.pem",                           /* OpenELEC */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Red Hat since 7 */
    "/etc/ssl/cert.pem",                                 /* Alpine */
};

static int load(const char *path, struct bytes *ret)
{
    bytes_done(ret);
    return file_load(AT_FDCWD, path, ret);
}

int http_find_ca_bundle(const char *(*lookup)(const char *name), struct bytes *ret)
{
    bytes_init(ret, BUNDLE_MAX);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *path = lookup(variables[i]);
        if (path && *path && load(path, ret) == 0)
            return 0;
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (load(paths[i], ret) == 0 && ret->len > 0)
            return 0;
    bytes_done(ret);
    return -ENOENT;
}
