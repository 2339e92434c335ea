// SPDX-License-Identifier: Apache-2.0
// The hook among the files that a process maps, asked of the kernel and read in its text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "folder.h"
#include "hook/hook.h"

struct hook hook;

static void *map_code(const struct folder *folder, const char *name)
{
    char path[FOLDER_PATH];
    char page[4096] = "";
    assert_true(folder_write(folder, name, page, sizeof page));
    int   fd = open(folder_path(folder, name, path), O_RDONLY | O_CLOEXEC);
    void *at = mmap(NULL, sizeof page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    close(fd);
    return at;
}

static int in_text(const char *name)
{
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int found = mapped_file_in_text(maps, name);
    close(maps);
    return found;
}

/* Both ways, which have to agree; -1 where they do not. */
static int found_in_both(void)
{
    int asked = mapped_file("/proc/self/maps", "/libpillion.so");
    return asked == in_text("/libpillion.so") ? asked : -1;
}

static int found_mapped(const struct folder *folder, const char *name)
{
    void *at = map_code(folder, name);
    int   found = found_in_both();
    assert_int_equal(munmap(at, 4096), 0);
    return found;
}

static void the_hook_is_seen_among_the_mappings(void **state)
{
    (void)state;
    struct folder folder;
    char          long_name[220];
    assert_true(folder_make(&folder));
    assert_int_equal(found_in_both(), 0);
    assert_int_equal(found_mapped(&folder, "libpillion.so"), 1);
    assert_int_equal(found_mapped(&folder, "libpillion.so (deleted)"), 1);
    assert_int_equal(found_mapped(&folder, "libpillion.so.old"), 0);
    assert_int_equal(found_mapped(&folder, "xlibpillion.so"), 0);
    assert_int_equal(found_mapped(&folder, "libpillion-engine.so"), 0);
    assert_int_equal(mapped_file("/proc/99999999/maps", "/libpillion.so"), -ENOENT);
    (void)memset(long_name, 'l', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    void *before = map_code(&folder, long_name);
    assert_int_equal(found_mapped(&folder, "libpillion.so"), 1);
    assert_int_equal(munmap(before, 4096), 0);
    folder_remove(&folder);
}

static void the_hook_is_seen_though_its_file_is_gone(void **state)
{
    (void)state;
    struct folder folder;
    char          path[FOLDER_PATH];
    assert_true(folder_make(&folder));
    void *at = map_code(&folder, "libpillion.so");
    assert_int_equal(unlink(folder_path(&folder, "libpillion.so", path)), 0);
    assert_int_equal(found_in_both(), 1);
    assert_int_equal(munmap(at, 4096), 0);
    folder_remove(&folder);
}

static void the_hook_is_seen_behind_a_path_longer_than_is_asked_for(void **state)
{
    (void)state;
    struct folder folder;
    char          name[FOLDER_PATH];
    char          path[FOLDER_PATH];
    char          deep[150];
    assert_true(folder_make(&folder));
    (void)memset(deep, 'd', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(mkdir(folder_path(&folder, deep, path), 0700), 0);
    (void)snprintf(name, sizeof name, "%s/%s", deep, deep);
    assert_int_equal(mkdir(folder_path(&folder, name, path), 0700), 0);
    (void)snprintf(name, sizeof name, "%s/%s/libpillion.so", deep, deep);
    assert_int_equal(found_mapped(&folder, name), 1);
    folder_remove(&folder);
}

/* Wherever its line falls between two readings: each further mapping moves it. */
static void the_hook_is_seen_across_blocks_of_text(void **state)
{
    (void)state;
    enum { STEPS = 200 };
    struct folder folder;
    void         *more[STEPS];
    char          name[FOLDER_PATH];
    char          page[4096] = "";
    assert_true(folder_make(&folder));
    for (int i = 0; i < STEPS; i++) {
        char file[64];
        (void)snprintf(file, sizeof file, "%.*s", 1 + i % 40, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_true(folder_write(&folder, file, page, sizeof page));
        int fd = open(folder_path(&folder, file, name), O_RDONLY | O_CLOEXEC);
        more[i] = mmap(NULL, sizeof page, PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        assert_ptr_not_equal(more[i], MAP_FAILED);
        assert_int_equal(found_mapped(&folder, "libpillion.so"), 1);
        assert_int_equal(found_mapped(&folder, "libpillion.so (deleted)"), 1);
    }
    for (int i = 0; i < STEPS; i++)
        assert_int_equal(munmap(more[i], sizeof page), 0);
    folder_remove(&folder);
}

/* Both ways, which have to agree. */
static void assert_mapped_at(const void *address, const char *path)
{
    char asked[FOLDER_PATH] = "", read[FOLDER_PATH] = "";
    int  maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_int_equal(mapped_file_at(address, asked, sizeof asked), path != NULL ? 0 : -ENOENT);
    assert_int_equal(mapped_file_at_in_text(maps, address, read, sizeof read), path != NULL ? 0 : -ENOENT);
    close(maps);
    if (path != NULL) {
        assert_string_equal(asked, path);
        assert_string_equal(read, path);
    }
}

static void a_mapping_tells_its_file_and_not_the_link_that_led_there(void **state)
{
    (void)state;
    struct folder folder;
    char          path[FOLDER_PATH], link[FOLDER_PATH], small[8];
    assert_true(folder_make(&folder));
    assert_true(folder_write(&folder, "old", "", 0));
    assert_int_equal(symlink("old", folder_path(&folder, "link", link)), 0);
    char *at = map_code(&folder, "link");
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("new", link), 0);
    folder_path(&folder, "old", path);
    assert_mapped_at(at, path);
    assert_mapped_at(at + 4095, path);
    assert_true(mapped_file_at(at, small, sizeof small) < 0);
    assert_int_equal(unlink(path), 0);
    assert_mapped_at(at, path);
    assert_int_equal(munmap(at, 4096), 0);
    assert_mapped_at(at, NULL);
    folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hook_is_seen_among_the_mappings),
        cmocka_unit_test(the_hook_is_seen_though_its_file_is_gone),
        cmocka_unit_test(the_hook_is_seen_behind_a_path_longer_than_is_asked_for),
        cmocka_unit_test(the_hook_is_seen_across_blocks_of_text),
        cmocka_unit_test(a_mapping_tells_its_file_and_not_the_link_that_led_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
