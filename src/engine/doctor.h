/* The doctor's questions that only the engine can answer: it has the one reader of the configuration, and the network.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_DOCTOR_H
#define PILLION_ENGINE_DOCTOR_H

#include "link/engine.h"

/* Answers them: engine.examine, once getenv works. */
int doctor_examine(struct engine_examination *examination);

#endif
