/* The parts of the export by OTLP (otlp_export.c, whose doors are in run.h): what a row says, what the run is called,
 * how a request is made. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_OTLP_EXPORT_H
#define PILLION_ENGINE_OTLP_EXPORT_H

#include "collect/collect.h"
#include "config/config.h"
#include "engine/gpus.h"
#include "otlp/otlp.h"
#include "sentinel/http_message.h"

struct run;

enum { OTLP_INSTANCE_SIZE = 37, OTLP_URL_SIZE = CONFIG_URL_MAX + 16 };

/* ---- otlp_figures.c ---- */
/* Sums begin at nothing, or go on from the rows of the run that are there: true, and the last one is among them. */
bool otlp_figures_begin(const struct run *run, struct otlp_figures *ret);
/* Adds what was used since run->last, unless it is in those rows already. */
void     otlp_figures_read(const struct run *run, const struct sample *now, bool in_rows, struct otlp_figures *ret);
unsigned otlp_gpus_read(const struct run *run, struct otlp_gpu ret[static GPUS_MAX]); /* how many there are */

/* ---- otlp_resource.c ---- */
void otlp_instance(const struct run *run, char ret[static OTLP_INSTANCE_SIZE]);
void otlp_resource(const struct run *run, const char *instance, struct bytes *ret); /* appends attributes */

/* ---- otlp_request.c ---- */
void otlp_url(const struct config *config, char ret[static OTLP_URL_SIZE]);
/* *body is taken over on success, *ret is the caller's then. 0, -ENOMEM, -EINVAL. */
int  otlp_request(const struct config *config, struct bytes *body, struct http_request *ret);
void otlp_hide_headers(const struct config *config, struct bytes *words); /* in what a receiver says */
void otlp_hide_in_arguments(const struct config *config, char *const *arguments);

#endif
