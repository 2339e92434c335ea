/* The CA bundle as mbedTLS wants it, read once for all connections, and then kept in that form alone. libcurl would
 * copy the text several times for each connection and make a list of its own: 1 MiB with the certificates of a
 * distribution. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/pem.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/file.h"
#include "sentinel/http/http.h"
#include "sentinel/http/http_call.h"

struct http_trust {
    struct bytes     text; /* until it is read */
    mbedtls_x509_crt list;
    int              error; /* of reading it */
};

int http_trust_open(struct bytes *text, struct http_trust **ret)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return -ENOMEM;
    (*ret)->text = *text;
    bytes_init(text, 0);
    mbedtls_x509_crt_init(&(*ret)->list);
    return 0;
}

int http_trust_find(const char *(*lookup)(const char *name), struct http_trust **ret)
{
    struct bytes text;
    *ret = NULL;
    int error = http_find_ca_bundle(lookup, &text);
    if (error == 0)
        error = text.len > 0 ? http_trust_open(&text, ret) : -ENOENT;
    bytes_done(&text);
    return error;
}

void http_trust_close(struct http_trust *trust)
{
    if (!trust)
        return;
    mbedtls_x509_crt_free(&trust->list);
    bytes_done(&trust->text);
    free(trust);
}

int http_trust_read(struct http_trust *trust)
{
    if (trust->text.len == 0)
        return trust->error;
    /* mbedTLS wants the NUL behind the text as a part of it. A positive result counts the certificates that were not
     * understood. */
    int result = mbedtls_x509_crt_parse(&trust->list, (const unsigned char *)trust->text.data, trust->text.len + 1);
    if (result < 0) {
        mbedtls_x509_crt_free(&trust->list);
        mbedtls_x509_crt_init(&trust->list);
        if (result == MBEDTLS_ERR_X509_ALLOC_FAILED || result == MBEDTLS_ERR_PEM_ALLOC_FAILED)
            return -ENOMEM;
        trust->error = -EKEYREJECTED;
    }
    bytes_done(&trust->text);
    return trust->error;
}

CURLcode http_trust_apply(CURL *easy, void *config, void *trust)
{
    (void)easy;
    mbedtls_ssl_conf_ca_chain(config, &((struct http_trust *)trust)->list, NULL);
    return CURLE_OK;
}

enum { BUNDLE_MAX = 4 * 1024 * 1024 };

/* A file that the user names is taken as it is, an empty one too: then no server is trusted. */
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
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++) {
        const char *path = lookup(variables[i]);
        if (path && *path && load(path, ret) == 0)
            return 0;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
        if (load(paths[i], ret) == 0 && ret->len > 0)
            return 0;
    bytes_done(ret);
    return -ENOENT;
}
