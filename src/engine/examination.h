/* What the files of the engine's doctor share: how a finding is told. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_EXAMINATION_H
#define PILLION_ENGINE_EXAMINATION_H

#include "config/config.h"
#include "link/engine.h"

/* One sentence about a thing that was looked at. */
__attribute__((format(printf, 4, 5))) void examination_tell(const struct engine_examination *e, const char *check,
                                                            enum engine_finding finding, const char *format, ...);
/* Each line of a log, without time and level, as a cause. False: there was none. */
bool examination_tell_log(const struct engine_examination *e, const char *check, const struct log *log);

/* doctor_places.c: PILLION_DIR, the room that is left there, and PILLION_OUTPUT. */
void doctor_places(const struct engine_examination *e, const struct config *config);

/* doctor_otlp.c: PILLION_OTLP_ENDPOINT, where it is set. */
void doctor_otlp(const struct engine_examination *e, const struct config *config);

#endif
