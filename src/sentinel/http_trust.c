/* The CA bundle as mbedTLS wants it, read once for all connections. libcurl would copy the text several times for each
 * of them and keep a list of its own: 1 MiB a connection with the certificates of a distribution. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include <mbedtls/pem.h>
#include <mbedtls/ssl.h>

#include "sentinel/http_call.h"

void http_trust(struct http *http, const char *ca_bundle, size_t len)
{
    if (!ca_bundle)
        len = 0;
    if (http->ca == ca_bundle && http->ca_len == len)
        return;
    http->ca = ca_bundle;
    http->ca_len = len;
    http_trust_forget(http);
}

int http_trust_read(struct http *http)
{
    if (http->ca_len == 0 || http->ca_is_read)
        return 0;
    /* The terminating NUL is part of it for mbedTLS. Positive: so many certificates were not understood. */
    int result = mbedtls_x509_crt_parse(&http->authorities, (const unsigned char *)http->ca, http->ca_len + 1);
    http->ca_is_read = result >= 0;
    if (result >= 0)
        return 0;
    http_trust_forget(http);
    return result == MBEDTLS_ERR_X509_ALLOC_FAILED || result == MBEDTLS_ERR_PEM_ALLOC_FAILED ? -ENOMEM : -EKEYREJECTED;
}

CURLcode http_trust_apply(CURL *easy, void *config, void *http)
{
    (void)easy;
    mbedtls_ssl_conf_ca_chain(config, &((struct http *)http)->authorities, NULL);
    return CURLE_OK;
}

void http_trust_forget(struct http *http)
{
    mbedtls_x509_crt_free(&http->authorities);
    mbedtls_x509_crt_init(&http->authorities);
    http->ca_is_read = false;
}
