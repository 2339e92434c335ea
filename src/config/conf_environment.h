/* What the environment and /etc/pillion.conf say together. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_CONF_ENVIRONMENT_H
#define PILLION_CONFIG_CONF_ENVIRONMENT_H

#include "link/conf.h"

struct log;

/* An environment of both, in which the first variable of a name counts: what the site forces, the environment, its
 * defaults. *ret is for free(3), and points into both. 0 or -ENOMEM. */
int conf_environment(const char *const *environment, const struct conf *conf, const char ***ret);

/* The line that the variable's value came from at the last call of conf_environment; 0: from the environment. */
unsigned conf_line_of(const char *name);

/* Logs why the file does not count, or which of its lines do not, and why. */
void conf_check(const struct conf *conf, struct log *log);

/* How many lines count, and how many of them force something. */
void conf_count(const struct conf *conf, unsigned *ret_settings, unsigned *ret_forced);

#endif
