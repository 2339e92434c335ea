// SPDX-License-Identifier: Apache-2.0
// Known secrets in foreign words: found in each spelling, and nothing else is touched.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sentinel/secrets.h"

#define SECRET "tok-4f/Zq_9"

static void assert_hidden(const char *text, const char *expected)
{
    struct secrets secrets = {0};
    struct bytes   words;
    secrets_add(&secrets, SECRET);
    bytes_init(&words, 4096);
    bytes_text(&words, text);
    assert_int_equal(secrets_hide(&secrets, &words), expected != NULL);
    assert_string_equal(words.data, expected ? expected : text);
    assert_int_equal(words.len, strlen(words.data));
    bytes_done(&words);
}

static void a_secret_is_found_in_each_spelling(void **state)
{
    (void)state;
    assert_hidden("a " SECRET " b" SECRET, "a *********** b***********");
    assert_hidden("TOK-4F/ZQ_9", "***********");
    assert_hidden("\"tok\\u002d4f\\/Zq\\u005F9\"", "\"***********\"");
    assert_hidden("tok%2D4f%2fZq_9", "***********");
    assert_hidden("tok%252D4f%252fZq_9", "***********");
    assert_hidden("tok&#45;4f&#x2F;Zq_9", "***********");
    assert_hidden("\\x74ok\\0554f/Zq_9", "***********");
    assert_hidden("x 746F6B2D34662F5A715f39 y", "x ********************** y");
    assert_hidden("x dG9rLTRmL1pxXzk= y", "x ***************= y");
    assert_hidden("Basic dTp0b2stNGYvWnFfOQ==", "Basic ******************==");
    assert_hidden("Basic YTp0b2st\\nNGYvWnFfOQ==", "Basic *******************==");
}

static void other_words_stay_as_they_are(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "tok-4f/Zq_", "a % b %zz \\ \\u00 & &#; &x", "dG9rLTRmL1px", "746f6b2d34662f5a", "{\"a\":\"\\u00fc\\n\"}"};
    for (size_t i = 1; i < sizeof texts / sizeof *texts; i++)
        assert_hidden(texts[i], NULL);
    struct secrets none = {0};
    struct bytes   empty = {0};
    secrets_add(&none, "short");
    secrets_add(&none, NULL);
    assert_int_equal(none.count, 0);
    secrets_add(&none, SECRET);
    assert_false(secrets_hide(&none, &empty));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_found_in_each_spelling),
        cmocka_unit_test(other_words_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
