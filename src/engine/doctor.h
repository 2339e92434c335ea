/* What `pillion doctor` can only ask of the engine: it has the configuration's one reader, and the network. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_DOCTOR_H
#define PILLION_ENGINE_DOCTOR_H

#include "link/engine.h"

/* struct engine.examine, once getenv answers. */
int examine(struct engine_examination *examination);

#endif
