// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"

enum { COMMAND_TEXT_MAX = 4096 };

/* Would a terminal take it for more than a character? */
static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

void complain(const char *format, ...)
{
    char    line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    va_end(args);
    for (char *c = line; *c != '\0'; c++)
        if (is_control(*c))
            *c = '?';
    fprintf(stderr, "pillion: %s\n", line);
}

int output_end(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    complain("the answer could not be written: %s", strerror(errno));
    return EXIT_NO;
}

int output_json(cJSON *tree, int code)
{
    char *text = cJSON_Print(tree);
    cJSON_Delete(tree);
    if (text == NULL) {
        complain("out of memory");
        return EXIT_NO;
    }
    puts(text);
    cJSON_free(text);
    return output_end(code);
}

void figure_bytes(double bytes, char ret[static FIGURE_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t                   unit = 0;
    /* 1023.95 would be written as 1024.0 */
    while (bytes >= 1023.95 && unit < sizeof units / sizeof *units - 1) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(ret, FIGURE_MAX, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
}

void figure_seconds(double seconds, char ret[static FIGURE_MAX])
{
    long long whole = seconds < 9e15 ? (long long)(seconds + 0.5) : (long long)9e15;
    if (seconds < 1)
        (void)snprintf(ret, FIGURE_MAX, "%.3f s", seconds);
    else if (seconds < 99.95)
        (void)snprintf(ret, FIGURE_MAX, "%.1f s", seconds);
    else if (whole < 3600)
        (void)snprintf(ret, FIGURE_MAX, "%lld min %02lld s", whole / 60, whole % 60);
    else
        (void)snprintf(ret, FIGURE_MAX, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
}

void signal_text(int number, char ret[static FIGURE_MAX])
{
    static const struct {
        int         number;
        const char *name;
    } names[] = {
        {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"}, {SIGILL, "ILL"},       {SIGTRAP, "TRAP"},
        {SIGABRT, "ABRT"}, {SIGBUS, "BUS"},   {SIGFPE, "FPE"},   {SIGKILL, "KILL"},     {SIGUSR1, "USR1"},
        {SIGSEGV, "SEGV"}, {SIGUSR2, "USR2"}, {SIGPIPE, "PIPE"}, {SIGALRM, "ALRM"},     {SIGTERM, "TERM"},
        {SIGXCPU, "XCPU"}, {SIGXFSZ, "XFSZ"}, {SIGSYS, "SYS"},   {SIGVTALRM, "VTALRM"}, {SIGPROF, "PROF"},
    };
    (void)snprintf(ret, FIGURE_MAX, "signal %d", number);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            (void)snprintf(ret, FIGURE_MAX, "SIG%s", names[i].name);
}

struct line {
    char   text[COMMAND_TEXT_MAX];
    size_t len;
};

static void put(struct line *line, char c)
{
    if (line->len < sizeof line->text - 1)
        line->text[line->len++] = is_control(c) ? '?' : c;
}

static void put_word(struct line *line, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%^";
    bool              quoted = word[0] == '\0' || word[strspn(word, plain)] != '\0';
    if (quoted)
        put(line, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            for (const char *c = "'\\'"; *c != '\0'; c++)
                put(line, *c);
        put(line, *word);
    }
    if (quoted)
        put(line, '\'');
}

/* Bytes of the first `columns` characters of UTF-8. */
static size_t cut(const char *text, size_t columns)
{
    size_t at = 0;
    for (; text[at] != '\0'; at++)
        if (((unsigned char)text[at] & 0xC0) != 0x80 && columns-- == 0)
            break;
    return at;
}

void print_command(const cJSON *command, size_t width)
{
    struct line  line = {.len = 0};
    const cJSON *word;
    if (cJSON_IsString(command)) {
        for (const char *c = command->valuestring; *c != '\0'; c++)
            put(&line, *c);
    } else if (cJSON_IsArray(command)) {
        cJSON_ArrayForEach(word, command)
        {
            if (line.len > 0)
                put(&line, ' ');
            put_word(&line, cJSON_IsString(word) ? word->valuestring : "?");
        }
    } else {
        put(&line, '-');
    }
    line.text[line.len] = '\0';
    bool   cropped = line.len == sizeof line.text - 1;
    size_t end = line.len;
    if (width > 3 && cut(line.text, width) < line.len) {
        cropped = true;
        end = cut(line.text, width - 3);
    }
    printf("%.*s%s", (int)end, line.text, cropped ? "..." : "");
}

void print_text(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(is_control(*text) ? '?' : *text);
}

void print_padded(const char *text, int width)
{
    print_text(text);
    for (size_t len = strlen(text); len < (size_t)width; len++)
        putchar(' ');
}

bool output_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0')
            return strcmp(value, "C") != 0 && strcmp(value, "POSIX") != 0;
    }
    return true;
}

size_t output_width(void)
{
    struct winsize size;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        return size.ws_col;
    return 0;
}
