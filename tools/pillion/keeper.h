/* The cheapest cloud servers for what advice asks for, by the Keeper API of Spare Cores. Asked only by --servers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_KEEPER_H
#define PILLION_KEEPER_H

#include <cJSON.h>

#include <stddef.h>

#include "advice.h"

#define KEEPER_URL "https://keeper.sparecores.net"

/* A list of objects (vendor, server, vcpus, memory_mib, usd_per_hour), cheapest first; NULL and a sentence when there
 * is no answer. Free with cJSON_Delete. */
cJSON *keeper_ask(const char *url, const struct advice *advice);
void   keeper_print(const cJSON *servers, size_t label_width);

#endif
