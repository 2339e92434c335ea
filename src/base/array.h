/* The length of an array. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_ARRAY_H
#define PILLION_BASE_ARRAY_H

/* A pointer would compile too, and give nonsense. */
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))

#endif
