/* Signature Version 4: the canonical request, the string to sign, the derived key. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/sigv4.h"

#include <errno.h>
#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { DIGEST_SIZE = 32, DATE_LEN = 8, KEY_MAX = 16 * 1024, TEXT_MAX = 128 * 1024 };

static void hexadecimal(const unsigned char digest[static DIGEST_SIZE], char ret[static SIGV4_HASH_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[SIGV4_HASH_SIZE - 1] = '\0';
}

int sigv4_hash(const void *data, size_t len, char ret[static SIGV4_HASH_SIZE])
{
    unsigned char digest[DIGEST_SIZE] = {0};
    ret[0] = '\0';
    if (mbedtls_sha256(len > 0 ? data : "", len, digest, 0) != 0)
        return -EIO;
    hexadecimal(digest, ret);
    return 0;
}

static void add_header_names(const struct sigv4 *request, struct bytes *ret)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (i > 0)
            bytes_char(ret, ';');
        bytes_text(ret, request->headers[i].name);
    }
}

static void add_scope(const struct sigv4 *request, struct bytes *ret)
{
    bytes_add(ret, request->when, DATE_LEN);
    bytes_char(ret, '/');
    bytes_text(ret, request->region);
    bytes_char(ret, '/');
    bytes_text(ret, request->service);
    bytes_text(ret, "/aws4_request");
}

static int hash_canonical_request(const struct sigv4 *request, char ret[static SIGV4_HASH_SIZE])
{
    struct bytes      text;
    const char *const lines[] = {request->method, request->path, request->query};
    bytes_init(&text, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        bytes_text(&text, lines[i]);
        bytes_char(&text, '\n');
    }
    for (size_t i = 0; i < request->header_count; i++) {
        bytes_text(&text, request->headers[i].name);
        bytes_char(&text, ':');
        bytes_text(&text, request->headers[i].value);
        bytes_char(&text, '\n');
    }
    bytes_char(&text, '\n');
    add_header_names(request, &text);
    bytes_char(&text, '\n');
    bytes_text(&text, request->payload_hash);
    int error = text.failed ? -ENOMEM : sigv4_hash(text.data, text.len, ret);
    bytes_done(&text);
    return error;
}

static int hmac(const void *key, size_t key_len, const char *text, size_t len, unsigned char ret[static DIGEST_SIZE])
{
    unsigned char digest[DIGEST_SIZE] = {0}; /* the key may be in *ret */
    int error = mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, key_len, (const unsigned char *)text,
                                len, digest);
    memcpy(ret, digest, sizeof digest);
    mbedtls_platform_zeroize(digest, sizeof digest);
    return error == 0 ? 0 : -EIO;
}

/* The key for one day, region and service. */
static int derive_key(const struct sigv4 *request, unsigned char ret[static DIGEST_SIZE])
{
    struct bytes secret;
    bytes_init(&secret, KEY_MAX);
    bytes_text(&secret, "AWS4");
    bytes_text(&secret, request->secret_key);
    int error = secret.failed ? -ENOMEM : hmac(secret.data, secret.len, request->when, DATE_LEN, ret);
    if (secret.data)
        mbedtls_platform_zeroize(secret.data, secret.len);
    bytes_done(&secret);
    const char *const steps[] = {request->region, request->service, "aws4_request"};
    for (size_t i = 0; error == 0 && i < ARRAY_LENGTH(steps); i++)
        error = hmac(ret, DIGEST_SIZE, steps[i], strlen(steps[i]), ret);
    return error;
}

static int sign(const struct sigv4 *request, char ret[static SIGV4_HASH_SIZE])
{
    struct bytes  text;
    unsigned char key[DIGEST_SIZE] = {0};
    unsigned char signature[DIGEST_SIZE] = {0};
    char          hash[SIGV4_HASH_SIZE];
    int           error = hash_canonical_request(request, hash);
    if (error != 0)
        return error;
    bytes_init(&text, TEXT_MAX);
    bytes_text(&text, ALGORITHM "\n");
    bytes_text(&text, request->when);
    bytes_char(&text, '\n');
    add_scope(request, &text);
    bytes_char(&text, '\n');
    bytes_text(&text, hash);
    error = text.failed ? -ENOMEM : derive_key(request, key);
    if (error == 0)
        error = hmac(key, sizeof key, text.data, text.len, signature);
    hexadecimal(signature, ret);
    mbedtls_platform_zeroize(key, sizeof key);
    bytes_done(&text);
    return error;
}

int sigv4_authorization(const struct sigv4 *request, struct bytes *ret)
{
    char signature[SIGV4_HASH_SIZE];
    int  error = sign(request, signature);
    if (error != 0)
        return error;
    bytes_text(ret, ALGORITHM " Credential=");
    bytes_text(ret, request->access_key);
    bytes_char(ret, '/');
    add_scope(request, ret);
    bytes_text(ret, ", SignedHeaders=");
    add_header_names(request, ret);
    bytes_text(ret, ", Signature=");
    bytes_text(ret, signature);
    return ret->failed ? -ENOMEM : 0;
}

void sigv4_encode(const char *text, bool slashes, struct bytes *ret)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (ascii_is_alphanumeric(*p) || strchr("-._~", c) || (slashes && c == '/')) {
            bytes_char(ret, *p);
        } else {
            const char escape[] = {'%', digits[c >> 4], digits[c & 15]};
            bytes_add(ret, escape, sizeof escape);
        }
    }
}
