// SPDX-License-Identifier: Apache-2.0
// Keys that S3 lists, and objects that are unpacked: what is taken of foreign bytes, and what is not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentinel/gzip.h"
#include "sentinel/http_message.h"
#include "sentinel/s3_keys.h"

/* As Amazon S3 says it: API reference, ListObjectsV2, with encoding-type=url; the second as a RADOS Gateway does. */
static const char aws[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name>"
    "<Prefix>a+b/</Prefix><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>"
    "<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>"
    "<EncodingType>url</EncodingType>"
    "<Contents><Key>a+b/date%3D2026-11-28/K%C3%A9.json</Key><LastModified>2026-11-28T17:50:30.000Z</LastModified>"
    "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
    "<CommonPrefixes><Prefix>a+b/date%3D2026-11-29/</Prefix></CommonPrefixes></ListBucketResult>";
static const char gateway[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    "<Name>b</Name><Prefix>p</Prefix><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
    "<Contents><Key>p&apos;/0001.csv.gz</Key><LastModified>2026-11-29T10:00:00.123Z</LastModified>"
    "<ETag>\"0cc175b9c0f1b6a831c399e269772661-3\"</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass>"
    "<Owner><ID>u</ID><DisplayName>U</DisplayName></Owner><Type>Normal</Type></Contents>"
    "<Contents><Key>p/0002.csv.gz</Key></Contents></ListBucketResult>";

static void the_keys_of_aws_are_read(void **state)
{
    (void)state;
    struct text   body = text_of(aws);
    struct s3_key key;
    char          token[S3_TOKEN_SIZE];
    assert_true(s3_keys_is_list(body));
    assert_true(s3_keys_continue(body, token));
    assert_string_equal(token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
    assert_true(s3_keys_next(&body, &key));
    assert_string_equal(key.key, "a b/date=2026-11-28/K\xc3\xa9.json");
    assert_string_equal(key.etag, "fba9dede5f27731c9771645a39863328");
    assert_int_equal(key.modified, 1795888230);
    assert_int_equal(key.size, 434234);
    assert_false(key.is_folder);
    assert_true(s3_keys_next(&body, &key));
    assert_string_equal(key.key, "a b/date=2026-11-29/");
    assert_true(key.is_folder);
    assert_false(s3_keys_next(&body, &key));
}

static void the_keys_of_a_gateway_are_read(void **state)
{
    (void)state;
    struct text   body = text_of(gateway);
    struct s3_key key;
    char          token[S3_TOKEN_SIZE];
    assert_false(s3_keys_continue(body, token));
    assert_string_equal(token, "");
    assert_true(s3_keys_next(&body, &key));
    assert_string_equal(key.key, "p'/0001.csv.gz");
    assert_string_equal(key.etag, "0cc175b9c0f1b6a831c399e269772661-3");
    assert_true(s3_keys_next(&body, &key));
    assert_string_equal(key.key, "p/0002.csv.gz");
    assert_string_equal(key.etag, "");
    assert_int_equal(key.modified, 0);
    assert_false(s3_keys_next(&body, &key));
}

static void a_token_is_taken_as_it_was_meant(void **state)
{
    (void)state;
    char token[S3_TOKEN_SIZE];
    assert_true(
        s3_keys_continue(text_of("<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b &lt;c&quot;/\xc3\xa9&x"
                                 "</NextContinuationToken>"),
                         token));
    assert_string_equal(token, "a&b <c\"/\xc3\xa9&x");
    assert_true(s3_keys_continue(text_of("<IsTruncated>true</IsTruncated>"), token));
    assert_string_equal(token, "");
    assert_true(s3_keys_continue(
        text_of("<IsTruncated>true</IsTruncated><NextContinuationToken>a\x01-b</NextContinuationToken>"), token));
    assert_string_equal(token, "");
    assert_false(s3_keys_continue(text_of("<NextContinuationToken>a</NextContinuationToken>"), token));
}

static void what_is_no_key_is_passed_over(void **state)
{
    (void)state;
    char          text[4096];
    char          long_one[S3_KEY_SIZE + 1];
    struct s3_key key;
    memset(long_one, 'a', S3_KEY_SIZE);
    long_one[S3_KEY_SIZE] = '\0';
    (void)snprintf(text, sizeof text,
                   "<Contents><Key>%s</Key></Contents><Contents><Key></Key></Contents><Contents><Key>a%%0Ab</Key>"
                   "</Contents><Contents></Contents><Contents><Key>a%%2</Key></Contents><Contents><Key>cut",
                   long_one);
    struct text body = text_of(text);
    assert_true(s3_keys_next(&body, &key));
    assert_string_equal(key.key, "a%2");
    assert_false(s3_keys_next(&body, &key));
    assert_false(s3_keys_is_list(text_span(aws, sizeof aws - 5)));
    assert_false(s3_keys_is_list(text_of("<html>")));
}

static void what_was_packed_is_unpacked(void **state)
{
    (void)state;
    struct bytes packed;
    struct bytes rows;
    bytes_init(&packed, 1 << 20);
    bytes_init(&rows, 1 << 20);
    assert_int_equal(gzip_compress("one\n", 4, &packed), 0);
    assert_int_equal(gzip_compress("two\n", 4, &packed), 0);
    assert_int_equal(gzip_expand(packed.data, packed.len, &rows), 0);
    assert_string_equal(rows.data, "one\ntwo\n");
    for (size_t len = 0; len < packed.len; len++) {
        bytes_clear(&rows);
        int error = gzip_expand(packed.data, len, &rows);
        assert_true(error == -EBADMSG || (error == 0 && rows.len == 4)); /* the first member alone is whole */
    }
    bytes_text(&packed, "more");
    bytes_clear(&rows);
    assert_int_equal(gzip_expand(packed.data, packed.len, &rows), -EBADMSG);
    bytes_done(&packed);
    bytes_done(&rows);
}

static void a_bomb_ends_where_the_room_does(void **state)
{
    (void)state;
    enum { LARGE = 8 << 20, ROOM = 1 << 20 };
    struct bytes packed;
    struct bytes rows;
    char        *zeros = calloc(1, LARGE);
    assert_non_null(zeros);
    bytes_init(&packed, LARGE);
    bytes_init(&rows, ROOM);
    assert_int_equal(gzip_compress(zeros, LARGE, &packed), 0);
    assert_int_equal(gzip_expand(packed.data, packed.len, &rows), -EFBIG);
    assert_true(rows.len <= ROOM);
    free(zeros);
    bytes_done(&packed);
    bytes_done(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_of_aws_are_read),         cmocka_unit_test(the_keys_of_a_gateway_are_read),
        cmocka_unit_test(a_token_is_taken_as_it_was_meant), cmocka_unit_test(what_is_no_key_is_passed_over),
        cmocka_unit_test(what_was_packed_is_unpacked),      cmocka_unit_test(a_bomb_ends_where_the_room_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
