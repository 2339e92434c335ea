/* The names of all variables, to tell a misspelt one from a known one. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_VARIABLE_NAMES_H
#define PILLION_CONFIG_VARIABLE_NAMES_H

#include "base/log.h"

/* Logs every PILLION_ name of the environment that is none of ours, with the nearest that is. */
void names_check(const char *const *environment, struct log *log);

#endif
