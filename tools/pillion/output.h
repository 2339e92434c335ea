/* Figures for people, and what all subcommands say in the same way. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_OUTPUT_H
#define PILLION_OUTPUT_H

#include <cJSON.h>

#include <stdbool.h>
#include <stddef.h>

enum { FIGURE_MAX = 32 };

/* "pillion: …" and a line end on stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
void output_be_quiet(bool quiet); /* complains of nothing meanwhile: it was said */

/* Flushes stdout: `code`, or EXIT_NO with a sentence when it could not all be written. */
int output_end(int code);
/* Prints a tree as text, frees it, flushes. */
int output_json(cJSON *tree, int code);

/* "512 B", "1.5 KiB" … and "12.3 s", "3 min 12 s", "2 h 05 min". */
void figure_bytes(double bytes, char ret[static FIGURE_MAX]);
void figure_seconds(double seconds, char ret[static FIGURE_MAX]);

/* Command line in one line of text, quoted as a shell reads it; control characters are shown as `?`. `command` may
 * be an array of strings, one string, or NULL. Cut to `width` columns when that is not 0. */
void print_command(const cJSON *command, size_t width);
/* The same, whole, as a new string; NULL when there is no command. */
char *command_text(const cJSON *command);
/* Somebody else's text, with `?` for control characters, so that it cannot steer the terminal. */
void print_text(const char *text);
/* Bytes of the next character. *ret_good: a terminal takes it for no more than that; controls, those beyond ASCII too,
 * and bytes that are no UTF-8 are not. */
size_t text_character(const char *c, bool *ret_good);
/* The number that stands for a character which is not good, in the JSON that cJSON has written. */
unsigned text_code(const char *c, size_t len);
size_t   print_character(const char *c);            /* the next one; the bytes that it had */
void     print_padded(const char *text, int width); /* the same, in a column */
/* "SIGTERM"; "signal 40" for those without a name. */
void signal_text(int number, char ret[static FIGURE_MAX]);

/* Three digits: "41 %", "1.5 GiB", "345 MiB/s". */
void figure_short_bytes(double bytes, const char *per, char ret[static FIGURE_MAX]);
void figure_percent(double part, char ret[static FIGURE_MAX]);

/* `text` in words, lines no longer than `width` columns when that is not 0, the second and later ones below the
 * first, which `label` stands before. */
void   print_sentence(const char *label, size_t label_width, const char *text, size_t width);
size_t text_columns(const char *text);                              /* characters of UTF-8 */
void   print_cut(const char *text, size_t width, bool is_on_right); /* in a column, cut with `...` */

/* Colours and curves are for terminals that have them: not with NO_COLOR, TERM=dumb, --plain. */
enum paint { PAINT_NONE, PAINT_STRONG, PAINT_GOOD, PAINT_BAD, PAINT_WARN, PAINT_FAINT };
void print_paint(enum paint paint);
void output_use_plain(void);
/* What is printed goes to a screen of so many columns, whatever stdout is meanwhile. */
void output_use_screen(size_t width);

/* Is what the user sees UTF-8? From LC_ALL, LC_CTYPE, LANG: C and POSIX are not, nothing set is;
 * --plain is not. */
bool   output_is_utf8(void);
size_t output_width(void); /* columns of the terminal on stdout, else COLUMNS; 0: neither */

#endif
