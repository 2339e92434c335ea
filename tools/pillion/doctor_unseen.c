/* Programs that began under the preload and left no run: their markers tell, which only a run's end removes. */
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "doctor.h"
#include "hook/hook.h"
#include "runs.h"

enum { LOOKED_AT = 65536, ASKED = 64, RECENT = 600 /* s */, ENVIRONMENT_MAX = 256 * 1024 };

struct search {
    struct doctor   *doctor;
    struct state_dir home;
    bool             has_home;
    uint64_t         pid_namespace;
    int              looked_at, asked;
    int              ended; /* of the last minutes, without a run */
};

/* "PIDNS-PID-START" */
static bool read_name(const char *name, uint64_t *ret_namespace, pid_t *ret_pid, uint64_t *ret_start)
{
    struct text t = text_of(name);
    uint64_t    pid = 0;
    if (!text_unsigned(&t, ret_namespace) || !text_skip(&t, "-") || !text_unsigned(&t, &pid) || !text_skip(&t, "-") ||
        !text_unsigned(&t, ret_start) || text_len(t) > 0)
        return false;
    *ret_pid = (pid_t)pid;
    return true;
}

static bool is_same_variable(const char *environment, size_t len, const char *name)
{
    const char *ours = getenv(name);
    size_t      name_len = strlen(name);
    for (size_t at = 0; at < len; at += strlen(environment + at) + 1)
        if (strncmp(environment + at, name, name_len) == 0 && environment[at + name_len] == '=')
            return ours != NULL && strcmp(ours, environment + at + name_len + 1) == 0;
    return ours == NULL;
}

/* Would its run have been kept where ours are? Not, as far as can be told, with another environment. */
static bool has_our_place(pid_t pid)
{
    static char environment[ENVIRONMENT_MAX];
    char        path[64];
    size_t      len = 0;
    procfs_file(path, pid, "/environ");
    if (file_read(AT_FDCWD, path, environment, sizeof environment, &len) < 0)
        return false;
    return is_same_variable(environment, len, "PILLION_DIR") &&
           (getenv("PILLION_DIR") != NULL ||
            (is_same_variable(environment, len, "HOME") && is_same_variable(environment, len, "XDG_STATE_HOME")));
}

static void tell_living(struct search *s, const struct process *p)
{
    char path[64], name[64] = "";
    if (procfs_has_thread_named_pillion(p) || procfs_maps_hook(p->pid) || !has_our_place(p->pid))
        return;
    procfs_file(path, p->pid, "/comm");
    if (sys_read_file(path, name, sizeof name) > 0)
        name[strcspn(name, "\n")] = '\0';
    doctor_tell(s->doctor, "lead", ENGINE_CAUSE,
                "process %d (%s) began under the preload and became another program without it in its first second (an "
                "exec that takes LD_PRELOAD out of the environment): it has no run; start it with \"pillion run\"",
                (int)p->pid, name[0] ? name : "?");
}

static void look_at(struct search *s, int folder, const char *name)
{
    uint64_t       pid_namespace = 0, start = 0;
    pid_t          pid = 0;
    struct process p;
    struct stat    info;
    char           id[RUN_DIR_ID_MAX];
    if (!read_name(name, &pid_namespace, &pid, &start) || pid_namespace != s->pid_namespace)
        return;
    bool lives = procfs_read(pid, &p) == 0 && p.start == start;
    if (!lives && (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || info.st_mtime + RECENT < time(NULL)))
        return;
    if ((!lives && s->asked++ >= ASKED) || (s->has_home && runs_of_process(&s->home, pid, start, id) == 0))
        return;
    if (lives)
        tell_living(s, &p);
    else
        s->ended++;
}

static void look_through(struct search *s, const char *place)
{
    char           path[64];
    struct dirent *entry;
    struct stat    info;
    (void)snprintf(path, sizeof path, "%s/.pillion-%u", place, (unsigned)geteuid());
    bool is_ours = lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid();
    DIR *folder = is_ours ? opendir(path) : NULL; /* in a place of everybody's, anybody may have made it */
    while (folder != NULL && s->looked_at++ < LOOKED_AT && (entry = readdir(folder)) != NULL)
        look_at(s, dirfd(folder), entry->d_name);
    if (folder != NULL)
        (void)closedir(folder);
}

void doctor_unseen(struct doctor *d)
{
    struct search s = {.doctor = d};
    struct stat   space;
    if (stat("/proc/self/ns/pid", &space) < 0)
        return;
    s.has_home = state_dir_open(runs_lookup, false, &s.home) == 0; /* nobody may have made it yet */
    s.pid_namespace = space.st_ino;
    look_through(&s, "/tmp");
    look_through(&s, "/dev/shm");
    if (s.has_home)
        state_dir_close(&s.home);
    if (s.ended > 0)
        doctor_tell(d, "lead", ENGINE_NOTE,
                    "%d %s of the last ten minutes began under the preload and left no run here: killed in the first "
                    "second, or replaced in it (exec) by a program without LD_PRELOAD, or kept in another PILLION_DIR",
                    s.ended, s.ended == 1 ? "program" : "programs");
}
