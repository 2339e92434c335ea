/* The engine's part of `pillion doctor`: the variables, PILLION_DIR, the token and the API. */
// SPDX-License-Identifier: Apache-2.0
#include "engine/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/json_write.h"
#include "base/text.h"
#include "config/config.h"
#include "config/credentials.h"
#include "delivery/api_mark.h"
#include "sentinel/http/network.h"
#include "sentinel/requests.h"

/* No run has this ID: a refresh for it is refused once the token was accepted, and nothing is made or changed. */
#define NO_RUN "pillion-doctor"

#define PATIENCE   (20 * CLOCK_SECOND)
#define CLOCK_SKEW INT64_C(300) /* seconds; S3 refuses 900 */

enum { SENTENCE_MAX = 1024, CONNECT_MS = 10 * 1000, ANSWER_MS = 15 * 1000 };

__attribute__((format(printf, 4, 5))) static void tell(const struct engine_examination *e, const char *check,
                                                       enum engine_finding finding, const char *format, ...)
{
    char    sentence[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    e->report(e->context, check, finding, sentence);
}

/* The configuration's own words, without time and level. */
static void tell_warnings(const struct engine_examination *e, const struct log *log)
{
    struct text rest = text_span(log->early.data, log->early.len);
    struct text line;
    struct text word;
    bool        any = false;
    while (text_line(&rest, &line)) {
        (void)text_until(&line, ' ', &word);
        (void)text_until(&line, ' ', &word);
        any = true;
        tell(e, "variables", ENGINE_CAUSE, "%.*s", (int)text_len(line), line.at);
    }
    if (!any)
        tell(e, "variables", ENGINE_FINE, "every variable of pillion that is set is understood");
}

static void examine_lengths(const struct engine_examination *e, const struct config *config)
{
    char path[PATH_MAX];
    if (config->output && config_output(config->output, 1, "h", "r", path, sizeof path) < 0)
        tell(e, "variables", ENGINE_CAUSE,
             "PILLION_OUTPUT=%.200s is not a path: %%p, %%h, %%r and %%%% are all that may follow a percent sign",
             config->output);
    if (config->min_life > 0)
        tell(e, "variables", ENGINE_NOTE, "a program that ends within PILLION_MIN_SECONDS=%.40s leaves no run",
             environment_value("PILLION_MIN_SECONDS"));
    if (config->exit_timeout == 0 && config->token[0])
        tell(e, "variables", ENGINE_NOTE,
             "with PILLION_EXIT_TIMEOUT=0 nothing is delivered when a program ends, but later, by pillion sync");
}

static int read_config(const struct engine_examination *e, struct config *ret)
{
    struct log log;
    *ret = (struct config){0};
    log_init(&log, LOG_WARN);
    config_read(ret, e->environment, &log);
    tell_warnings(e, &log);
    bool failed = log.early.failed;
    log_done(&log);
    examine_lengths(e, ret);
    return failed ? -ENOMEM : 0;
}

static const char *lookup(const char *name)
{
    return getenv(name);
}

static void examine_directory(const struct engine_examination *e, const struct config *config)
{
    struct state_dir home;
    int              refused = 0;
    int              error = state_dir_predict(lookup, &home, &refused);
    if (error < 0)
        tell(e, "directory", ENGINE_CAUSE,
             "%s cannot be used for runs (%s): they live in memory, and what is not delivered at the end is lost",
             home.path[0] ? home.path : "no directory", strerror(-error));
    else if (refused < 0)
        tell(e, "directory", ENGINE_NOTE, "runs are kept in %s: the directory that comes first cannot be used (%s)",
             home.path, strerror(-refused));
    else
        tell(e, "directory", ENGINE_FINE, "runs are kept in %s%s", home.path,
             home.dir < 0 ? ", which the first one will make" : "");
    int64_t left = config->token[0] ? api_mark_left(config->api_url, config->token, &home) : 0;
    if (left > 0)
        tell(e, "api", ENGINE_CAUSE,
             "the API was slow, or out of reach, when a program ended: for %d s from now programs that end do not wait "
             "for it, and their runs go later",
             (int)left);
    state_dir_close(&home);
}

static void note_unknown_host(struct engine_examination *e, const char *url)
{
    struct text t = text_of(url);
    struct text host;
    if (text_until(&t, '/', &host) && text_until(&t, '/', &host) && text_until(&t, '/', &host) && text_len(host) > 0) {
        const char *colon = memchr(host.at, ':', text_len(host));
        if (*host.at != '[')
            (void)text_copy((struct text){host.at, colon ? colon : host.end}, e->unknown_host, sizeof e->unknown_host);
    }
}

static void tell_failure(struct engine_examination *e, const char *url, const struct http_answer *answer)
{
    static const char *const steps[] = {[HTTP_STEP_NAME] = "looking up its name (DNS)",
                                        [HTTP_STEP_CONNECT] = "connecting",
                                        [HTTP_STEP_TLS] = "the TLS handshake",
                                        [HTTP_STEP_EXCHANGE] = "the HTTP exchange"};
    const char              *step = steps[answer->step];
    bool                     https = http_url_is_https(url);
    bool                     proxy = https && environment_proxy("https_proxy", "HTTPS_PROXY")[0];
    if (answer->step == HTTP_STEP_NAME && !proxy)
        note_unknown_host(e, url);
    if (answer->step == HTTP_STEP_CONNECT && https && answer->error == -ETIMEDOUT)
        step = "connecting, or the TLS handshake"; /* libcurl does not say how far a connection came that is not over */
    tell(e, "api", ENGINE_CAUSE, "%s cannot be reached%s; the step that failed is %s: %s", url,
         proxy ? " (https_proxy is set)" : "", step, answer->message);
}

static bool is_json_object(const struct bytes *body)
{
    struct text t = text_span(body->data, body->len);
    text_blanks(&t);
    return text_starts(t, "{") && json_check(t, JSON_VALUES_MAX) == 0;
}

/* Is it the answer of the API's framework to a path that it does not have? The token is not looked at for that. */
static bool is_routers(const struct bytes *body)
{
    static const char *const words[] = {"{\"detail\":\"Not Found\"}", "{\"detail\":\"Method Not Allowed\"}"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (body->len == strlen(words[i]) && memcmp(body->data, words[i], body->len) == 0)
            return true;
    return false;
}

static void judge_answer(const struct engine_examination *e, const char *url, const struct http_answer *answer)
{
    long status = answer->status;
    if (status == 401 || status == 403)
        tell(e, "token", ENGINE_CAUSE, "%s refuses the token (HTTP %ld): is it whole, still valid, and of this API?",
             url, status);
    else if (status >= 500 || status == 408 || status == 429)
        tell(e, "api", ENGINE_CAUSE,
             "%s is in trouble (HTTP %ld): runs wait and are tried again, later by pillion sync", url, status);
    else if (status >= 300 && status < 400)
        tell(e, "api", ENGINE_CAUSE,
             "%s redirects (HTTP %ld), which a token does not follow: set SENTINEL_API_URL to "
             "the place itself",
             url, status);
    else if ((status == 404 || status == 405) && is_routers(&answer->body))
        tell(e, "api", ENGINE_CAUSE, "%s has no such place (HTTP %ld): is the path of SENTINEL_API_URL right?", url,
             status);
    else if (!is_json_object(&answer->body))
        tell(e, "api", ENGINE_CAUSE, "what answers at %s is not the Sentinel API (HTTP %ld without its JSON)", url,
             status);
    else
        tell(e, "token", ENGINE_FINE, "%s is reached, and accepts the token", url);
}

static void judge_clock(const struct engine_examination *e, int64_t server)
{
    int64_t ahead = clock_real() / CLOCK_SECOND - server;
    if (server <= 0)
        return;
    if (ahead > CLOCK_SKEW || ahead < -CLOCK_SKEW)
        tell(e, "clock", ENGINE_CAUSE,
             "this machine's clock is %lld s %s the server's: rows have a wrong time, and S3 or TLS may refuse it",
             (long long)(ahead > 0 ? ahead : -ahead), ahead > 0 ? "ahead of" : "behind");
    else
        tell(e, "clock", ENGINE_FINE, "this machine's clock and the server's agree");
}

static void ask(struct engine_examination *e, const struct config *config, struct network *network)
{
    const struct api    api = {.base_url = config->api_url, .token = config->token};
    struct http_request request = {0};
    struct http_answer  answer = {0};
    int                 error = request_refresh(&api, NO_RUN, &request);
    if (error == 0) {
        request.connect_timeout_ms = CONNECT_MS;
        request.timeout_ms = ANSWER_MS;
        error = http_perform(network->http, &request, clock_monotonic() + PATIENCE, &answer);
        http_request_done(&request);
    }
    if (error < 0) {
        tell(e, "api", ENGINE_CAUSE, "no request can be made: %s", strerror(-error));
    } else if (answer.error < 0) {
        tell_failure(e, config->api_url, &answer);
    } else {
        judge_answer(e, config->api_url, &answer);
        judge_clock(e, answer.date);
    }
    http_answer_done(&answer);
}

static void examine_api(struct engine_examination *e, const struct config *config)
{
    struct network network;
    network_init(&network);
    int  error = network_open(&network, config->api_url);
    bool https = http_url_is_https(config->api_url);
    if (error < 0)
        tell(e, "api", ENGINE_CAUSE, "the network library cannot be started: %s", strerror(-error));
    else if (https && !network.trust)
        tell(e, "ca-bundle", ENGINE_CAUSE,
             "no CA certificates are found, so no server can be trusted: install ca-certificates, or name a file in "
             "SSL_CERT_FILE");
    else
        ask(e, config, &network);
    network_done(&network);
}

int doctor_examine(struct engine_examination *e)
{
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        return -ENOMEM;
    e->unknown_host[0] = '\0';
    int error = read_config(e, config);
    if (error == 0)
        examine_directory(e, config);
    if (error == 0 && config->token[0])
        examine_api(e, config);
    else if (error == 0 && !credentials_variable())
        tell(e, "token", ENGINE_NOTE,
             "SENTINEL_API_TOKEN is not set: runs stay on this machine, and the network is not used, not even by this "
             "command");
    bytes_wipe(config, sizeof *config);
    free(config);
    return error;
}
