// SPDX-License-Identifier: Apache-2.0
// metrics.csv as a killed writer left it: the last line is cut when it is torn, what stands before it is not touched.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/run_dir.h"

static char             path[] = "/tmp/pillion-fuzz-XXXXXX";
static struct state_dir home = {.dir = -1, .runs = -1};

static void clean(void)
{
    static const char *const files[] = {"r/metrics.csv", "r/run.jsonl", "r/log", "r/lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlinkat(home.runs, files[i], 0);
    (void)unlinkat(home.runs, "r", AT_REMOVEDIR);
    (void)rmdir(path);
}

static void begin(void)
{
    if (home.runs >= 0)
        return;
    HOLDS(mkdtemp(path) && atexit(clean) == 0);
    home.runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    HOLDS(home.runs >= 0 && mkdirat(home.runs, "r", 0700) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run_dir run;
    struct bytes   rows;
    size_t         whole = size;
    begin();
    while (whole > 0 && data[whole - 1] != '\n')
        whole--;
    int fd = openat(home.runs, "r/metrics.csv", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    run_dir_init(&run);
    HOLDS(run_dir_open(&home, "r", &run) == 0);
    HOLDS(run_dir_append_row(&run, "row\n", 4) == 0);
    bytes_init(&rows, size + 8);
    HOLDS(run_dir_load_rows(&run, &rows) == 0);
    HOLDS(rows.len == whole + 4);
    HOLDS(memcmp(rows.data, data, whole) == 0 && memcmp(rows.data + whole, "row\n", 4) == 0);
    bytes_done(&rows);
    run_dir_close(&run);
    return 0;
}
