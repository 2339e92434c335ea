// SPDX-License-Identifier: Apache-2.0
// What the command reads from a program's file: the samples of the fuzzer's corpus, and damaged ones.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "folder.h"

#include "../../tools/pillion/image.c"

enum { SAMPLE_MAX = 4096 };

struct sample {
    unsigned char data[SAMPLE_MAX];
    size_t        len;
};

static struct sample load(const char *name)
{
    struct sample sample = {.len = 0};
    char          path[FOLDER_PATH];
    const char   *source = getenv("PILLION_SOURCE");
    (void)snprintf(path, sizeof path, "%s/tests/fuzz/corpus/image/%s", source ? source : ".", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, sample.data, sizeof sample.data);
    close(fd);
    assert_in_range(n, 1, SAMPLE_MAX - 1);
    sample.len = (size_t)n;
    return sample;
}

static int read_sample(const struct sample *sample, struct image *ret)
{
    int fd = memfd_create("sample", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, sample->data, sample->len), (ssize_t)sample->len);
    int result = image_read(fd, ret);
    close(fd);
    return result;
}

static struct image image_of(const char *name)
{
    struct image  image;
    struct sample sample = load(name);
    assert_int_equal(read_sample(&sample, &image), 0);
    return image;
}

static struct image image_of_text(const char *text, int expected)
{
    struct image  image;
    struct sample sample = {.len = strlen(text)};
    memcpy(sample.data, text, sample.len);
    assert_int_equal(read_sample(&sample, &image), expected);
    return image;
}

static void programs_of_every_class_and_order_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *sample, *interpreter, *machine;
        unsigned    bits;
        bool        swapped;
    } cases[] = {{"program", "/lib64/ld-linux-x86-64.so.2", "x86-64", 64, false},
                 {"small", "/lib/ld-linux.so.2", "i386", 32, false},
                 {"big-endian", "/lib/ld64.so.1", "s390", 64, true},
                 {"small-big-endian", "/lib/ld.so.1", "PowerPC", 32, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char         machine[IMAGE_NAME_MAX];
        struct image image = image_of(cases[i].sample);
        image_machine_name(&image, machine);
        assert_int_equal(image.kind, IMAGE_ELF);
        assert_string_equal(image.interpreter, cases[i].interpreter);
        assert_string_equal(machine, cases[i].machine);
        assert_int_equal(image.bits, cases[i].bits);
        assert_int_equal(image.swapped, cases[i].swapped);
        assert_string_equal(image.libc, "libc.so.6");
        assert_int_equal(image.needs_sanitizer, i == 0);
        assert_false(image.is_loader);
    }
}

static void a_libc_tells_its_version_and_a_loader_its_name(void **state)
{
    (void)state;
    struct image libc = image_of("libc");
    assert_int_equal(libc.glibc, 12);
    assert_string_equal(libc.interpreter, "");
    assert_false(libc.is_loader);
    assert_true(image_of("loader").is_loader);
    assert_string_equal(image_of("musl").libc, "libc.musl-x86_64.so.1");
}

static void a_script_names_its_interpreter_and_one_argument(void **state)
{
    (void)state;
    struct image image = image_of("script");
    assert_int_equal(image.kind, IMAGE_SCRIPT);
    assert_string_equal(image.interpreter, "/usr/bin/env");
    assert_string_equal(image.argument, "python3 -u");
    image = image_of_text("#!/bin/sh", 0);
    assert_string_equal(image.interpreter, "/bin/sh");
    assert_string_equal(image.argument, "");
    (void)image_of_text("#! \t\n", -ENOEXEC);
    assert_int_equal(image_of_text("exit 3\n", 0).kind, IMAGE_OTHER);
    assert_int_equal(image_of_text("\177EL", 0).kind, IMAGE_OTHER);
}

static void a_file_that_ends_too_early_is_no_program_or_lacks_names(void **state)
{
    (void)state;
    struct sample whole = load("program");
    for (size_t len = EI_NIDENT; len < whole.len; len++) {
        struct image  image;
        struct sample part = whole;
        part.len = len;
        int error = read_sample(&part, &image);
        assert_true(error == 0 || error == -ENOEXEC);
        if (len < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr))
            assert_int_equal(error, -ENOEXEC);
    }
}

static void numbers_that_lead_nowhere_are_not_followed(void **state)
{
    (void)state;
    struct image  image;
    struct sample sample = load("libc");
    /* Every number in turn as large as it can be: offsets beyond the file, counts without end, versions in a ring. */
    for (size_t at = EI_NIDENT; at + 8 <= sample.len; at++) {
        struct sample wild = sample;
        memset(wild.data + at, 0xff, 8);
        int error = read_sample(&wild, &image);
        assert_true(error == 0 || error == -ENOEXEC);
        memset(wild.data + at, 0, 8);
        error = read_sample(&wild, &image);
        assert_true(error == 0 || error == -ENOEXEC);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_of_every_class_and_order_are_read),
        cmocka_unit_test(a_libc_tells_its_version_and_a_loader_its_name),
        cmocka_unit_test(a_script_names_its_interpreter_and_one_argument),
        cmocka_unit_test(a_file_that_ends_too_early_is_no_program_or_lacks_names),
        cmocka_unit_test(numbers_that_lead_nowhere_are_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
