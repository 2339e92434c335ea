/* The body of POST /runs, composed once, at the start, under the run's own variables. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_REGISTRATION_H
#define PILLION_ENGINE_REGISTRATION_H

#include "base/bytes.h"
#include "collect/collect.h"
#include "config/config.h"

/* Appends the JSON text. Without PILLION_SHARE nothing personal is in it: of the command only the program's base name.
 * 0, -ENOMEM. */
int registration_compose(const struct config *config, const struct machine *machine, const char *executable,
                         const char *const *arguments, struct bytes *ret);

#endif
