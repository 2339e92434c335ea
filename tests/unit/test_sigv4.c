// SPDX-License-Identifier: Apache-2.0
// Signatures against published ones: AWS's Signature Version 4 test suite, and the examples of the Amazon S3 API
// reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "sentinel/sigv4.h"

#define HASH_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HASH_OF_HELLO   "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define HASH_OF_FORM    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e" /* Param1=value1 */
#define HASH_OF_WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" /* Welcome to Amazon S3. */

#define SUITE_HOST                      \
    {                                   \
        "host", "example.amazonaws.com" \
    }
#define SUITE_DATE                       \
    {                                    \
        "x-amz-date", "20150830T123600Z" \
    }
#define S3_HOST                                  \
    {                                            \
        "host", "examplebucket.s3.amazonaws.com" \
    }
#define S3_DATE                          \
    {                                    \
        "x-amz-date", "20130524T000000Z" \
    }
#define S3_NOTHING                              \
    {                                           \
        "x-amz-content-sha256", HASH_OF_NOTHING \
    }

#define SUITE_TOKEN                                                                                               \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8" \
    "YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6" \
    "fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQ" \
    "wj2ICCR/oLxBA=="

struct vector {
    const char         *name;
    const char         *method, *path, *query;
    struct sigv4_header headers[6];
    const char         *payload_hash;
    const char         *names, *signature;
};

static const struct vector suite[] = {
    {"get-vanilla",
     "GET",
     "/",
     "",
     {SUITE_HOST, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     "Param1=value1&Param2=value2",
     {SUITE_HOST, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-utf8",
     "GET",
     "/%E1%88%B4",
     "",
     {SUITE_HOST, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     "",
     {SUITE_HOST, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-space-unnormalized",
     "GET",
     "/example%20space/",
     "",
     {SUITE_HOST, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-slashes-unnormalized",
     "GET",
     "//example//",
     "",
     {SUITE_HOST, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-date",
     "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
    {"post-vanilla",
     "POST",
     "/",
     "",
     {SUITE_HOST, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-header-key-sort",
     "POST",
     "/",
     "",
     {SUITE_HOST, {"my-header1", "value1"}, SUITE_DATE},
     HASH_OF_NOTHING,
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     "",
     {{"content-type", "application/x-www-form-urlencoded"}, SUITE_HOST, SUITE_DATE},
     HASH_OF_FORM,
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-sts-header-before",
     "POST",
     "/",
     "",
     {SUITE_HOST, SUITE_DATE, {"x-amz-security-token", SUITE_TOKEN}},
     HASH_OF_NOTHING,
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

static const struct vector s3[] = {
    {"GET object",
     "GET",
     "/test.txt",
     "",
     {S3_HOST, {"range", "bytes=0-9"}, S3_NOTHING, S3_DATE},
     HASH_OF_NOTHING,
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object",
     "PUT",
     "/test%24file.text",
     "",
     {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
      S3_HOST,
      {"x-amz-content-sha256", HASH_OF_WELCOME},
      S3_DATE,
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     HASH_OF_WELCOME,
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle",
     "GET",
     "/",
     "lifecycle=",
     {S3_HOST, S3_NOTHING, S3_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"GET bucket",
     "GET",
     "/",
     "max-keys=2&prefix=J",
     {S3_HOST, S3_NOTHING, S3_DATE},
     HASH_OF_NOTHING,
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

/* `who` has the keys, the place and the time. */
static void assert_signed(const struct vector *vector, struct sigv4 who)
{
    struct bytes expected;
    struct bytes signed_by_us;
    who.method = vector->method;
    who.path = vector->path;
    who.query = vector->query;
    who.headers = vector->headers;
    who.payload_hash = vector->payload_hash;
    while (vector->headers[who.header_count].name)
        who.header_count++;
    bytes_init(&expected, 4096);
    bytes_init(&signed_by_us, 4096);
    bytes_format(&expected, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                 who.access_key, who.when, who.region, who.service, vector->names, vector->signature);
    assert_int_equal(sigv4_authorization(&who, &signed_by_us), 0);
    if (strcmp(signed_by_us.data, expected.data) != 0)
        print_error("%s\n", vector->name);
    assert_string_equal(signed_by_us.data, expected.data);
    bytes_done(&expected);
    bytes_done(&signed_by_us);
}

static void the_vectors_of_the_test_suite_are_signed_alike(void **state)
{
    (void)state;
    const struct sigv4 who = {.access_key = "AKIDEXAMPLE",
                              .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                              .region = "us-east-1",
                              .service = "service",
                              .when = "20150830T123600Z"};
    for (size_t i = 0; i < sizeof suite / sizeof *suite; i++)
        assert_signed(&suite[i], who);
}

static void the_examples_of_s3_are_signed_alike(void **state)
{
    (void)state;
    const struct sigv4 who = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                              .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                              .region = "us-east-1",
                              .service = "s3",
                              .when = "20130524T000000Z"};
    for (size_t i = 0; i < sizeof s3 / sizeof *s3; i++)
        assert_signed(&s3[i], who);
}

static void data_is_hashed(void **state)
{
    (void)state;
    char hash[SIGV4_HASH_SIZE];
    assert_int_equal(sigv4_hash("", 0, hash), 0);
    assert_string_equal(hash, HASH_OF_NOTHING);
    assert_int_equal(sigv4_hash(NULL, 0, hash), 0);
    assert_string_equal(hash, HASH_OF_NOTHING);
    assert_int_equal(sigv4_hash("hello, world", 5, hash), 0);
    assert_string_equal(hash, HASH_OF_HELLO);
    assert_int_equal(sigv4_hash("\0\0", 2, hash), 0);
    assert_string_equal(hash, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
}

static void assert_encoded(const char *text, bool slashes, const char *expected)
{
    struct bytes b;
    bytes_init(&b, 4096);
    sigv4_encode(text, slashes, &b);
    assert_string_equal(b.data ? b.data : "", expected);
    bytes_done(&b);
}

static void all_but_unreserved_characters_are_encoded(void **state)
{
    (void)state;
    assert_encoded("", true, "");
    assert_encoded("azAZ09-._~", false, "azAZ09-._~");
    assert_encoded("a/b//c/../d", true, "a/b//c/../d");
    assert_encoded("a/b", false, "a%2Fb");
    assert_encoded("run=1+2 3:4@5%41", true, "run%3D1%2B2%203%3A4%405%2541");
    assert_encoded("!*'()[]{}$&,;?#\"<>\\^`|", true,
                   "%21%2A%27%28%29%5B%5D%7B%7D%24%26%2C%3B%3F%23%22%3C%3E%5C%5E%60%7C");
    assert_encoded("\xc3\xa9\xf0\x9f\x98\x80", true, "%C3%A9%F0%9F%98%80");
    assert_encoded("\x01\x7f\xff", true, "%01%7F%FF");
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct bytes              b;
    const struct sigv4_header headers[] = {S3_HOST};
    const struct sigv4        request = {.access_key = "A",
                                         .secret_key = "S",
                                         .region = "r",
                                         .service = "s3",
                                         .method = "PUT",
                                         .when = "20130524T000000Z",
                                         .path = "/",
                                         .query = "",
                                         .headers = headers,
                                         .header_count = 1,
                                         .payload_hash = HASH_OF_NOTHING};
    bytes_init(&b, 100);
    assert_int_equal(sigv4_authorization(&request, &b), -ENOMEM);
    bytes_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_test_suite_are_signed_alike),
        cmocka_unit_test(the_examples_of_s3_are_signed_alike),
        cmocka_unit_test(data_is_hashed),
        cmocka_unit_test(all_but_unreserved_characters_are_encoded),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
