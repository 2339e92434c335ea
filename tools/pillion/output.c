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

#include "base/array.h"
#include "base/utf8.h"
#include "command.h"

enum { COMMAND_TEXT_MAX = 4096, WIDTH_MAX = 1000 };

static struct {
    bool   is_plain;
    size_t screen;
} use;

/* Of U+0080 to U+009F one begins what ESC [ does. */
size_t text_character(const char *c, bool *ret_good)
{
    size_t len = utf8_character(c, c + strnlen(c, 4));
    bool   is_control = (unsigned char)*c < ' ' || *c == 0x7f || (*c == '\xc2' && (unsigned char)c[1] < 0xa0);
    *ret_good = len > 0 && !is_control;
    return len > 0 ? len : 1;
}

unsigned text_code(const char *c, size_t len)
{
    return len == 2 ? (unsigned char)c[1] : (unsigned char)*c < 0x80 ? (unsigned char)*c : 0xfffdU;
}

static void clean(char *text)
{
    bool good;
    for (size_t len; *text != '\0'; text += len) {
        len = text_character(text, &good);
        if (!good)
            memset(text, '?', len);
    }
}

size_t print_character(const char *c)
{
    bool   good;
    size_t len = text_character(c, &good);
    if (good)
        (void)fwrite(c, 1, len, stdout);
    else
        putchar('?');
    return len;
}

static bool is_quiet;

void output_be_quiet(bool quiet)
{
    is_quiet = quiet;
}

void complain(const char *format, ...)
{
    char    line[1024];
    va_list args;
    if (is_quiet)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    va_end(args);
    clean(line);
    fprintf(stderr, "pillion: %s\n", line);
}

int output_end(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    complain("the answer could not be written: %s", strerror(errno));
    return EXIT_NO;
}

/* cJSON escapes what is below a blank. Other controls stand in strings alone, and bytes that are no UTF-8 as well. */
static void print_json(const char *text)
{
    const char *from = text; /* of what is not printed yet */
    bool        good;
    for (size_t len; *text != '\0'; text += len) {
        len = text_character(text, &good);
        if (good || *text == '\n' || *text == '\t')
            continue;
        (void)fwrite(from, 1, (size_t)(text - from), stdout);
        printf("\\u%04x", text_code(text, len));
        from = text + len;
    }
    puts(from);
}

int output_json(cJSON *tree, int code)
{
    char *text = cJSON_Print(tree);
    cJSON_Delete(tree);
    if (text == NULL) {
        complain("out of memory");
        return EXIT_NO;
    }
    print_json(text);
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

void figure_short_bytes(double bytes, const char *per, char ret[static FIGURE_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t                   unit = 0;
    while (bytes >= 1023.5 && unit < ARRAY_LENGTH(units) - 1) {
        bytes /= 1024;
        unit++;
    }
    if (bytes > 9999)
        (void)snprintf(ret, FIGURE_MAX, "> 9999 PiB");
    else
        (void)snprintf(ret, FIGURE_MAX, "%.*f %s%s", unit == 0 || bytes >= 99.95 ? 0 : 1, bytes, units[unit], per);
}

void figure_percent(double part, char ret[static FIGURE_MAX])
{
    if (part > 99.99)
        (void)snprintf(ret, FIGURE_MAX, "> 9999 %%");
    else
        (void)snprintf(ret, FIGURE_MAX, "%.0f %%", part * 100);
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
        line->text[line->len++] = c;
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

static void put_command(struct line *line, const cJSON *command)
{
    const cJSON *word;
    if (cJSON_IsString(command)) {
        for (const char *c = command->valuestring; *c != '\0'; c++)
            put(line, *c);
    } else if (cJSON_IsArray(command)) {
        cJSON_ArrayForEach(word, command)
        {
            if (line->len > 0)
                put(line, ' ');
            put_word(line, cJSON_IsString(word) ? word->valuestring : "?");
        }
    } else {
        put(line, '-');
    }
    line->text[line->len] = '\0';
    clean(line->text);
}

char *command_text(const cJSON *command)
{
    struct line line = {.len = 0};
    if (!cJSON_IsString(command) && !cJSON_IsArray(command))
        return NULL;
    put_command(&line, command);
    return strdup(line.text);
}

void print_command(const cJSON *command, size_t width)
{
    struct line line = {.len = 0};
    put_command(&line, command);
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
    while (*text != '\0')
        text += print_character(text);
}

void print_padded(const char *text, int width)
{
    print_text(text);
    for (size_t len = strlen(text); len < (size_t)width; len++)
        putchar(' ');
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xC0) != 0x80;
    return columns;
}

void print_cut(const char *text, size_t width, bool is_on_right)
{
    size_t columns = text_columns(text);
    size_t shown = columns <= width ? columns : width;
    size_t dots = columns <= width ? 0 : width > 6 ? 2 : 0;
    size_t end = cut(text, shown - dots);
    for (size_t i = shown; is_on_right && i < width; i++)
        putchar(' ');
    for (size_t i = 0; i < end;)
        i += print_character(text + i);
    for (size_t i = 0; i < dots; i++)
        putchar('.');
    for (size_t i = shown; !is_on_right && i < width; i++)
        putchar(' ');
}

/* Up to the next blank, but a number keeps its unit. */
static size_t word_length(const char *text)
{
    static const char *const units[] = {"%", "s", "min", "h", "B", "KiB", "MiB", "GiB", "TiB", "J", "kJ", "MJ"};
    size_t                   len = strcspn(text, " ");
    bool                     is_number = len > 0 && text[0] >= '0' && text[0] <= '9';
    const char              *next = text[len] == ' ' ? text + len + 1 : "";
    size_t                   next_len = strcspn(next, " .,;:)/");
    for (size_t i = 0; is_number && i < ARRAY_LENGTH(units); i++)
        if (strlen(units[i]) == next_len && strncmp(next, units[i], next_len) == 0)
            return len + 1 + strcspn(next, " ");
    return len;
}

void print_sentence(const char *label, size_t label_width, const char *text, size_t width)
{
    size_t at = text_columns(label);
    print_text(label);
    for (; at < label_width; at++)
        putchar(' ');
    for (bool is_first = true; *text != '\0'; is_first = false) {
        size_t len = word_length(text);
        size_t columns = 0;
        for (size_t i = 0; i < len; i++)
            columns += ((unsigned char)text[i] & 0xC0) != 0x80;
        if (!is_first && width > 0 && at + 1 + columns > width) {
            printf("\n%*s", (int)label_width, "");
            at = label_width;
        } else if (!is_first) {
            putchar(' ');
            at++;
        }
        for (size_t i = 0; i < len;)
            i += print_character(text + i);
        at += columns;
        text += len + (text[len] == ' ');
    }
    putchar('\n');
}

void output_use_plain(void)
{
    use.is_plain = true;
}

void output_use_screen(size_t width)
{
    use.screen = width;
}

static bool has_colours(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (use.is_plain || (no_color != NULL && no_color[0] != '\0') || term == NULL || strcmp(term, "dumb") == 0)
        return false;
    return use.screen > 0 || isatty(STDOUT_FILENO);
}

void print_paint(enum paint paint)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[32m", "\033[31m", "\033[33m", "\033[2m"};
    if (has_colours())
        fputs(codes[paint], stdout);
}

bool output_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    if (use.is_plain)
        return false;
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
    const char    *columns = getenv("COLUMNS");
    if (use.screen > 0)
        return use.screen;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        return size.ws_col;
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    return width > 0 && width < WIDTH_MAX ? (size_t)width : 0;
}
