// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <string.h>

#include "collect/tree/command_name.h"

/* Arguments as /proc/PID/cmdline has them, written with "|" for each NUL. */
static const char *name_of(const char *comm, const char *arguments)
{
    static char ret[COMMAND_NAME_SIZE];
    char        raw[4096];
    size_t      size = strlen(arguments);
    assert_true(size < sizeof raw);
    memcpy(raw, arguments, size + 1);
    for (size_t i = 0; i < size; i++)
        raw[i] = raw[i] == '|' ? '\0' : raw[i];
    command_name(comm, raw, size, ret);
    return ret;
}

static void a_program_is_named_as_the_kernel_names_it(void **state)
{
    (void)state;
    assert_string_equal(name_of("cc1", "/usr/lib/gcc/cc1|-quiet|x.c|"), "cc1");
    assert_string_equal(name_of("nginx", "nginx: worker process|"), "nginx");
    assert_string_equal(name_of("kworker/0:1", ""), "kworker/0:1");
    assert_string_equal(name_of("train.py", "/usr/bin/python3|./train.py|"), "train.py"); /* by its #! line */
}

static void a_name_that_the_kernel_cuts_is_told_whole(void **state)
{
    (void)state;
    assert_string_equal(name_of("a-program-of-a-", "/bin/a-program-of-a-long-name|-x|"), "a-program-of-a-long-name");
    assert_string_equal(name_of("a-program-of-a-", "something else|"), "a-program-of-a-");
    assert_string_equal(name_of("a-program-of-a-", "a-program-of-a-worker: idle|"), "a-program-of-a-");
}

static void an_interpreter_is_named_by_its_script(void **state)
{
    (void)state;
    static const struct {
        const char *comm, *arguments, *expected;
    } cases[] = {
        {"python3", "python3|train.py|--lr|0.1|", "train.py"},
        {"python3.11", "/usr/bin/python3.11|-u|-W|ignore|/home/me/train.py|", "train.py"},
        {"python3", "python3|-m|torch.distributed.run|--nproc|8|", "torch.distributed.run"},
        {"python3", "python3|-c|import time|", "python3"},
        {"python3", "python3|", "python3"},
        {"python3", "python3|-|", "python3"},
        {"pythonista", "pythonista|x.py|", "pythonista"},
        {"perl", "perl|-w|-I|lib|t/all.pl|", "all.pl"},
        {"perl", "perl|-ne|print|file|", "perl"},
        {"bash", "bash|-e|build.sh|", "build.sh"},
        {"bash", "bash|-ec|make all|", "bash"},
        {"bash", "-bash|", "bash"},
        {"sh", "sh|-o|pipefail|run.sh|", "run.sh"},
        {"node", "node|-r|./hook.js|server.js|", "server.js"},
        {"MainThread", "/usr/bin/node|server.js|", "server.js"},
        {"node", "node|-e|1|", "node"},
        {"java", "java|-Xmx1g|-cp|a.jar:b.jar|com.example.Main|x|", "java"},
        {"R", "/usr/lib/R/bin/exec/R|--no-echo|--no-restore|--file=fit.R|", "fit.R"},
        {"Rscript", "Rscript|-e|1+1|", "Rscript"},
        {"php", "php|-d|memory_limit=1G|-f|job.php|", "job.php"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(name_of(cases[i].comm, cases[i].arguments), cases[i].expected);
}

static void a_strangers_name_is_text_without_control_characters(void **state)
{
    (void)state;
    assert_string_equal(name_of("a\x1b[31mb\n", ""), "a?[31mb?");
    assert_string_equal(name_of("\xff\xfe", ""), "??");
    assert_string_equal(name_of("", ""), "?");
    assert_string_equal(name_of("", "|"), "?");
    assert_string_equal(name_of("gr\xc3\xb6\xc3\x9f"
                                "e",
                                ""),
                        "gr\xc3\xb6\xc3\x9f"
                        "e");
    char long_one[600];
    memset(long_one, 'a', sizeof long_one);
    memcpy(long_one, "python3|", 8);
    long_one[sizeof long_one - 2] = '|';
    long_one[sizeof long_one - 1] = '\0';
    assert_int_equal(strlen(name_of("python3", long_one)), COMMAND_NAME_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_named_as_the_kernel_names_it),
        cmocka_unit_test(a_name_that_the_kernel_cuts_is_told_whole),
        cmocka_unit_test(an_interpreter_is_named_by_its_script),
        cmocka_unit_test(a_strangers_name_is_text_without_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
