/* The keys for a bucket of the user's own: looked for once, asked for, renewed. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/own_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/file.h"
#include "delivery/retry.h"
#include "sentinel/answers.h"
#include "sentinel/aws/aws_profile.h"
#include "sentinel/cloud/cloud.h"

#define RENEWED_BEFORE (300 * CLOCK_SECOND)
#define RENEWAL_PAUSE  (60 * CLOCK_SECOND) /* the least between two questions for new keys while there are some */
#define AFTER_A_NO     (300 * CLOCK_SECOND)
#define MACHINE_WITHIN CLOCK_SECOND       /* all its questions */
#define LATEST_TIME    (INT64_C(1) << 33) /* s since 1970: as ns it is still a number */

enum { OVERFLOW_UID = 65534 /* another user namespace's root: Documentation/admin-guide/sysctl/fs.rst */ };

void own_credentials_init(struct own_credentials *o, const struct config *config)
{
    *o = (struct own_credentials){.cloud = config->cloud, .roots = {.proc = "/proc", .sys = "/sys"}};
}

static void forget_sent(struct own_credentials *o)
{
    if (o->sent)
        bytes_wipe(o->sent, strlen(o->sent));
    free(o->sent);
    o->sent = NULL;
}

void own_credentials_done(struct own_credentials *o)
{
    forget_sent(o);
    aws_source_done(&o->source);
    sentinel_credentials_done(&o->credentials);
    bytes_wipe(&o->machine, sizeof o->machine);
}

/* Files that somebody else could have put there are not read. -EPERM: it is none of ours, or no regular file. */
static int load(const char *path, struct bytes *ret)
{
    struct stat info;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &info) < 0 ? -errno : 0;
    if (error == 0 &&
        (!S_ISREG(info.st_mode) || (info.st_uid != geteuid() && info.st_uid != 0 && info.st_uid != OVERFLOW_UID)))
        error = -EPERM;
    if (error == 0)
        error = file_load_held(fd, ret);
    file_close(&fd);
    return error == 0 && ret->failed ? -ENOMEM : error;
}

static void unload(struct bytes *file)
{
    if (file->data)
        bytes_wipe(file->data, file->len);
    bytes_done(file);
}

/* The folder that the user's files are in, if it is the user's. */
static const char *home(void)
{
    struct stat info;
    const char *path = environment_value("HOME");
    return path && *path == '/' && stat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() ? path
                                                                                                               : NULL;
}

/* A file of the user's: the one that a variable names ("~/" being the shell's, which may not have seen it), else the
 * usual one. False: there is none. */
static bool find_file(const char *named, const char *usual, char ret[static PATH_MAX])
{
    const char *base = NULL;
    const char *rest = named ? named : usual;
    if (!named || strncmp(named, "~/", 2) == 0) {
        base = home();
        rest += named ? 1 : 0;
        if (!base)
            return false;
    }
    int len = snprintf(ret, PATH_MAX, "%s%s", base ? base : "", rest);
    return len > 0 && len < PATH_MAX;
}

static struct text read_file(const char *named, const char *usual, struct bytes *file, char *reterr, size_t size)
{
    char path[PATH_MAX];
    bytes_init(file, AWS_FILE_MAX);
    int error = find_file(named, usual, path) ? load(path, file) : -ENOENT;
    if (error < 0 && (named || (error != -ENOENT && error != -ENOTDIR)))
        (void)snprintf(reterr, size, "%s%.60s is not read: %s", named ? "" : "~", named ? named : usual,
                       error == -EPERM ? "it is no regular file of this user or of root" : strerror(-error));
    return error < 0 ? text_of("") : text_span(file->data, file->len);
}

/* Another process's role, in a program that never asked for one, looks like a theft: so nobody is asked who does not
 * have to be there. */
static const char *machine_refused(const struct own_credentials *o)
{
    struct cloud_dmi dmi;
    if (o->cloud == CONFIG_CLOUD_OFF)
        return "the machine's role is not asked for: PILLION_CLOUD is off";
    cloud_read_dmi(&o->roots, &dmi);
    return cloud_named_by(&dmi) & 1U << CLOUD_AWS ? NULL : "this machine is none of EC2's";
}

static void stop(struct own_credentials *o, const char *reason)
{
    o->hopeless = true;
    (void)snprintf(o->reason, sizeof o->reason, "%s", reason);
}

static void look_around(struct own_credentials *o)
{
    char             refused[160] = "";
    struct bytes     config = {0};
    struct bytes     credentials = {0};
    const char      *machine = NULL;
    struct aws_files files = {.config = text_of(""), .credentials = text_of(""), .refused = refused};
    o->looked = true;
    if (aws_source_needs_files(environment_value)) {
        files.config = read_file(environment_value("AWS_CONFIG_FILE"), "/.aws/config", &config, refused,
                                 sizeof refused);
        files.credentials = read_file(environment_value("AWS_SHARED_CREDENTIALS_FILE"), "/.aws/credentials",
                                      &credentials, refused, sizeof refused);
        machine = machine_refused(o);
    }
    int error = aws_source_find(environment_value, &files, machine, &o->source);
    unload(&config);
    unload(&credentials);
    if (error < 0)
        stop(o, "there is no memory for keys");
    else if (o->source.kind == AWS_NOWHERE)
        stop(o, o->source.reason);
    o->credentials = o->source.keys;
    o->source.keys = (struct sentinel_credentials){0};
}

static bool lacks_keys(const struct own_credentials *o)
{
    return !o->credentials.access_key || o->rejected;
}

/* By S3's clock; negative when they have expired. */
static int64_t seconds_left(const struct own_credentials *o)
{
    int64_t now = clock_real() / CLOCK_SECOND + o->skew;
    return o->credentials.expires_at > INT64_MAX / 2 ? INT64_MAX : o->credentials.expires_at - now;
}

bool own_credentials_are_good(const struct own_credentials *o)
{
    return !lacks_keys(o) && seconds_left(o) > 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void own_credentials_rejected(struct own_credentials *o, int64_t now)
{
    o->rejected = true;
    o->next_try = later(o->may_reject, now);
    o->may_reject = o->next_try + RENEWAL_PAUSE;
    if (o->source.kind == AWS_ENVIRONMENT || o->source.kind == AWS_FILES) {
        char reason[AWS_REASON_SIZE];
        (void)snprintf(reason, sizeof reason, "S3 does not take %s (any more)", o->source.from);
        stop(o, reason);
    }
}

void own_credentials_try_again(struct own_credentials *o)
{
    if (!lacks_keys(o))
        return;
    o->next_try = 0;
    if (o->source.kind == AWS_WEB_IDENTITY || o->source.kind == AWS_CONTAINER)
        o->hopeless = false;
}

/* They are renewed five minutes before they expire; at the end only where they have. */
static int64_t renewal_due(const struct own_credentials *o, int64_t now)
{
    if (lacks_keys(o))
        return o->next_try;
    int64_t seconds = seconds_left(o);
    if (seconds > LATEST_TIME)
        return INT64_MAX;
    int64_t left = seconds * CLOCK_SECOND - (o->ending ? 0 : RENEWED_BEFORE);
    if (o->ending && left > 0)
        return INT64_MAX;
    return later(now + left, o->next_try);
}

enum own_step own_credentials_next(struct own_credentials *o, int64_t now, int64_t *ret_due)
{
    static const enum own_step steps[] = {
        [AWS_WEB_IDENTITY] = OWN_WEB_IDENTITY, [AWS_CONTAINER] = OWN_CONTAINER, [AWS_MACHINE] = OWN_MACHINE};
    *ret_due = INT64_MAX;
    if (!o->looked)
        look_around(o);
    if (now >= o->machine_until) /* its answer never came here */
        o->machine_until = 0;
    if (o->hopeless || o->source.kind == AWS_ENVIRONMENT || o->source.kind == AWS_FILES)
        return OWN_NOTHING;
    int64_t due = o->machine_until ? now : renewal_due(o, now);
    if (now < due) {
        *ret_due = due;
        return OWN_NOTHING;
    }
    if (o->source.kind == AWS_MACHINE && !o->machine_until) {
        o->machine = (struct aws_machine){0};
        o->machine_until = now + MACHINE_WITHIN;
    }
    return steps[o->source.kind];
}

/* The file is read anew each time: its token is replaced before it expires. */
static int with_token(struct own_credentials *o, enum own_step step, struct http_request *ret)
{
    struct bytes file;
    struct text  token = text_of(o->source.authorization ? o->source.authorization : "");
    bytes_init(&file, AWS_TOKEN_MAX);
    int error = o->source.token_file ? load(o->source.token_file, &file) : 0;
    if (o->source.token_file)
        token = text_span(file.data, file.len);
    text_trim(&token);
    if (error == 0 && o->source.token_file && text_len(token) == 0)
        error = -ENODATA;
    forget_sent(o);
    if (error == 0 && !(o->sent = strndup(token.at, text_len(token))))
        error = -ENOMEM;
    if (error == 0)
        error = step == OWN_WEB_IDENTITY ? aws_web_identity_request(&o->source, token, ret)
                                         : aws_container_request(&o->source, token, ret);
    unload(&file);
    return error;
}

int own_credentials_request(struct own_credentials *o, enum own_step step, struct http_request *ret)
{
    *ret = (struct http_request){0};
    if (step == OWN_WEB_IDENTITY || step == OWN_CONTAINER)
        return with_token(o, step, ret);
    if (step != OWN_MACHINE)
        return -EINVAL;
    int64_t left = (o->machine_until - clock_monotonic()) / CLOCK_MILLISECOND;
    int     error = aws_machine_request(&o->machine, ret);
    ret->connect_timeout_ms = ret->timeout_ms = left > 1 ? (int)clock_earlier(left, 1000) : 1;
    return error;
}

static void take(struct own_credentials *o, struct sentinel_credentials *fresh, int64_t now)
{
    sentinel_credentials_done(&o->credentials);
    o->credentials = *fresh;
    o->rejected = false;
    o->tries = 0;
    o->reason[0] = '\0';
    o->next_try = now + RENEWAL_PAUSE;
}

/* A second try comes after a pause, which is longer while the old keys serve. A machine that did not give keys the
 * first time is not asked a second time. */
static void put_off(struct own_credentials *o, const struct http_answer *answer, bool is_no, int64_t now)
{
    bool had = o->credentials.access_key;
    if (!had && (is_no || o->source.kind == AWS_MACHINE)) {
        o->hopeless = true;
        return;
    }
    int64_t pause = is_no ? AFTER_A_NO : retry_pause(answer, ++o->tries);
    if (!lacks_keys(o))
        pause = later(pause, RENEWAL_PAUSE);
    o->next_try = now + pause;
}

static void explain(struct own_credentials *o, const struct http_answer *answer, bool nonsense)
{
    char described[160];
    answer_describe(answer, described, sizeof described);
    (void)snprintf(o->reason, sizeof o->reason, "no keys from %s: %s%s", o->source.from, described,
                   nonsense ? ", which makes no sense" : "");
}

/* A definite no of the server's, whatever is asked again. */
static bool is_no(enum own_step step, const struct http_answer *answer)
{
    if (answer->error || answer->status < 300 || answer->status > 499 || answer->status == 408 || answer->status == 429)
        return false;
    return step != OWN_WEB_IDENTITY || !aws_sts_may_change(text_span(answer->body.data, answer->body.len));
}

void own_credentials_answer(struct own_credentials *o, enum own_step step, const struct http_answer *answer,
                            int64_t now)
{
    struct sentinel_credentials fresh = {0};
    struct text                 body = text_span(answer->body.data ? answer->body.data : "", answer->body.len);
    bool                        yes = !answer->error && answer->status == 200;
    forget_sent(o);
    if (yes && step == OWN_MACHINE && o->machine.role[0] == '\0' && now < o->machine_until &&
        aws_machine_hear(body, &o->machine))
        return;
    o->machine_until = 0;
    if (yes && (step == OWN_WEB_IDENTITY ? aws_sts_answer(body, &fresh) : aws_json_answer(body, &fresh)) == 0) {
        take(o, &fresh, now);
        return;
    }
    explain(o, answer, yes);
    put_off(o, answer, is_no(step, answer), now);
}

void own_credentials_failed(struct own_credentials *o, enum own_step step, int error, int64_t now)
{
    const struct http_answer none = {.error = error, .retry_after_s = -1};
    bool                     of_file = step != OWN_MACHINE && o->source.token_file;
    o->machine_until = 0;
    forget_sent(o);
    (void)snprintf(o->reason, sizeof o->reason, "no keys from %s: %s%s", o->source.from,
                   of_file ? "its token cannot be read or sent: " : "",
                   error == -EPERM ? "the file is none of this user's or root's" : strerror(-error));
    put_off(o, &none, false, now);
}
