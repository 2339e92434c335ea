// SPDX-License-Identifier: Apache-2.0
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "output.h"

enum { SCRIPT_ARGUMENTS_MAX = 1024 };

/* 0, or why this file would not be executed. */
static int try(const char *path)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return errno;
    if (S_ISDIR(info.st_mode))
        return EISDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

int launch_look(const char *name, char ret[static PATH_MAX])
{
    int error = ENOENT;
    if (strchr(name, '/') != NULL) {
        error = strlen(name) < PATH_MAX ? try(name) : ENAMETOOLONG;
        if (error == 0)
            (void)snprintf(ret, PATH_MAX, "%s", name);
        return -error;
    }
    const char *path = getenv("PATH");
    if (path == NULL)
        path = _PATH_DEFPATH;
    while (name[0] != '\0') {
        size_t len = strcspn(path, ":");
        int    n = snprintf(ret, PATH_MAX, "%.*s%s%s", (int)len, path, len > 0 ? "/" : "./", name);
        int    found = n > 0 && n < PATH_MAX ? try(ret) : ENAMETOOLONG;
        if (found == 0)
            return 0;
        if (found == EACCES)
            error = EACCES;
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    return -error;
}

const char *launch_reason(const char *name, int error)
{
    return error == -ENOENT && strchr(name, '/') == NULL ? "command not found" : strerror(-error);
}

int launch_find(const char *name, char ret[static PATH_MAX])
{
    int error = launch_look(name, ret);
    if (error == 0)
        return 0;
    complain("%s: %s", name, launch_reason(name, error));
    return error == -ENOENT || error == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

void signals_take(struct signals *ret)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t         all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &ret->mask);
    /* Where it is ignored, children vanish without a status. */
    sigaction(SIGCHLD, &plain, &ret->child);
}

void signals_give_back(const struct signals *saved)
{
    sigaction(SIGCHLD, &saved->child, NULL);
    sigprocmask(SIG_SETMASK, &saved->mask, NULL);
}

/* A file without a magic number is a shell script to every shell. */
static void exec_script(const char *path, char *const *arguments)
{
    const char *words[SCRIPT_ARGUMENTS_MAX] = {_PATH_BSHELL, path};
    size_t      count = 2;
    for (size_t i = 1; arguments[0] != NULL && arguments[i] != NULL; i++) {
        if (count == SCRIPT_ARGUMENTS_MAX - 1) {
            errno = E2BIG;
            return;
        }
        words[count++] = arguments[i];
    }
    union {
        const char **in;
        char *const *out;
    } cast = {words};
    execve(_PATH_BSHELL, cast.out, environ);
}

int launch_here(const char *path, char *const *arguments)
{
    execve(path, arguments, environ);
    if (errno == ENOEXEC)
        exec_script(path, arguments);
    int error = errno;
    /* ENOENT here is a script whose interpreter is missing. */
    complain("%s: cannot be executed: %s", path, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Waits until this process's parent has closed its end of the pipe, or is gone. */
static void wait_at(int gate[static 2])
{
    char nothing;
    if (gate[0] < 0)
        return;
    (void)close(gate[1]);
    (void)read(gate[0], &nothing, sizeof nothing);
    (void)close(gate[0]);
}

pid_t launch_child(const char *path, char *const *arguments, const struct signals *saved, int *ret_gate)
{
    int gate[2] = {-1, -1};
    (void)pipe2(gate, O_CLOEXEC);
    pid_t child = fork();
    int   error = errno;
    if (child != 0 && gate[0] >= 0)
        (void)close(gate[0]);
    *ret_gate = gate[1];
    if (child < 0)
        return -error;
    if (child == 0) {
        wait_at(gate);
        signals_give_back(saved);
        _exit(launch_here(path, arguments));
    }
    return child;
}
