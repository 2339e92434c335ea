// SPDX-License-Identifier: Apache-2.0
// What anybody at a metadata service's address may answer: every value that comes of it is short and plain, and nothing
// personal is kept that is not asked for. The first byte picks the vendor, the second the question.
#include "fuzz.h"
#include "sentinel/cloud/cloud.h"

static void is_plain(const char *value)
{
    HOLDS(strlen(value) < CLOUD_VALUE_SIZE);
    for (const char *p = value; *p; p++)
        HOLDS((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("._-", *p));
}

static void hear(enum cloud_vendor vendor, size_t question, const char *text, size_t size, bool with_account)
{
    static struct cloud_told told[CLOUD_VENDORS];
    struct cloud_dmi         dmi = {.sys_vendor = ""};
    struct cloud             result;
    memset(told, 0, sizeof told);
    told[vendor].with_account = with_account;
    const struct cloud_answer answer = {.status = 200, .flavor = "Google", .body = text_span(text, size)};
    bool                      heard = cloud_hear(vendor, question, &answer, &told[vendor]);
    const struct cloud       *facts = &told[vendor].facts;
    HOLDS(heard || !told[vendor].proven);
    HOLDS(cloud_settle(told, &dmi, &result) == told[vendor].proven);
    is_plain(facts->account);
    is_plain(facts->region);
    is_plain(facts->zone);
    is_plain(facts->instance_type);
    HOLDS(with_account || facts->account[0] == '\0');
    for (const char *p = told[vendor].token; *p; p++)
        HOLDS(*p > ' ' && *p < 0x7f);
    HOLDS(!result.vendor[0] || strcmp(result.vendor, cloud_service(vendor)->id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum cloud_vendor vendor = data[0] % CLOUD_VENDORS;
    size_t            question = data[1] % CLOUD_QUESTIONS_MAX;
    if (!cloud_service(vendor)->questions[question].path)
        question = 0;
    char *text = fuzz_text(data + 2, size - 2);
    hear(vendor, question, text, size - 2, false);
    hear(vendor, question, text, size - 2, true);
    free(text);
    return 0;
}
