/* The engine's part of `pillion doctor`: the site's file, the variables, the token, the API and S3. */
// SPDX-License-Identifier: Apache-2.0
#include "engine/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/text.h"
#include "config/conf_environment.h"
#include "config/config.h"
#include "config/credentials.h"
#include "delivery/own_credentials.h"
#include "engine/examination.h"
#include "sentinel/http/network.h"
#include "sentinel/requests.h"

/* No run has this ID: a refresh for it is refused once the token was accepted, and nothing is made or changed. */
#define NO_RUN "pillion-doctor"

#define PATIENCE   (20 * CLOCK_SECOND)
#define CLOCK_SKEW INT64_C(300) /* seconds; S3 refuses 900 */

/* Whichever bucket Sentinel names later: it belongs to this. */
#define S3_OF_AWS "https://s3.amazonaws.com"

enum { BUNDLE_MAX = 4 * 1024 * 1024, CONNECT_MS = 10 * 1000, ANSWER_MS = 15 * 1000 };

static void examine_lengths(const struct engine_examination *e, const struct config *config)
{
    if (config->min_life > 0)
        examination_tell(e, "variables", ENGINE_NOTE,
                         "a program that ends within PILLION_MIN_SECONDS=%.40s leaves no run",
                         environment_value("PILLION_MIN_SECONDS"));
    if (config->exit_timeout == 0 && config_delivers(config))
        examination_tell(
            e, "variables", ENGINE_NOTE,
            "with PILLION_EXIT_TIMEOUT=0 nothing is delivered when a program ends, but later, by pillion sync");
}

static void examine_conf(const struct engine_examination *e)
{
    struct log log;
    unsigned   settings = 0;
    unsigned   forced = 0;
    log_init(&log, LOG_WARN);
    conf_check(e->conf, &log);
    conf_count(e->conf, &settings, &forced);
    (void)examination_tell_log(e, "conf", &log);
    if (!e->conf->fault)
        examination_tell(e, "conf", ENGINE_FINE, CONF_PATH " is read: %u %s, %u of them forced", settings,
                         settings == 1 ? "setting" : "settings", forced);
    log_done(&log);
}

static int read_config(const struct engine_examination *e, struct config *ret)
{
    struct log log;
    *ret = (struct config){0};
    log_init(&log, LOG_WARN);
    config_read(ret, e->environment, &log);
    if (!examination_tell_log(e, "variables", &log))
        examination_tell(e, "variables", ENGINE_FINE, "every variable of pillion that is set is understood");
    bool failed = log.early.failed;
    log_done(&log);
    examine_lengths(e, ret);
    return failed ? -ENOMEM : 0;
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
    examination_tell(e, "api", ENGINE_CAUSE, "%s cannot be reached%s; the step that failed is %s: %s", url,
                     proxy ? " (https_proxy is set)" : "", step, answer->message);
}

static bool is_json_object(const struct bytes *body)
{
    struct text t = text_span(body->data, body->len);
    text_blanks(&t);
    return text_starts(t, "{") && json_check(t, JSON_VALUES_MAX) == 0;
}

static bool take(struct text *t, const char *word)
{
    text_blanks(t);
    return text_skip(t, word);
}

/* Is it the answer of the API's framework to a path that it does not have? The token is not looked at for that. */
static bool is_routers(const struct bytes *body)
{
    struct text t = text_span(body->data, body->len);
    return take(&t, "{") && take(&t, "\"detail\"") && take(&t, ":") &&
           (take(&t, "\"Not Found\"") || take(&t, "\"Method Not Allowed\"")) && take(&t, "}");
}

/* True when the token is accepted. */
static bool judge_answer(const struct engine_examination *e, const char *url, const struct http_answer *answer)
{
    long status = answer->status;
    bool is_fine = false;
    if (status == 401 || status == 403)
        examination_tell(e, "token", ENGINE_CAUSE,
                         "%s refuses the token (HTTP %ld): is it whole, still valid, and of this API?", url, status);
    else if (status >= 500 || status == 408 || status == 429)
        examination_tell(e, "api", ENGINE_CAUSE,
                         "%s is in trouble (HTTP %ld): runs wait and are tried again, later by pillion sync", url,
                         status);
    else if (status >= 300 && status < 400)
        examination_tell(e, "api", ENGINE_CAUSE,
                         "%s redirects (HTTP %ld), which a token does not follow: set SENTINEL_API_URL to "
                         "the place itself",
                         url, status);
    else if ((status == 404 || status == 405) && is_routers(&answer->body))
        examination_tell(e, "api", ENGINE_CAUSE,
                         "%s has no such place (HTTP %ld): is the path of SENTINEL_API_URL right?", url, status);
    else if (!is_json_object(&answer->body))
        examination_tell(e, "api", ENGINE_CAUSE,
                         "what answers at %s is not the Sentinel API (HTTP %ld without its JSON)", url, status);
    else
        is_fine = true;
    if (is_fine)
        examination_tell(e, "token", ENGINE_FINE, "%s is reached, and accepts the token", url);
    return is_fine;
}

static void judge_clock(const struct engine_examination *e, int64_t server)
{
    int64_t ahead = clock_real() / CLOCK_SECOND - server;
    if (server <= 0)
        return;
    if (ahead > CLOCK_SKEW || ahead < -CLOCK_SKEW)
        examination_tell(
            e, "clock", ENGINE_CAUSE,
            "this machine's clock is %lld s %s the server's: rows have a wrong time, and S3 or TLS may refuse it",
            (long long)(ahead > 0 ? ahead : -ahead), ahead > 0 ? "ahead of" : "behind");
    else
        examination_tell(e, "clock", ENGINE_FINE, "this machine's clock and the server's agree");
}

/* True when it is reached, and takes the token. */
static bool ask(struct engine_examination *e, const struct config *config, struct network *network)
{
    bool                takes = false;
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
        examination_tell(e, "api", ENGINE_CAUSE, "no request can be made: %s", strerror(-error));
    } else if (answer.error < 0) {
        tell_failure(e, config->api_url, &answer);
    } else {
        takes = judge_answer(e, config->api_url, &answer);
        judge_clock(e, answer.date);
    }
    http_answer_done(&answer);
    return takes;
}

/* A variable that names a bundle which is of no use is told by its name, once: what follows from it is no second cause.
 * NULL: none, or the bundle can be read. */
static const char *unusable_bundle(const struct engine_examination *e)
{
    static const char *const names[] = {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct bytes text;
        const char  *path = environment_value(names[i]);
        bytes_init(&text, BUNDLE_MAX);
        int  error = path ? file_load(AT_FDCWD, path, &text) : 0;
        bool is_empty = path && error == 0 && text.len == 0;
        bytes_done(&text);
        if (error < 0)
            examination_tell(e, "ca-bundle", ENGINE_CAUSE,
                             "%s=%.200s cannot be read (%s): other certificates are taken in its place", names[i], path,
                             strerror(-error));
        else if (is_empty)
            examination_tell(e, "ca-bundle", ENGINE_CAUSE,
                             "%s=%.200s has no CA certificates in it, so no server can be trusted", names[i], path);
        if (error < 0 || is_empty)
            return names[i];
        if (path)
            break;
    }
    return NULL;
}

static bool is_of_this_machine(const char *url)
{
    char        plain[CONFIG_URL_MAX];
    char        checked[CONFIG_URL_MAX];
    const char *rest = strstr(url, "://");
    return rest && snprintf(plain, sizeof plain, "http%s", rest) < (int)sizeof plain &&
           api_check_url(plain, checked, sizeof checked) == 0;
}

/* Does anything answer where the rows of longer runs go? The request is nobody's, and changes nothing. */
static void examine_s3(struct engine_examination *e, const struct config *config, struct network *network)
{
    const char         *url = config->s3_endpoint[0] ? config->s3_endpoint : S3_OF_AWS;
    struct http_answer  answer = {0};
    struct http_request request = {.method = HTTP_HEAD,
                                   .url = strdup(url),
                                   .connect_timeout_ms = CONNECT_MS,
                                   .timeout_ms = ANSWER_MS,
                                   .no_proxy_at_all = is_of_this_machine(url)};
    if (network_open(network, url) == 0 &&
        http_perform(network->http, &request, clock_monotonic() + PATIENCE, &answer) == 0 && answer.error == 0)
        examination_tell(e, "s3", ENGINE_FINE, "%s (S3) is reached", url);
    else
        examination_tell(e, "s3", ENGINE_CAUSE, "%s (S3) cannot be reached%s: %s; %s wait for pillion sync", url,
                         environment_proxy("https_proxy", "HTTPS_PROXY")[0] ? " (https_proxy is set)" : "",
                         answer.message[0] ? answer.message : "no request can be made",
                         config->s3_uri[0] ? "runs"
                                           : "runs of up to 8 MiB of rows go to the API as a whole, larger ones");
    http_request_done(&request);
    http_answer_done(&answer);
}

static void examine_api(struct engine_examination *e, const struct config *config)
{
    struct network network;
    network_init(&network);
    int         error = network_open(&network, config->api_url);
    bool        https = http_url_is_https(config->api_url);
    const char *unusable = https ? unusable_bundle(e) : NULL;
    if (error < 0)
        examination_tell(e, "api", ENGINE_CAUSE, "the network library cannot be started: %s", strerror(-error));
    else if (https && !network.trust && !unusable)
        examination_tell(
            e, "ca-bundle", ENGINE_CAUSE,
            "no CA certificates are found, so no server can be trusted: install ca-certificates, or name a file in "
            "SSL_CERT_FILE");
    else if (!unusable && ask(e, config, &network) && (config->s3_endpoint[0] || !is_of_this_machine(config->api_url)))
        examine_s3(e, config, &network);
    network_done(&network);
}

/* Asks for keys as a run would. */
static void find_keys(struct own_credentials *keys, struct network *network)
{
    int64_t       until = clock_monotonic() + PATIENCE;
    enum own_step step = OWN_NOTHING;
    for (int64_t due = 0; !keys->hopeless && !own_credentials_are_good(keys) && clock_monotonic() < until;) {
        struct http_request request = {0};
        struct http_answer  answer = {0};
        step = own_credentials_next(keys, clock_monotonic(), &due);
        if (step == OWN_NOTHING && due >= until)
            break;
        if (step == OWN_NOTHING) {
            network_poll(network, NULL, 0, due - clock_monotonic());
            continue;
        }
        int error = own_credentials_request(keys, step, &request);
        if (error == 0)
            error = network_open(network, request.url);
        if (error == 0)
            error = http_perform(network->http, &request, until, &answer);
        if (error < 0)
            own_credentials_failed(keys, step, error, clock_monotonic());
        else
            own_credentials_answer(keys, step, &answer, clock_monotonic());
        http_request_done(&request);
        http_answer_done(&answer);
    }
}

/* Nothing is put there: whether the keys may do that, the first run tells. */
static void examine_bucket(struct engine_examination *e, const struct config *config)
{
    struct network          network;
    struct own_credentials *keys = calloc(1, sizeof *keys);
    network_init(&network);
    if (keys) {
        own_credentials_init(keys, config);
        find_keys(keys, &network);
        examination_tell(e, "destination", ENGINE_FINE, "runs go to %s%s%s", config->s3_uri,
                         config->s3_endpoint[0] ? " at " : "", config->s3_endpoint);
        if (own_credentials_are_good(keys))
            examination_tell(e, "keys", ENGINE_FINE, "the keys for it are those of %s", keys->source.from);
        else
            examination_tell(e, "keys", ENGINE_CAUSE, "there are no keys for %s: %s", config->s3_uri,
                             keys->reason[0] ? keys->reason : "nobody gives any");
        own_credentials_done(keys);
    }
    free(keys);
    examine_s3(e, config, &network);
    network_done(&network);
}

int doctor_examine(struct engine_examination *e)
{
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        return -ENOMEM;
    e->unknown_host[0] = '\0';
    if (e->conf)
        examine_conf(e);
    int error = read_config(e, config);
    if (error == 0)
        doctor_places(e, config);
    if (error == 0 && config->token[0])
        examine_api(e, config);
    else if (error == 0 && config->s3_uri[0])
        examine_bucket(e, config);
    else if (error == 0 && !credentials_variable())
        examination_tell(e, "token", ENGINE_NOTE, "SENTINEL_API_TOKEN is not set: runs stay on this machine%s",
                         config->otlp ? ", and their rows go to PILLION_OTLP_ENDPOINT too"
                                      : ", and the network is not used, not even by this command");
    if (error == 0 && config->otlp)
        doctor_otlp(e, config);
    bytes_wipe(config, sizeof *config);
    free(config);
    return error;
}
