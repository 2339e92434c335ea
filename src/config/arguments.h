/* The program's arguments, as they may be written down and shared. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_ARGUMENTS_H
#define PILLION_CONFIG_ARGUMENTS_H

/* Hides in place: the token, however it is spelled ("": there is none), and user and password of URLs. */
void arguments_hide(char *const *arguments, const char *token);

#endif
