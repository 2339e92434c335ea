/* Calls the client of the Sentinel API with what the command line says and prints everything that came out, as one
 * line of JSON: client_probe register|refresh|finish|put NAME=VALUE…  A name is a field of the struct; `client=null` passes
 * no client at all; command, tag and data_uri may be given many times; data is read from data_file. */
// SPDX-License-Identifier: Apache-2.0
#include <pillion/sentinel.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 64 };

static char **words;
static int    word_count;

/* The n-th value given for a name, NULL when there is none. */
static char *value_at(const char *name, int nth)
{
    size_t len = strlen(name);
    for (int i = 0; i < word_count; i++)
        if (strncmp(words[i], name, len) == 0 && words[i][len] == '=' && nth-- == 0)
            return words[i] + len + 1;
    return NULL;
}

static char *value(const char *name)
{
    return value_at(name, 0);
}

static uint64_t number(const char *name)
{
    const char *text = value(name);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static size_t list(const char *name, const char **ret)
{
    size_t count = 0;
    while (count < LIST_MAX - 1 && (ret[count] = value_at(name, (int)count)) != NULL)
        count++;
    ret[count] = NULL;
    return count;
}

static void print_text(const char *name, const char *text)
{
    printf(", \"%s\": ", name);
    if (text == NULL) {
        printf("null");
        return;
    }
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c > 0x7e)
            printf("\\u%04x", *c);
        else
            putchar(*c);
    }
    putchar('"');
}

static void print_outcome(int rc, const struct sentinel_api_error *error)
{
    printf("{\"rc\": %d, \"status_code\": %ld", rc, error->status_code);
    print_text("body", error->body);
}

static void print_credentials(const struct sentinel_credentials *credentials)
{
    print_text("access_key", credentials->access_key);
    print_text("secret_key", credentials->secret_key);
    print_text("session_token", credentials->session_token);
    print_text("region", credentials->region);
    printf(", \"expires_at\": %" PRId64, credentials->expires_at);
}

static int call_register(const struct sentinel_client *client)
{
#define FIELD(name) .name = value(#name)
    struct sentinel_run run = {
        FIELD(job_name), FIELD(project_name), FIELD(stage_name), FIELD(task_name), FIELD(team), FIELD(env),
        FIELD(language), FIELD(orchestrator), FIELD(executor), FIELD(external_run_id), FIELD(container_image),
        FIELD(host_id), FIELD(host_hostname), FIELD(host_ip), FIELD(host_server_allocation), FIELD(host_cpu_model),
        FIELD(host_gpu_model), FIELD(cloud_vendor_id), FIELD(cloud_account_id), FIELD(cloud_region_id),
        FIELD(cloud_zone_id), FIELD(cloud_instance_type),
        .host_vcpus = number("host_vcpus"), .host_memory_mib = number("host_memory_mib"),
        .host_gpu_count = number("host_gpu_count"), .host_gpu_memory_mib = number("host_gpu_memory_mib"),
        .host_storage_gb = value("host_storage_gb") == NULL ? 0 : strtod(value("host_storage_gb"), NULL),
    };
#undef FIELD
    const char *command[LIST_MAX], *tags[LIST_MAX];
    struct sentinel_pair pairs[LIST_MAX];
    if (list("command", command) > 0)
        run.command = command;
    run.tag_count = list("tag", tags);
    run.tags = pairs;
    for (size_t i = 0; i < run.tag_count; i++) {
        char *equals = strchr(tags[i], '=');
        if (equals != NULL)
            *equals = '\0';
        pairs[i] = (struct sentinel_pair){ .key = tags[i], .value = equals == NULL ? NULL : equals + 1 };
    }
    struct sentinel_registration registration = { 0 };
    struct sentinel_api_error error = { 0 };
    int rc = sentinel_register_run(client, &run, &registration, &error);
    print_outcome(rc, &error);
    print_text("run_id", registration.run_id);
    print_text("upload_uri_prefix", registration.upload_uri_prefix);
    print_credentials(&registration.credentials);
    sentinel_registration_done(&registration);
    sentinel_registration_done(&registration); /* a zeroed one is accepted, and one is left */
    sentinel_api_error_done(&error);
    sentinel_api_error_done(&error);
    return rc;
}

static int call_refresh(const struct sentinel_client *client)
{
    struct sentinel_credentials credentials = { 0 };
    struct sentinel_api_error error = { 0 };
    int rc = sentinel_refresh_credentials(client, value("run_id"), &credentials, &error);
    print_outcome(rc, &error);
    print_credentials(&credentials);
    sentinel_credentials_done(&credentials);
    sentinel_credentials_done(&credentials);
    sentinel_api_error_done(&error);
    return rc;
}

static char *read_bytes(const char *path, size_t *ret_len)
{
    FILE *file = path == NULL ? NULL : fopen(path, "rb");
    *ret_len = 0;
    if (file == NULL)
        return NULL;
    static char text[1 << 24];
    *ret_len = fread(text, 1, sizeof text - 1, file);
    text[*ret_len] = '\0';
    (void)fclose(file);
    return text;
}

static char *read_file(const char *path)
{
    size_t len;
    return read_bytes(path, &len);
}

static int call_finish(const struct sentinel_client *client)
{
    const char *uris[LIST_MAX];
    const char *status = value("run_status"), *source = value("data_source");
    struct sentinel_finish finish = {
        .exit_code = value("exit_code") == NULL ? 0 : (int)strtol(value("exit_code"), NULL, 10),
        .exit_code_unknown = (int)number("exit_code_unknown"),
        .run_status = status != NULL && strcmp(status, "failed") == 0 ? SENTINEL_FAILED : SENTINEL_FINISHED,
        .data_source = source != NULL && strcmp(source, "inline") == 0 ? SENTINEL_DATA_INLINE : SENTINEL_DATA_S3,
        .data_uris = uris,
        .data_uri_count = list("data_uri", uris),
        .data_csv = value("data_csv") != NULL ? value("data_csv") : read_file(value("data_csv_file")),
        .data_csv_len = (size_t)number("data_csv_len"),
        .finished_at = (int64_t)number("finished_at"),
    };
    char *result = NULL;
    struct sentinel_api_error error = { 0 };
    int rc = sentinel_finish_run(client, value("run_id"), &finish, value("no_result") ? NULL : &result, &error);
    print_outcome(rc, &error);
    print_text("result", result);
    sentinel_free(result);
    sentinel_free(NULL);
    sentinel_api_error_done(&error);
    return rc;
}

static int call_put(const struct sentinel_client *client)
{
    const struct sentinel_credentials credentials = {
        .access_key = value("access_key"),
        .secret_key = value("secret_key"),
        .session_token = value("session_token"),
        .region = value("region"),
    };
    struct sentinel_object object = {
        .uri = value("uri"),
        .credentials = value("no_credentials") ? NULL : &credentials,
        .content_type = value("content_type"),
    };
    object.data = read_bytes(value("data_file"), &object.len);
    struct sentinel_api_error error = { 0 };
    int rc = sentinel_put_object(client, &object, &error);
    print_outcome(rc, &error);
    sentinel_api_error_done(&error);
    return rc;
}

int main(int argc, char **argv)
{
    words = argv + 1;
    word_count = argc - 1;
    const char *what = argc > 1 ? argv[1] : "";
    struct sentinel_client client = {
        .token = value("token"),
        .base_url = value("base_url"),
        .connect_timeout_ms = (int)number("connect_timeout_ms"),
        .timeout_ms = (int)number("timeout_ms"),
        .s3_endpoint = value("s3_endpoint"),
    };
    const struct sentinel_client *used = value("client") != NULL ? NULL : &client;
    if (strcmp(what, "register") == 0)
        call_register(used);
    else if (strcmp(what, "refresh") == 0)
        call_refresh(used);
    else if (strcmp(what, "finish") == 0)
        call_finish(used);
    else if (strcmp(what, "put") == 0)
        call_put(used);
    else
        return 2;
    puts("}");
    return 0;
}
