/* The name of a program: the base name of its executable, or of the script that an interpreter runs. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_PROGRAM_NAME_H
#define PILLION_BASE_PROGRAM_NAME_H

#include <stddef.h>

const char *program_base(const char *executable); /* base name, points into its argument */
/* The default of job_name; `arguments` is NULL-terminated. Points into its arguments. */
const char *program_name(const char *executable, const char *const *arguments);
/* The language in which a program of this executable is written; NULL where that is not certain. */
const char *program_language(const char *executable);

#endif
