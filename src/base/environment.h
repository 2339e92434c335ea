/* The environment. In the engine, whose getenv reads the snapshot from before main, it is that of the program's start.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_ENVIRONMENT_H
#define PILLION_BASE_ENVIRONMENT_H

#include <stdbool.h>

/* Returns the variable's value; NULL when it is unset or empty. */
const char *environment_value(const char *name);

/* Does a variable name a file that is looked for from the folder where the program began? */
bool environment_names_relative(void);

/* Returns a proxy's variable in lower case, else in upper case (but never HTTP_PROXY, which CGI fills from a request
 * header). "" for none. */
const char *environment_proxy(const char *name, const char *upper_name);

#endif
