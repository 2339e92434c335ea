// SPDX-License-Identifier: Apache-2.0
// What a program is called.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/program_name.h"

#define ASSERT_JOB(expected, executable, ...)                           \
    do {                                                                \
        const char *const arguments[] = {__VA_ARGS__, NULL};            \
        assert_string_equal(program_name(executable, arguments), expected); \
    } while (0)

static void a_program_is_called_by_its_base_name(void **state)
{
    (void)state;
    assert_string_equal(program_base("/usr/bin/sort"), "sort");
    assert_string_equal(program_base("sort"), "sort");
    assert_string_equal(program_base("/a b/c (deleted)"), "c (deleted)");
    ASSERT_JOB("sort", "/usr/bin/sort", "sort", "-n", "file");
    ASSERT_JOB("pythonic", "/usr/bin/pythonic", "pythonic", "script.py");
    assert_string_equal(program_name("/usr/bin/python3", NULL), "python3");
    assert_string_equal(program_name("/usr/bin/python3", (const char *const[]){NULL}), "python3");
}

static void a_script_is_called_by_its_own_name(void **state)
{
    (void)state;
    ASSERT_JOB("train.py", "/usr/bin/python3.11", "python3", "/home/me/train.py", "--epochs", "3");
    ASSERT_JOB("train.py", "/usr/bin/python3", "python3", "-u", "-O", "train.py");
    ASSERT_JOB("run.sh", "/usr/bin/bash", "bash", "--norc", "/opt/run.sh", "-c", "x");
    ASSERT_JOB("run.sh", "/usr/bin/dash", "sh", "run.sh");
    ASSERT_JOB("x.pl", "/usr/bin/perl5.36", "perl", "-w", "x.pl");
    ASSERT_JOB("app.js", "/usr/bin/node", "node", "app.js");
    ASSERT_JOB("app.js", "/usr/bin/node18", "node", "./app.js");
    ASSERT_JOB("fit.R", "/usr/lib/R/Rscript", "Rscript", "--vanilla", "fit.R");
}

static void a_module_is_called_by_its_name(void **state)
{
    (void)state;
    ASSERT_JOB("pytest", "/usr/bin/python3", "python3", "-m", "pytest", "tests/");
    ASSERT_JOB("http.server", "/usr/bin/python3", "python3", "-u", "-m", "http.server", "8000");
    ASSERT_JOB("python3", "/usr/bin/python3", "python3", "-m");
}

static void code_on_the_command_line_stays_there(void **state)
{
    (void)state;
    ASSERT_JOB("python3", "/usr/bin/python3", "python3", "-c", "password = 'x'");
    ASSERT_JOB("bash", "/usr/bin/bash", "bash", "-c", "echo password");
    ASSERT_JOB("bash", "/usr/bin/bash", "bash", "-lc", "echo password");
    ASSERT_JOB("bash", "/usr/bin/bash", "bash", "--norc", "-c", "echo password");
    ASSERT_JOB("bash", "/usr/bin/bash", "bash", "-euc", "echo password");
    ASSERT_JOB("perl", "/usr/bin/perl", "perl", "-e", "print 'password'");
    ASSERT_JOB("perl", "/usr/bin/perl", "perl", "-ne", "print 'password'");
    ASSERT_JOB("node", "/usr/bin/node", "node", "-e", "secret()");
    ASSERT_JOB("ruby", "/usr/bin/ruby", "ruby", "-e", "secret");
    ASSERT_JOB("sh", "/bin/sh", "sh", "-");
    ASSERT_JOB("bash", "/bin/bash", "-bash");
    ASSERT_JOB("python3", "/usr/bin/python3", "python3");
}

static void code_is_known_by_the_interpreters_own_options(void **state)
{
    (void)state;
    ASSERT_JOB("run.sh", "/bin/sh", "sh", "-e", "./run.sh");
    ASSERT_JOB("run.sh", "/bin/bash", "bash", "-eux", "/opt/run.sh");
    ASSERT_JOB("run.sh", "/bin/bash", "bash", "-o", "pipefail", "run.sh");
    ASSERT_JOB("bash", "/bin/bash", "bash", "-o", "pipefail", "-c", "echo password");
    ASSERT_JOB("bash", "/bin/bash", "bash", "-s", "--", "--token", "password");
    ASSERT_JOB("train.py", "/usr/bin/python3", "python3", "-W", "ignore", "-X", "dev", "train.py");
    ASSERT_JOB("train.py", "/usr/bin/python3", "python3", "-Wignore::cached", "-E", "train.py");
    ASSERT_JOB("pytest", "/usr/bin/python3", "python3", "-Bmpytest");
    ASSERT_JOB("pytest", "/usr/bin/python3", "python3", "-Im", "pytest");
    ASSERT_JOB("perl", "/usr/bin/perl", "perl", "-E", "say 'password'");
    ASSERT_JOB("perl", "/usr/bin/perl", "perl", "-lane", "print 'password'");
    ASSERT_JOB("x.pl", "/usr/bin/perl", "perl", "-Mstrict", "-I", "lib", "-c", "x.pl");
    ASSERT_JOB("php", "/usr/bin/php", "php", "-r", "password();");
    ASSERT_JOB("index.php", "/usr/bin/php8.2", "php", "-d", "memory_limit=1G", "index.php");
    ASSERT_JOB("node", "/usr/bin/node", "node", "-p", "password");
    ASSERT_JOB("node", "/usr/bin/node", "node", "--eval", "password");
    ASSERT_JOB("node", "/usr/bin/node", "node", "--print=password");
    ASSERT_JOB("julia", "/usr/bin/julia", "julia", "-t", "4", "-E", "password");
    ASSERT_JOB("lua5.4", "/usr/bin/lua5.4", "lua", "-e", "password");
    ASSERT_JOB("bash", "/bin/bash", "bash", "-o");
}

static void an_address_to_listen_at_is_no_name(void **state)
{
    (void)state;
    ASSERT_JOB("php", "/usr/bin/php", "php", "-t", "public", "-S", "10.1.2.3:80");
    ASSERT_JOB("php", "/usr/bin/php", "php", "--server", "10.1.2.3:80", "index.php");
}

static void one_executable_for_many_programs_is_called_by_the_one(void **state)
{
    (void)state;
    static const char busybox[] = "/bin/busybox";
    ASSERT_JOB("sh", busybox, "sh", "-c", "wget http://example.com/password");
    ASSERT_JOB("sh", busybox, "/bin/sh", "-ec", "echo password");
    ASSERT_JOB("sh", busybox, "-sh", "-l");
    ASSERT_JOB("ash", busybox, "busybox", "ash", "-c", "echo password");
    ASSERT_JOB("run.sh", busybox, "sh", "-e", "/opt/run.sh", "password");
    ASSERT_JOB("run.sh", busybox, "busybox", "sh", "/opt/run.sh");
    ASSERT_JOB("grep", busybox, "grep", "-e", "password", "file");
    ASSERT_JOB("wget", busybox, "/usr/bin/wget", "-q", "http://example.com/password");
    ASSERT_JOB("wget", "/bin/busybox.static", "busybox.static", "wget", "http://example.com/password");
    ASSERT_JOB("sh", "/bin/busybox-extras", "sh", "-c", "password");
    ASSERT_JOB("busybox", busybox, "busybox");
    ASSERT_JOB("busybox", busybox, "busybox", "--list");
    ASSERT_JOB("busybox", busybox, "", "password");
}

static void odd_arguments_give_the_programs_name(void **state)
{
    (void)state;
    ASSERT_JOB("bash", "/bin/bash", "bash", "directory/");
    ASSERT_JOB("bash", "/bin/bash", "bash", "");
}

static void a_language_is_told_where_it_is_certain(void **state)
{
    (void)state;
    assert_string_equal(program_language("/usr/bin/python3.11"), "python");
    assert_string_equal(program_language("/opt/pypy/bin/pypy3.10"), "python");
    assert_string_equal(program_language("/usr/bin/perl"), "perl");
    assert_string_equal(program_language("/usr/lib/R/bin/exec/R"), "r");
    assert_string_equal(program_language("/usr/bin/julia"), "julia");
    assert_string_equal(program_language("/usr/bin/node"), "javascript");
    assert_string_equal(program_language("/usr/lib/jvm/java-17/bin/java"), "java");
    static const char *const uncertain[] = {
        "/bin/sh", "/usr/bin/bash", "/usr/bin/sort", "/usr/bin/javac", "/bin/python-config", "", "/bin/busybox"};
    for (size_t i = 0; i < sizeof uncertain / sizeof *uncertain; i++)
        assert_null(program_language(uncertain[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_called_by_its_base_name),
        cmocka_unit_test(a_script_is_called_by_its_own_name),
        cmocka_unit_test(a_module_is_called_by_its_name),
        cmocka_unit_test(code_on_the_command_line_stays_there),
        cmocka_unit_test(code_is_known_by_the_interpreters_own_options),
        cmocka_unit_test(an_address_to_listen_at_is_no_name),
        cmocka_unit_test(one_executable_for_many_programs_is_called_by_the_one),
        cmocka_unit_test(odd_arguments_give_the_programs_name),
        cmocka_unit_test(a_language_is_told_where_it_is_certain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
