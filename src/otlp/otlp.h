/* OTLP, the protocol by which OpenTelemetry's receivers take metrics, as data: the JSON of a request, and what an
 * answer says. Pure: no clock, no environment, no I/O.
 *
 * Source: opentelemetry-proto, docs/specification.md, "OTLP/HTTP" and its JSON mapping; names, units and attributes are
 * those of the semantic conventions 1.44, and `pillion.…` where these have none. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_OTLP_OTLP_H
#define PILLION_OTLP_OTLP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/text.h"

#define OTLP_NONE UINT64_MAX /* a figure that is not known: it has no data point */

enum { OTLP_BODY_MAX = 256 * 1024, OTLP_VALUE_MAX = 1024 };

/* A row. Sums are those of the run so far: one that is lost on the way costs nothing but its point in time. */
struct otlp_figures {
    /* The run's processes together. Sums: microseconds, bytes. */
    uint64_t process_user, process_system, process_read, process_written;
    uint64_t process_memory, process_children; /* bytes, count */
    uint64_t process_gpu, process_gpu_memory;  /* ten-thousandths of a device, bytes */
    /* The machine. Sums: microseconds, bytes. */
    uint64_t system_user, system_system, system_interrupt, system_read, system_written, system_received, system_sent;
    uint64_t cpus, processes;
    uint64_t memory_total, memory_used, memory_free, memory_buffers, memory_cached; /* bytes */
    uint64_t space_total, space_used, space_free;                                   /* bytes */
};

struct otlp_gpu {
    uint64_t usage, process_usage;   /* ten-thousandths */
    uint64_t memory, process_memory; /* bytes */
    uint64_t temperature;            /* degrees Celsius */
    uint64_t power;                  /* milliwatts */
};

struct otlp_row {
    int64_t                    started, now; /* ns since 1970: of the run, of the row */
    const struct otlp_figures *figures;
    const struct otlp_gpu     *gpus;
    unsigned                   gpu_count;
};

/* Appends {"key":…,"value":{"stringValue":…}}, with a comma unless it is the first behind a bracket. A value of more
 * than OTLP_VALUE_MAX bytes is cut. */
void otlp_attribute(struct bytes *b, const char *key, const char *value);
/* Composes an ExportMetricsServiceRequest. `attributes`: those of the resource, as otlp_attribute has written them.
 * *ret is initialised here and is the caller's in any case; it may have failed. Returns the number of data points. */
unsigned otlp_body(const char *attributes, const struct otlp_row *row, struct bytes *ret);

/* What a receiver says of what it took, or why it took nothing. */
struct otlp_answer {
    uint64_t refused;      /* data points */
    char     message[160]; /* the receiver's own words, "": none. They may repeat what was sent with the request */
};

/* Reads the body of an answer, whatever it is: without these members there is nothing to tell. */
void otlp_read_answer(struct text body, struct otlp_answer *ret);

#endif
