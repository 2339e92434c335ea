// SPDX-License-Identifier: Apache-2.0
// A user of the installed client: prints how a call without a server to talk to failed.
#include <errno.h>
#include <pillion/columns.h>
#include <pillion/sentinel.h>
#include <stdio.h>

int main(void)
{
    struct sentinel_api_error error = {0};
    struct sentinel_finish    request = {.data_source = SENTINEL_DATA_S3}; /* without URIs: refused before any traffic */
    char                     *statistics = NULL;
    int                       result = sentinel_finish_run(NULL, "run", &request, &statistics, &error);
    puts(result == -EINVAL ? "refused" : "not refused");
    return result == -EINVAL ? 0 : 1;
}
