// SPDX-License-Identifier: Apache-2.0
#include "keeper.h"

#include <stdio.h>
#include <string.h>

#include "account.h"
#include "base/clock.h"
#include "output.h"
#include "sentinel/http/network.h"
#include "store/journal_read.h"

enum { SERVERS = 3, URL_LONGEST = 1024, TIMEOUT_MS = 5000 };

/* Memory is in GiB there; a whole number would ask for none at all where a run needs little. */
static int compose(const char *url, const struct request *asked, struct http_request *ret)
{
    char   text[URL_LONGEST], gpus[40] = "";
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    if (asked->gpus > 0)
        (void)snprintf(gpus, sizeof gpus, "&gpu_min=%.0f", asked->gpus);
    int n = snprintf(text, sizeof text,
                     "%.*s/servers?vcpus_min=%.0f&memory_min=%.3f%s&order_by=min_price_ondemand&order_dir=asc&limit=%d",
                     (int)len, url, asked->cpus, asked->memory_mib / 1024, gpus, SERVERS);
    if (n < 0 || (size_t)n >= sizeof text)
        return -1;
    *ret = (struct http_request){
        .method = HTTP_GET, .url = strdup(text), .connect_timeout_ms = TIMEOUT_MS, .timeout_ms = TIMEOUT_MS};
    (void)http_request_header(ret, "Accept", "application/json");
    return http_request_header(ret, "X-Application-ID", "pillion");
}

static void add_server(cJSON *list, const cJSON *server)
{
    const char *vendor = journal_text(server, "vendor_id");
    const char *name = journal_text(server, "display_name");
    double      price = journal_number(server, "min_price_ondemand", -1);
    if (name == NULL)
        name = journal_text(server, "server_id");
    if (vendor == NULL || name == NULL || price < 0 || price > 1e6)
        return;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "vendor", vendor);
    cJSON_AddStringToObject(object, "server", name);
    account_add(object, "vcpus", journal_number(server, "vcpus", 0), 1);
    account_add(object, "memory_mib", journal_number(server, "memory_amount", 0), 1);
    account_add(object, "usd_per_hour", price, 1e4);
    cJSON_AddItemToArray(list, object);
}

static cJSON *read_answer(const struct http_answer *answer)
{
    cJSON       *list = NULL;
    const cJSON *server;
    if (answer->error < 0) {
        complain("no servers: the Keeper API of Spare Cores cannot be asked: %s", answer->message);
        return NULL;
    }
    cJSON *tree = answer->status == 200 ? cJSON_ParseWithLength(answer->body.data, answer->body.len) : NULL;
    if (cJSON_IsArray(tree))
        list = cJSON_CreateArray();
    else
        complain("no servers: the Keeper API of Spare Cores answered with status %ld, or not as it should",
                 answer->status);
    cJSON_ArrayForEach(server, tree)
    {
        if (list != NULL && cJSON_GetArraySize(list) < SERVERS)
            add_server(list, server);
    }
    cJSON_Delete(tree);
    return list;
}

cJSON *keeper_ask(const char *url, const struct advice *advice)
{
    struct network      network;
    struct request      asked;
    struct http_request request;
    struct http_answer  answer = {.error = -1};
    cJSON              *servers = NULL;
    advice_decide(advice, &asked);
    if (asked.memory_mib <= 0 || asked.cpus <= 0) {
        complain("no servers: nothing is known of what to ask for");
        return NULL;
    }
    network_init(&network);
    bool good = compose(url, &asked, &request) == 0;
    if (good && network_open(&network, url) == 0 &&
        http_perform(network.http, &request, clock_monotonic() + TIMEOUT_MS * CLOCK_MILLISECOND, &answer) == 0) {
        servers = read_answer(&answer);
        http_answer_done(&answer);
    } else {
        complain("no servers: %s cannot be asked", url);
    }
    http_request_done(&request);
    network_done(&network);
    return servers;
}

void keeper_print(const cJSON *servers, size_t label_width)
{
    const cJSON *server;
    bool         is_first = true;
    cJSON_ArrayForEach(server, servers)
    {
        char text[300], memory[FIGURE_MAX];
        figure_short_bytes(journal_number(server, "memory_mib", 0) * 1024 * 1024, "", memory);
        (void)snprintf(text, sizeof text, "%.100s %.100s: %.0f vCPUs, %s, %.4f USD an hour",
                       journal_text(server, "vendor"), journal_text(server, "server"),
                       journal_number(server, "vcpus", 0), memory, journal_number(server, "usd_per_hour", 0));
        print_sentence(is_first ? "servers" : "", label_width, text, output_width());
        is_first = false;
    }
    if (is_first)
        print_sentence("servers", label_width, "none has so much", output_width());
}
