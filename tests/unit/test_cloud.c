// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "sentinel/cloud/cloud.h"

static struct fixture    f;
static struct cloud_told told[CLOUD_VENDORS];
static struct cloud      result;

static const struct cloud_dmi nothing;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    memset(told, 0, sizeof told);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static bool hear_all(enum cloud_vendor vendor, size_t question, long status, const char *flavor, struct text body)
{
    const struct cloud_answer answer = {.status = status, .flavor = flavor, .body = body};
    return cloud_hear(vendor, question, &answer, &told[vendor]);
}

static bool hear(enum cloud_vendor vendor, size_t question, const char *body)
{
    return hear_all(vendor, question, 200, vendor == CLOUD_GCP ? "Google" : "", text_of(body));
}

static void assert_result(const char *vendor, const char *region, const char *zone, const char *type,
                          const char *account)
{
    assert_true(cloud_settle(told, &nothing, &result));
    assert_string_equal(result.vendor, vendor);
    assert_string_equal(result.region, region);
    assert_string_equal(result.zone, zone);
    assert_string_equal(result.instance_type, type);
    assert_string_equal(result.account, account);
}

static void forget(void)
{
    memset(told, 0, sizeof told);
}

static void assert_nothing(void)
{
    assert_false(cloud_settle(told, &nothing, &result));
    assert_string_equal(result.vendor, "");
    assert_string_equal(result.region, "");
    forget();
}

/* ---- each vendor's own words ---- */

static void aws_says_it_in_five_answers_behind_a_token(void **state)
{
    (void)state;
    struct cloud_told *t = &told[CLOUD_AWS];
    assert_true(cloud_asks(CLOUD_AWS, 0, t));
    for (size_t i = 1; i < 8; i++)
        assert_false(cloud_asks(CLOUD_AWS, i, t));
    assert_true(hear(CLOUD_AWS, 0, "AQAEAGqZ3e-4YkZ1_x+token/Zw==\n"));
    assert_string_equal(t->token, "AQAEAGqZ3e-4YkZ1_x+token/Zw==");
    assert_true(cloud_asks(CLOUD_AWS, 1, t) && cloud_asks(CLOUD_AWS, 4, t));
    assert_false(cloud_asks(CLOUD_AWS, 5, t));
    t->with_account = true;
    assert_true(cloud_asks(CLOUD_AWS, 5, t));
    assert_false(cloud_asks(CLOUD_AWS, 6, t));
    assert_true(hear(CLOUD_AWS, 2, "u-6tb1.112xlarge"));
    assert_true(hear(CLOUD_AWS, 3, "us-gov-west-1"));
    assert_true(hear(CLOUD_AWS, 4, "us-gov-west-1a\n"));
    assert_true(hear(CLOUD_AWS, 5, "{\n  \"Code\" : \"Success\",\n  \"AccountId\" : \"001234567890\"\n}"));
    assert_false(cloud_settle(told, &nothing, &result)); /* the domain is what proves it */
    assert_true(hear(CLOUD_AWS, 1, "amazonaws.com"));
    assert_result("aws", "us-gov-west-1", "us-gov-west-1a", "u-6tb1.112xlarge", "001234567890");
}

static void the_domains_of_aws_are_three(void **state)
{
    (void)state;
    static const char *const theirs[] = {"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", " amazonaws.com\r\n"};
    static const char *const others[] = {"",   "amazonaws.com.example.org", "AMAZONAWS.COM", "amazonaws.co",
                                         "ok", "<html>amazonaws.com</html>"};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        assert_true(hear(CLOUD_AWS, 1, theirs[i]));
        assert_result("aws", "", "", "", "");
        forget();
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(hear(CLOUD_AWS, 1, others[i]));
        assert_nothing();
    }
}

static void a_token_that_is_none_is_not_sent_back(void **state)
{
    (void)state;
    char long_one[CLOUD_TOKEN_SIZE + 1];
    memset(long_one, 'a', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    static const char *const bad[] = {"", "a b", "a\r\nHost: evil", "<html>", "{\"a\":1}", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(hear(CLOUD_AWS, 0, bad[i]));
    assert_false(hear(CLOUD_AWS, 0, long_one));
    assert_false(hear_all(CLOUD_AWS, 0, 200, "", text_span("a\0b", 3)));
    assert_string_equal(told[CLOUD_AWS].token, "");
    assert_false(cloud_asks(CLOUD_AWS, 1, &told[CLOUD_AWS]));
    assert_true(hear(CLOUD_AWS, 0, long_one + 1));
}

static void gcp_says_it_in_paths(void **state)
{
    (void)state;
    assert_true(hear(CLOUD_GCP, 0, "projects/123/machineTypes/a2-highgpu-1g\n"));
    assert_true(hear(CLOUD_GCP, 1, "projects/123/zones/us-central1-ai1a"));
    assert_false(hear(CLOUD_GCP, 2, "my-project"));
    assert_result("gcp", "us-central1", "us-central1-ai1a", "a2-highgpu-1g", "");
    told[CLOUD_GCP].with_account = true;
    assert_true(hear(CLOUD_GCP, 2, "my-project"));
    assert_result("gcp", "us-central1", "us-central1-ai1a", "a2-highgpu-1g", "my-project");
}

static void what_has_not_googles_flavor_is_not_googles(void **state)
{
    (void)state;
    static const char *const flavors[] = {"", "google", "Google2", "Azure"};
    for (size_t i = 0; i < sizeof flavors / sizeof *flavors; i++)
        assert_false(hear_all(CLOUD_GCP, 1, 200, flavors[i], text_of("projects/1/zones/europe-west1-b")));
    assert_nothing();
}

static void a_path_of_another_shape_is_not_googles(void **state)
{
    (void)state;
    static const char *const bodies[] = {"europe-west1-b",
                                         "projects//zones/europe-west1-b",
                                         "projects/1/zones/",
                                         "projects/1/zones",
                                         "projects/1/zones/a/b",
                                         "projects/1/regions/europe-west1-b",
                                         "projects/1/zones/europe west1-b"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_false(hear(CLOUD_GCP, 1, bodies[i]));
        assert_nothing();
    }
    assert_true(hear(CLOUD_GCP, 1, "projects/1/zones/nozone"));
    assert_result("gcp", "", "nozone", "", "");
}

static void azure_says_it_in_one_document(void **state)
{
    (void)state;
    static const char body[] =
        "{\"compute\":{\"location\":\"westeurope\",\"subscriptionId\":\"8d10-ab\",\"tagsList\":[{\"name\":"
        "\"vmSize\",\"value\":\"x\"}],\"vmSize\":\"Standard_D4s_v5\",\"zone\":\"2\"},\"network\":{}}";
    assert_true(hear(CLOUD_AZURE, 0, body));
    assert_result("azure", "westeurope", "2", "Standard_D4s_v5", "");
    told[CLOUD_AZURE].with_account = true;
    assert_true(hear(CLOUD_AZURE, 0, body));
    assert_result("azure", "westeurope", "2", "Standard_D4s_v5", "8d10-ab");
    forget();
    assert_true(hear(CLOUD_AZURE, 0, "{\"compute\":{\"location\":\"eastus\",\"vmSize\":\"Basic_A0\",\"zone\":\"\"}}"));
    assert_result("azure", "eastus", "", "Basic_A0", "");
}

static void a_document_of_another_shape_is_not_azures(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{}",
        "[]",
        "null",
        "\"compute\"",
        "{\"compute\":null}",
        "{\"compute\":[]}",
        "{\"compute\":\"{}\"}",
        "{\"compute\":{\"location\":\"eastus\"}}",
        "{\"compute\":{\"vmSize\":\"Standard_B1s\"}}",
        "{\"compute\":{\"location\":7,\"vmSize\":\"Standard_B1s\"}}",
        "{\"compute\":{\"location\":\"east us\",\"vmSize\":\"Standard_B1s\"}}",
        "{\"compute\":{\"location\":\"east\\u0075s\",\"vmSize\":\"Standard_B1s\"}}",
        "{\"location\":\"eastus\",\"vmSize\":\"Standard_B1s\"}",
        "{\"compute\":{\"location\":\"eastus\",\"vmSize\":\"Standard_B1s\"}", /* cut off */
        "{\"compute\":{\"location\":\"eastus\",\"vmSize\":\"Standard_B1s\"}} x",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_false(hear(CLOUD_AZURE, 0, bodies[i]));
        assert_nothing();
    }
}

static void hetzner_says_it_in_lines(void **state)
{
    (void)state;
    assert_true(hear(CLOUD_HCLOUD, 0,
                     "vendor_data: |\n  instance-id: 1\n  region: no\navailability-zone: \"hel1-dc2\"\nhostname: 'x'\n"
                     "instance-id: 41234567\nregion: 'eu-central'\n"));
    assert_result("hcloud", "eu-central", "hel1-dc2", "", "");
    forget();
    assert_true(hear(CLOUD_HCLOUD, 0, "instance-id: 1\r\nregion: us-east\r\n"));
    assert_result("hcloud", "us-east", "", "", "");
}

static void not_any_page_is_hetzners(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "ok",
                                         "<html><body>Please log in</body></html>",
                                         "instance-id: 41234567\n",
                                         "region: eu-central\n",
                                         "instance-id: i-0abc\nregion: eu-central\n",
                                         "  instance-id: 1\n  region: eu-central\n",
                                         "instance-id: 1\nregion: <b>eu</b>\n",
                                         "instance-id 1\nregion eu-central\n",
                                         "{\"instance-id\":1,\"region\":\"eu-central\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_false(hear(CLOUD_HCLOUD, 0, bodies[i]));
        assert_nothing();
    }
}

static void upcloud_names_itself(void **state)
{
    (void)state;
    assert_true(hear(CLOUD_UPCLOUD, 0, "{ \"cloud_name\" : \"upcloud\", \"region\" : \"fi-hel2\" }"));
    assert_result("upcloud", "fi-hel2", "", "", "");
    forget();
    assert_true(hear(CLOUD_UPCLOUD, 0, "{\"cloud_name\":\"upcloud\",\"region\":null}"));
    assert_result("upcloud", "", "", "", "");
    forget();
    static const char *const others[] = {"{\"cloud_name\":\"other\",\"region\":\"x\"}", "{\"region\":\"fi-hel2\"}",
                                         "{\"cloud_name\":true}", "[\"cloud_name\",\"upcloud\"]", "upcloud"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(hear(CLOUD_UPCLOUD, 0, others[i]));
        assert_nothing();
    }
}

static void vultr_has_an_instance_and_a_region(void **state)
{
    (void)state;
    assert_true(hear(CLOUD_VULTR, 0, "{\"instance-v2-id\":\"36e9-4f\",\"region\":{\"regioncode\":\"EWR\"}}"));
    assert_result("vultr", "EWR", "", "", "");
    forget();
    assert_true(hear(CLOUD_VULTR, 0, "{\"instanceid\":\"a7\",\"region\":{\"regioncode\":\"ams\"}}"));
    assert_result("vultr", "ams", "", "", "");
    forget();
    static const char *const others[] = {"{\"region\":{\"regioncode\":\"EWR\"}}",
                                         "{\"instanceid\":\"\",\"region\":{\"regioncode\":\"EWR\"}}",
                                         "{\"instanceid\":\"a7\",\"region\":\"EWR\"}", "{\"instanceid\":\"a7\"}",
                                         "{\"instanceid\":\"a7\",\"region\":{\"regioncode\":[\"EWR\"]}}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(hear(CLOUD_VULTR, 0, others[i]));
        assert_nothing();
    }
}

static void alibabas_types_tell_who_it_is(void **state)
{
    (void)state;
    assert_true(hear(CLOUD_ALICLOUD, 0, "BAAEE2tWbWl0L3h5eg=="));
    assert_true(hear(CLOUD_ALICLOUD, 2, "cn-hangzhou"));
    assert_false(cloud_settle(told, &nothing, &result));
    assert_false(hear(CLOUD_ALICLOUD, 1, "m5.large"));
    assert_true(hear(CLOUD_ALICLOUD, 1, "ecs.g7.xlarge"));
    assert_true(hear(CLOUD_ALICLOUD, 3, "cn-hangzhou-i"));
    assert_false(hear(CLOUD_ALICLOUD, 4, "1609"));
    told[CLOUD_ALICLOUD].with_account = true;
    assert_false(hear(CLOUD_ALICLOUD, 4, "not-a-number"));
    assert_true(hear(CLOUD_ALICLOUD, 4, "1609876543210987"));
    assert_result("alicloud", "cn-hangzhou", "cn-hangzhou-i", "ecs.g7.xlarge", "1609876543210987");
}

static void ovh_is_known_by_its_resolver(void **state)
{
    (void)state;
    assert_true(hear(CLOUD_OVH, 2, "b2-7"));
    assert_true(hear(CLOUD_OVH, 1, "{\"availability_zone\":\"nova\",\"project_id\":\"3f1f\"}"));
    assert_false(cloud_settle(told, &nothing, &result));
    assert_true(hear(CLOUD_OVH, 0,
                     "{\"links\":[],\"services\":[{\"type\":\"ntp\",\"address\":\"1.1.1.1\"},7,null,[],{\"address\":"
                     "\"213.186.33.99\",\"type\":\"dns\"}]}"));
    assert_result("ovh", "", "", "b2-7", "");
    assert_true(hear(CLOUD_OVH, 1, "{\"availability_zone\":\"eu-west-par-c\"}"));
    assert_result("ovh", "eu-west-par", "eu-west-par-c", "b2-7", "");
    forget();
    told[CLOUD_OVH].with_account = told[CLOUD_OVH].proven = true;
    assert_true(hear(CLOUD_OVH, 1, "{\"availability_zone\":\"GRA11\",\"project_id\":\"3f1f\"}"));
    assert_result("ovh", "GRA11", "", "", "3f1f");
    forget();
    static const char *const others[] = {"{\"services\":[{\"type\":\"dns\",\"address\":\"8.8.8.8\"}]}",
                                         "{\"services\":[{\"type\":\"ntp\",\"address\":\"213.186.33.99\"}]}",
                                         "{\"services\":{\"type\":\"dns\",\"address\":\"213.186.33.99\"}}",
                                         "{\"services\":[]}",
                                         "{}",
                                         "[]",
                                         "213.186.33.99"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(hear(CLOUD_OVH, 0, others[i]));
        assert_nothing();
    }
}

/* ---- what all have in common ---- */

static void only_200_is_an_answer(void **state)
{
    (void)state;
    static const long statuses[] = {0, 201, 204, 206, 301, 302, 401, 403, 404, 500, 503};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        assert_false(hear_all(CLOUD_AWS, 1, statuses[i], "", text_of("amazonaws.com")));
    assert_nothing();
}

/* Whatever a web server gives to every question, nobody is taken for there. */
static void the_same_answer_to_everything_proves_nobody(void **state)
{
    (void)state;
    static char              huge[CLOUD_ANSWER_MAX + 2];
    static const char *const bodies[] = {"",         "ok",        "OK\n",
                                         "true",     "{}",        "[]",
                                         "null",     "0",         "<html><body>Please log in</body></html>",
                                         "\n",       "localhost", "aws",
                                         "m5.large", "...",       "a\tb",
                                         "\xff",     "nova\n"};
    memset(huge, 'a', sizeof huge - 1);
    for (size_t i = 0; i <= sizeof bodies / sizeof *bodies; i++) {
        const char *body = i < sizeof bodies / sizeof *bodies ? bodies[i] : huge;
        for (enum cloud_vendor v = CLOUD_AWS; v < CLOUD_VENDORS; v++)
            for (size_t q = 0; q < CLOUD_QUESTIONS_MAX; q++)
                if (cloud_service(v)->questions[q].path)
                    (void)hear(v, q, body);
        assert_nothing();
    }
}

/* Each at the paths of all others. */
static void another_vendors_answer_proves_nobody(void **state)
{
    (void)state;
    static const struct {
        enum cloud_vendor vendor;
        const char       *body;
    } answers[] = {
        {CLOUD_AWS, "amazonaws.com"},
        {CLOUD_GCP, "projects/1/zones/europe-west1-b"},
        {CLOUD_AZURE, "{\"compute\":{\"location\":\"eastus\",\"vmSize\":\"Basic_A0\"}}"},
        {CLOUD_HCLOUD, "instance-id: 1\nregion: us-east\n"},
        {CLOUD_UPCLOUD, "{\"cloud_name\":\"upcloud\",\"region\":\"fi-hel2\"}"},
        {CLOUD_VULTR, "{\"instanceid\":\"a7\",\"region\":{\"regioncode\":\"ams\"}}"},
        {CLOUD_ALICLOUD, "ecs.g7.xlarge"},
        {CLOUD_OVH, "{\"services\":[{\"type\":\"dns\",\"address\":\"213.186.33.99\"}]}"},
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        for (enum cloud_vendor v = CLOUD_AWS; v < CLOUD_VENDORS; v++)
            for (size_t q = 0; v != answers[i].vendor && q < CLOUD_QUESTIONS_MAX; q++)
                if (cloud_service(v)->questions[q].path)
                    (void)hear(v, q, answers[i].body);
        assert_nothing();
    }
}

static void values_are_short_and_plain(void **state)
{
    (void)state;
    char value[CLOUD_VALUE_SIZE + 1];
    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    told[CLOUD_AWS].proven = true;
    assert_false(hear(CLOUD_AWS, 2, value));
    static const char *const bad[] = {"",     "-a",   ".a",      "_a",   "a b",      "a\nb", "a/b", "a\"b",
                                      "a<b>", "null", "unknown", "none", "\xc3\xa4", "a\\b", "a,b", "a:b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(hear(CLOUD_AWS, 2, bad[i]));
    assert_false(hear_all(CLOUD_AWS, 2, 200, "", text_span("a\0b", 3)));
    assert_false(hear_all(CLOUD_AWS, 2, 200, "", text_span(NULL, 0)));
    assert_result("aws", "", "", "", "");
    assert_true(hear(CLOUD_AWS, 2, value + 1));
    assert_result("aws", "", "", value + 1, "");
}

static void the_first_of_the_order_counts(void **state)
{
    (void)state;
    assert_true(hear(CLOUD_OVH, 0, "{\"services\":[{\"type\":\"dns\",\"address\":\"213.186.33.99\"}]}"));
    assert_result("ovh", "", "", "", "");
    assert_true(hear(CLOUD_HCLOUD, 0, "instance-id: 1\nregion: us-east\n"));
    assert_result("hcloud", "us-east", "", "", "");
    assert_true(hear(CLOUD_AWS, 1, "amazonaws.com"));
    assert_result("aws", "", "", "", "");
}

/* ---- DMI ---- */

static void dmi_names_the_vendors_to_ask(void **state)
{
    (void)state;
    static const struct {
        struct cloud_dmi dmi;
        unsigned         vendors;
        const char      *proven;
    } machines[] = {
        {{.sys_vendor = "Amazon EC2", .product_name = "m5.metal"}, 1U << CLOUD_AWS, "aws"},
        {{.sys_vendor = "Xen", .product_name = "HVM domU", .bios_version = "4.2.amazon"}, 1U << CLOUD_AWS, "aws"},
        {{.sys_vendor = "Xen", .product_name = "HVM domU", .bios_version = "4.11.1"}, 0, ""},
        {{.sys_vendor = "Google", .product_name = "Google Compute Engine"}, 1U << CLOUD_GCP, "gcp"},
        {{.sys_vendor = "Google", .product_name = "Kled"}, 0, ""}, /* a Chromebook */
        {{.sys_vendor = "Microsoft Corporation", .product_name = "Virtual Machine"}, 0, ""},
        {{.sys_vendor = "Microsoft Corporation", .chassis_asset_tag = "7783-7084-3265-9085-8269-3286-77"},
         1U << CLOUD_AZURE,
         ""},
        {{.sys_vendor = "Hetzner", .product_name = "vServer"}, 1U << CLOUD_HCLOUD, "hcloud"},
        {{.sys_vendor = "UpCloud"}, 1U << CLOUD_UPCLOUD, "upcloud"},
        {{.sys_vendor = "Vultr"}, 1U << CLOUD_VULTR, "vultr"},
        {{.sys_vendor = "Alibaba Cloud", .product_name = "Alibaba Cloud ECS"}, 1U << CLOUD_ALICLOUD, "alicloud"},
        {{.sys_vendor = "OpenStack Foundation", .product_name = "OpenStack Nova"}, 1U << CLOUD_OVH, ""},
        {{.sys_vendor = "Red Hat", .product_name = "OpenStack Compute"}, 1U << CLOUD_OVH, ""},
        {{.sys_vendor = "QEMU", .chassis_asset_tag = "OpenStack Nova"}, 1U << CLOUD_OVH, ""},
        {{.sys_vendor = "QEMU", .product_name = "Standard PC (Q35 + ICH9, 2009)"}, 0, ""},
        {{.sys_vendor = "Dell Inc."}, 0, ""},
        {{.sys_vendor = ""}, 0, ""},
    };
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        assert_int_equal(cloud_named_by(&machines[i].dmi), machines[i].vendors);
        assert_int_equal(cloud_settle(told, &machines[i].dmi, &result), machines[i].proven[0] != '\0');
        assert_string_equal(result.vendor, machines[i].proven);
    }
}

static void a_silent_service_on_nitro_leaves_vendor_and_type(void **state)
{
    (void)state;
    struct cloud_dmi dmi = {.sys_vendor = "Amazon EC2", .product_name = "c7i.2xlarge"};
    assert_true(cloud_settle(told, &dmi, &result));
    assert_string_equal(result.instance_type, "c7i.2xlarge");
    assert_string_equal(result.region, "");
    assert_true(hear(CLOUD_AWS, 1, "amazonaws.com") && hear(CLOUD_AWS, 2, "c7i.4xlarge"));
    assert_true(cloud_settle(told, &dmi, &result));
    assert_string_equal(result.instance_type, "c7i.4xlarge");
    forget();
    static const char *const odd[] = {"", "Virtual Machine", "m5", "m5 .large", "<b>.</b>"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        (void)snprintf(dmi.product_name, sizeof dmi.product_name, "%s", odd[i]);
        assert_true(cloud_settle(told, &dmi, &result));
        assert_string_equal(result.instance_type, "");
    }
}

static void dmi_is_read_from_sys(void **state)
{
    (void)state;
    struct cloud_dmi dmi;
    cloud_read_dmi(&f.roots, &dmi);
    assert_int_equal(cloud_named_by(&dmi), 0);
    assert_string_equal(dmi.sys_vendor, "");
    fixture_write(&f, "sys/class/dmi/id/sys_vendor", " Hetzner \nmore\n");
    fixture_write(&f, "sys/class/dmi/id/product_name", "vServer");
    fixture_write(&f, "sys/class/dmi/id/bios_version", "20171111\n");
    fixture_write(&f, "sys/class/dmi/id/chassis_asset_tag", "%0100d\n", 7); /* longer than any that counts */
    cloud_read_dmi(&f.roots, &dmi);
    assert_string_equal(dmi.sys_vendor, "Hetzner");
    assert_string_equal(dmi.product_name, "vServer");
    assert_string_equal(dmi.bios_version, "20171111");
    assert_string_equal(dmi.chassis_asset_tag, "");
    assert_int_equal(cloud_named_by(&dmi), 1U << CLOUD_HCLOUD);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(aws_says_it_in_five_answers_behind_a_token),
        test(the_domains_of_aws_are_three),
        test(a_token_that_is_none_is_not_sent_back),
        test(gcp_says_it_in_paths),
        test(what_has_not_googles_flavor_is_not_googles),
        test(a_path_of_another_shape_is_not_googles),
        test(azure_says_it_in_one_document),
        test(a_document_of_another_shape_is_not_azures),
        test(hetzner_says_it_in_lines),
        test(not_any_page_is_hetzners),
        test(upcloud_names_itself),
        test(vultr_has_an_instance_and_a_region),
        test(alibabas_types_tell_who_it_is),
        test(ovh_is_known_by_its_resolver),
        test(only_200_is_an_answer),
        test(the_same_answer_to_everything_proves_nobody),
        test(another_vendors_answer_proves_nobody),
        test(values_are_short_and_plain),
        test(the_first_of_the_order_counts),
        test(dmi_names_the_vendors_to_ask),
        test(a_silent_service_on_nitro_leaves_vendor_and_type),
        test(dmi_is_read_from_sys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
