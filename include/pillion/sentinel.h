/* A client of the Spare Cores Sentinel API, in C: register a run, refresh its credentials, put its objects into S3,
 * finish it.
 *
 * Blocking calls, thread-safe as long as no two threads use one client at once; a process forked in the midst of
 * another thread's call makes none, and no thread is cancelled in one. Nothing is printed, no signal is raised or
 * handled, nothing is kept between calls but the network library's own start. TLS is always verified. Every string that
 * goes in is borrowed for the call only; everything that comes out is owned by the caller and released by the function
 * named.
 *
 * Errors, for every function: 0; -EREMOTEIO when the API answered with anything but 2xx (then `error` has status
 * code and body); -EINVAL without any request for arguments that the API would refuse, or for a client without a
 * token; -EBADMSG for a 2xx answer that makes no sense; -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -ECONNRESET,
 * -EPROTO, -EMSGSIZE (beyond 1 MiB), -EKEYREJECTED (certificate, or no CA bundle) … for what kept the answer away,
 * with status_code 0 and the reason in body; -EACCES without any request for an API at another machine by plain http;
 * -ENOMEM.
 * `ret` and `reterr` are overwritten, whatever was in them; on an error `ret` is left zeroed. `reterr` may be NULL.
 *
 * Nothing is tried a second time, with exceptions that the server itself asks for: a register refused with 422 is
 * repeated without the optional fields that the answer names (tags first as an object), a finish refused with 413 is
 * repeated compressed, an object goes once more to the region that S3 names, and once more by S3's clock. Redirects
 * are not followed.
 *
 * Source: the Sentinel API (https://api.sentinel.sparecores.net); the Amazon S3 API reference, PutObject. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_H
#define PILLION_SENTINEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SENTINEL_API         __attribute__((visibility("default")))
#define SENTINEL_DEFAULT_URL "https://api.sentinel.sparecores.net"

/* Who speaks to which server. Zeroed means: from the environment (SENTINEL_API_TOKEN, else SENTINEL_API_KEY, else
 * the first line of the file SENTINEL_API_TOKEN_FILE; SENTINEL_API_URL; http_proxy, https_proxy, no_proxy;
 * PILLION_S3_ENDPOINT; AWS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE, else the distribution's bundle) and the default
 * time limits. A NULL client means the same. The environment is read during the call, by getenv. */
struct sentinel_client {
    const char *token;    /* visible ASCII, 8 KiB at most; white space around it is taken off */
    const char *base_url; /* a path in it is kept, trailing slashes are not; http only to loopback, no proxy there */
    int         connect_timeout_ms; /* 0: 10,000 */
    int         timeout_ms;         /* 0: 30,000, an object 120,000; each whole request, DNS to last byte */
    const char *s3_endpoint; /* of a server that speaks S3, path-style; NULL: PILLION_S3_ENDPOINT, else AWS; "": AWS */
};

/* What the API said, or what kept it from saying anything. */
struct sentinel_api_error {
    long  status_code; /* HTTP status; 0: no answer */
    char *body;        /* the answer's body as it came, or the reason; NUL-terminated, may be NULL */
};

struct sentinel_pair {
    const char *key;
    const char *value;
};

/* A run as it is registered. Every field is optional: NULL, or 0 for numbers, is left out of the request. Text is
 * UTF-8; other bytes go out as U+FFFD. Values longer than 64 KiB (arguments: 16 KiB) end in an ellipsis. */
struct sentinel_run {
    /* metadata */
    const char *job_name, *project_name, *stage_name, *task_name, *team, *env, *language, *orchestrator, *executor,
        *external_run_id, *container_image;
    const char *const          *command; /* argument vector, NULL-terminated; goes out as a JSON array in a string */
    const struct sentinel_pair *tags;    /* 256 at most; of two equal keys the last stands. They go out as a list
                                          * [{"key": …, "value": …}] */
    size_t tag_count;
    /* host */
    const char *host_id, *host_hostname, *host_ip, *host_server_allocation, *host_cpu_model, *host_gpu_model;
    uint64_t    host_vcpus;
    uint64_t    host_memory_mib;
    uint64_t    host_gpu_count;
    uint64_t    host_gpu_memory_mib;
    double      host_storage_gb; /* GB = 10^9 bytes */
    /* cloud */
    const char *cloud_vendor_id, *cloud_account_id, *cloud_region_id, *cloud_zone_id, *cloud_instance_type;
};

/* Credentials for the run's place in S3; those of the API are temporary. */
struct sentinel_credentials {
    char   *access_key;
    char   *secret_key;
    char   *session_token; /* NULL: keys that are not temporary have none */
    char   *region;     /* NULL: not told */
    int64_t expires_at; /* seconds since 1970 UTC; INT64_MAX: not told; 0: told in a way that cannot be read */
};

struct sentinel_registration {
    char                       *run_id;            /* [A-Za-z0-9_-]+ */
    char                       *upload_uri_prefix; /* "s3://bucket/prefix", without a trailing slash; NULL: not told */
    struct sentinel_credentials credentials;       /* access_key is NULL when none were given */
};

enum sentinel_run_status {
    SENTINEL_FINISHED = 0,
    SENTINEL_FAILED,
};

enum sentinel_data_source {
    SENTINEL_DATA_S3 = 0, /* data_uris */
    SENTINEL_DATA_INLINE, /* data_csv */
};

/* How a run ended and where its rows are. Zeroed means the reference client's defaults: exit code 0, finished, S3. */
struct sentinel_finish {
    int                       exit_code;         /* 0 to 255 */
    int                       exit_code_unknown; /* non-zero: exit_code is left out */
    enum sentinel_run_status  run_status;
    enum sentinel_data_source data_source;
    const char *const        *data_uris; /* s3://…, for SENTINEL_DATA_S3; order is kept */
    size_t                    data_uri_count;
    const char               *data_csv;     /* CSV text with its header, for SENTINEL_DATA_INLINE */
    size_t                    data_csv_len; /* 0: strlen */
    int64_t                   finished_at;  /* seconds since 1970 UTC; 0: left out */
};

/* POST /runs. `run` may be NULL: nothing is known of it. Success means that there is a run ID; a prefix or credentials
 * that could not be used are left NULL, and the run can be finished inline. */
SENTINEL_API int sentinel_register_run(const struct sentinel_client *client, const struct sentinel_run *run,
                                       struct sentinel_registration *ret, struct sentinel_api_error *reterr);

/* POST /runs/{run_id}/refresh-credentials. run_id: [A-Za-z0-9_-]{1,128}. */
SENTINEL_API int sentinel_refresh_credentials(const struct sentinel_client *client, const char *run_id,
                                              struct sentinel_credentials *ret, struct sentinel_api_error *reterr);

/* POST /runs/{run_id}/finish. `finish` may be NULL, which means zeroed. *ret_result (may be NULL) is the backend's
 * answer, run and statistics, as JSON text; free it with sentinel_free. */
SENTINEL_API int sentinel_finish_run(const struct sentinel_client *client, const char *run_id,
                                     const struct sentinel_finish *finish, char **ret_result,
                                     struct sentinel_api_error *reterr);

/* An object for the run's place in S3. Zeroed but for `uri` and `credentials`: an empty one. */
struct sentinel_object {
    const char                        *uri;         /* "s3://bucket/key", a key of 1 to 1024 bytes */
    const struct sentinel_credentials *credentials; /* expires_at is not looked at */
    const void                        *data;
    size_t                             len;          /* bytes, 64 MiB at most */
    const char                        *content_type; /* NULL: application/gzip */
};

/* PUT of one object, signed with Signature Version 4. The client's token and base URL are not used and need not be
 * there. The region is that of the credentials; else AWS is asked for the bucket's, by a HEAD; else, and at another
 * endpoint, it is eu-central-1. -EREMOTEIO for anything but 200 and 201; `reterr` has S3's answer, the credentials
 * blotted out where they stand in it in plain (S3 may also give back what was signed, in hexadecimal). */
SENTINEL_API int sentinel_put_object(const struct sentinel_client *client, const struct sentinel_object *object,
                                     struct sentinel_api_error *reterr);

/* Release what a call gave; each accepts a zeroed struct and leaves one. */
SENTINEL_API void sentinel_registration_done(struct sentinel_registration *registration);
SENTINEL_API void sentinel_credentials_done(struct sentinel_credentials *credentials);
SENTINEL_API void sentinel_api_error_done(struct sentinel_api_error *error);
SENTINEL_API void sentinel_free(void *text);

#ifdef __cplusplus
}
#endif
#endif
