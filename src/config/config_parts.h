/* Inside config*.c only: the parts of config_read, and what they share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_CONFIG_PARTS_H
#define PILLION_CONFIG_CONFIG_PARTS_H

#include "config/config.h"

const char *config_set(const char *name); /* the value, NULL when unset or empty */
void config_invalid(struct log *log, const char *name, const char *value, const char *allowed, const char *fallback);

/* config_api.c: token and URL. config_metadata.c: what the registration says. */
void config_read_api(struct config *config, struct log *log);
void config_read_share(struct config *config, struct log *log);
void config_read_metadata(struct config *config, struct log *log);
void config_read_crowd(struct config *config);

#endif
