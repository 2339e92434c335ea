// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_ARRAY_H
#define PILLION_BASE_ARRAY_H

/* Of an array, not of a pointer: that, too, would compile. */
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))

#endif
