// SPDX-License-Identifier: Apache-2.0
// What S3, or whoever stands in for it, may list, and what may stand in an object: keys are short texts without control
// characters, a list has an end, and no object takes more room than it is given.
#include "fuzz.h"
#include "sentinel/gzip.h"
#include "sentinel/s3_keys.h"

enum { ROOM = 256 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char         *text = fuzz_text(data, size);
    struct text   body = text_span(text, size);
    struct s3_key key;
    struct bytes  rows;
    char          token[S3_TOKEN_SIZE];
    size_t        count = 0;
    while (s3_keys_next(&body, &key)) {
        HOLDS(body.at >= text && body.at <= text + size && ++count <= size);
        HOLDS(key.key[0] != '\0' && strlen(key.key) < S3_KEY_SIZE);
        for (const char *p = key.key; *p; p++)
            HOLDS((unsigned char)*p >= ' ' && *p != 0x7f);
        HOLDS(strspn(key.etag, "0123456789abcdefABCDEF-") == strlen(key.etag));
    }
    if (!s3_keys_continue(text_span(text, size), token))
        HOLDS(token[0] == '\0');
    (void)s3_keys_is_list(text_span(text, size));
    bytes_init(&rows, ROOM);
    (void)gzip_expand(text, size, &rows);
    HOLDS(rows.len <= ROOM);
    bytes_done(&rows);
    free(text);
    return 0;
}
