/* show --follow: the page of a run that goes on, drawn anew from its files once a second, on the terminal's alternate
 * screen. The run's process is not touched. Whatever ends this, the terminal is left as it was. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "output.h"
#include "run_file.h"
#include "show.h"

enum { SHARE = 20, FRAME_MAX = 256 * 1024 };

/* The alternate screen without a cursor and without wrapping; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

static void put(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, text, len);
        if (n < 0 && errno != EINTR)
            return;
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

/* What the page prints, in memory: stdout goes there meanwhile. Bytes, 0 when that cannot be. */
static size_t capture(const struct show *show, char *ret, size_t size)
{
    int     memory = (int)syscall(SYS_memfd_create, "pillion-page", MFD_CLOEXEC); /* glibc has it since 2.27 */
    int     saved = dup(STDOUT_FILENO);
    ssize_t len = 0;
    (void)fflush(stdout);
    if (memory >= 0 && saved >= 0 && dup2(memory, STDOUT_FILENO) >= 0) {
        (void)show_page(show);
        (void)fflush(stdout);
        (void)dup2(saved, STDOUT_FILENO);
        len = pread(memory, ret, size, 0);
    }
    if (memory >= 0)
        close(memory);
    if (saved >= 0)
        close(saved);
    return len > 0 ? (size_t)len : 0;
}

/* As many lines as the screen has, but for the last, which the cursor waits on. In one write: nothing flickers. */
static void draw(const struct show *show)
{
    static char    page[FRAME_MAX], frame[FRAME_MAX + 64 * 1024];
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    output_use_screen(size.ws_col > 0 ? size.ws_col : 80);
    size_t len = capture(show, page, sizeof page);
    size_t used = (size_t)snprintf(frame, sizeof frame, "\033[H");
    size_t lines = size.ws_row > 2 ? size.ws_row - 1U : 23;
    for (size_t at = 0, line = 0; at < len && line < lines; line++) {
        const char *end = memchr(page + at, '\n', len - at);
        size_t      part = end != NULL ? (size_t)(end - page) - at : len - at;
        if (used + part + 16 > sizeof frame)
            break;
        /* Rubbed out first: after a full line the cursor stands on its last letter. */
        used += (size_t)snprintf(frame + used, 16, "%s\033[2K", line > 0 ? "\r\n" : "");
        memcpy(frame + used, page + at, part);
        used += part;
        at += part + 1;
    }
    used += (size_t)snprintf(frame + used, 16, "\r\n\033[J");
    put(frame, used);
}

struct terminal {
    struct termios before;
    bool           is_known;
    sigset_t       mask, old_mask;
};

static void take_terminal(struct terminal *terminal)
{
    terminal->is_known = tcgetattr(STDIN_FILENO, &terminal->before) == 0;
    if (terminal->is_known) { /* what is typed is not drawn over the page */
        struct termios quiet = terminal->before;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    put(enter, sizeof enter - 1);
}

static void leave_terminal(const struct terminal *terminal)
{
    put(leave, sizeof leave - 1);
    if (terminal->is_known)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
}

/* Blocked, and taken while we wait: nothing interrupts a frame. */
static void block_signals(struct terminal *terminal)
{
    sigemptyset(&terminal->mask);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(&terminal->mask, taken[i]);
    (void)sigprocmask(SIG_BLOCK, &terminal->mask, &terminal->old_mask);
}

/* Dies of a signal, or is stopped by it, as if we had never been here. */
static void yield_to(int number, const struct terminal *terminal)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
    (void)sigprocmask(SIG_UNBLOCK, &one, NULL);
    (void)sigprocmask(SIG_BLOCK, &terminal->mask, NULL);
}

/* Waits a second, or, where the rows are many, until reading them anew takes a twentieth of the time: the run's
 * processors are wanted elsewhere. False: somebody wants us to leave. */
static bool wait_a_period(struct terminal *terminal, int64_t cost, int *ret_signal)
{
    int64_t         period = SHARE * cost > CLOCK_SECOND ? SHARE * cost : CLOCK_SECOND;
    struct timespec time = {.tv_sec = period / CLOCK_SECOND, .tv_nsec = period % CLOCK_SECOND};
    siginfo_t       info;
    int             number = sigtimedwait(&terminal->mask, &info, &time);
    if (number == SIGTSTP) {
        leave_terminal(terminal);
        yield_to(SIGTSTP, terminal);
        take_terminal(terminal);
        return true;
    }
    if (number < 0 || number == SIGWINCH || number == SIGCONT)
        return true;
    *ret_signal = number;
    return false;
}

static bool goes_on(const struct show *show)
{
    return strcmp(show->shown, "running") == 0 || strcmp(show->shown, "finishing") == 0;
}

/* The folder stays open: "last" may be another run by now. */
static void look_again(struct run_place *place)
{
    if (place->csv < 0)
        (void)run_file_open(place->dir, RUN_DIR_ROWS, &place->csv);
    else
        (void)lseek(place->csv, 0, SEEK_SET);
}

int show_follow(const char *name)
{
    static struct show show;
    struct run_place   place;
    struct terminal    terminal = {.is_known = false};
    int                number = 0;
    int64_t            began = clock_monotonic();
    int                result = runs_find(name, &place);
    if (result < 0)
        return EXIT_NO;
    result = show_load(&place, (struct summary_listener){0}, &show);
    bool is_drawn = result == 0 && goes_on(&show) && isatty(STDOUT_FILENO);
    if (is_drawn) {
        block_signals(&terminal);
        take_terminal(&terminal);
    }
    while (is_drawn && number == 0 && result == 0 && goes_on(&show)) {
        draw(&show);
        if (!wait_a_period(&terminal, clock_monotonic() - began, &number))
            break;
        began = clock_monotonic();
        show_done(&show);
        look_again(&place);
        result = show_load(&place, (struct summary_listener){0}, &show);
    }
    if (is_drawn) {
        leave_terminal(&terminal);
        output_use_screen(0);
    }
    if (result == 0 && number == 0)
        (void)show_page(&show); /* how it ended stays on the screen */
    show_done(&show);
    runs_done(&place);
    if (number != 0)
        yield_to(number, &terminal);
    return result == 0 ? EXIT_YES : EXIT_NO;
}
