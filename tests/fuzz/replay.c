// SPDX-License-Identifier: Apache-2.0
// Stands in for libFuzzer: replay DIRECTORY [MUTANTS [SEED]]. Every file, its beginnings, then mutants of all of them,
// the same ones each time. No input makes a parser take more memory than a leader may have, with a sanitizer's share.
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuzz.h"

enum { FILES_MAX = 256, INPUT_MAX = 64 * 1024, PREFIXES = 64, MEMORY_MAX_KIB = 512 * 1024 };

static struct {
    uint8_t *data;
    size_t   size;
} inputs[FILES_MAX];
static size_t   count;
static uint64_t random_state = 88172645463325252;

static uint32_t random_below(size_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return limit ? (uint32_t)((random_state >> 16) % limit) : 0;
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    HOLDS(exact);
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void load(const char *folder, const char *name)
{
    static uint8_t block[INPUT_MAX];
    char           path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    HOLDS(file);
    size_t size = fread(block, 1, sizeof block, file);
    (void)fclose(file);
    inputs[count].data = malloc(size ? size : 1);
    HOLDS(inputs[count].data);
    memcpy(inputs[count].data, block, size);
    inputs[count++].size = size;
}

static size_t mutate(uint8_t *data, size_t size)
{
    static const char odd[] = "\"\\{}[],:\n\r\t \0()-+.eE019/%*#<>=\xff\xc3\x80";
    switch (random_below(6)) {
    case 0:
        if (size)
            data[random_below(size)] ^= (uint8_t)(1U << random_below(8));
        return size;
    case 1:
        if (size)
            data[random_below(size)] = (uint8_t)odd[random_below(sizeof odd - 1)];
        return size;
    case 2: {
        size_t at = random_below(size + 1);
        size_t len = random_below(size - at + 1);
        memmove(data + at, data + at + len, size - at - len);
        return size - len;
    }
    case 3: {
        size_t at = random_below(size + 1);
        size_t len = random_below(size - at + 1);
        if (size + len > INPUT_MAX)
            return size;
        memmove(data + at + len, data + at, size - at);
        return size + len;
    }
    case 4: {
        size_t other = random_below(count);
        size_t at = random_below(size + 1);
        size_t len = random_below(inputs[other].size + 1);
        if (at + len > INPUT_MAX)
            return size;
        memcpy(data + at, inputs[other].data, len);
        return at + len > size ? at + len : size;
    }
    default: {
        size_t at = random_below(size + 1);
        if (size == INPUT_MAX)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = (uint8_t)odd[random_below(sizeof odd - 1)];
        return size + 1;
    }
    }
}

static void run_mutants(unsigned long mutants)
{
    static uint8_t data[INPUT_MAX];
    for (unsigned long i = 0; i < mutants; i++) {
        size_t from = random_below(count);
        size_t size = inputs[from].size;
        memcpy(data, inputs[from].data, size);
        for (uint32_t steps = 1 + random_below(4); steps > 0; steps--)
            size = mutate(data, size);
        run(data, size);
    }
}

int main(int argc, char **argv)
{
    struct dirent **names = NULL;
    int             found = argc > 1 ? scandir(argv[1], &names, NULL, alphasort) : -1;
    for (int i = 0; i < found; i++) {
        if (names[i]->d_name[0] != '.' && count < FILES_MAX)
            load(argv[1], names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (count == 0) {
        (void)fprintf(stderr, "usage: %s DIRECTORY [MUTANTS [SEED]]: no files found\n", argv[0]);
        return 2;
    }
    if (argc > 3)
        random_state ^= strtoull(argv[3], NULL, 10) * 2654435761;
    for (size_t i = 0; i < count; i++) {
        run(inputs[i].data, inputs[i].size);
        for (size_t n = 0; n < PREFIXES; n++)
            run(inputs[i].data, inputs[i].size * n / PREFIXES);
    }
    run_mutants(argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
    struct rusage use;
    HOLDS(getrusage(RUSAGE_SELF, &use) == 0 && use.ru_maxrss < MEMORY_MAX_KIB);
    for (size_t i = 0; i < count; i++)
        free(inputs[i].data);
    return 0;
}
