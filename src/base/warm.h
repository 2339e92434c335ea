/* Variables that main writes before its program begins stand in .data, whose page ld.so has touched: a page of .bss
 * costs main some us more, and there are few reasons for any to be touched. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_WARM_H
#define PILLION_BASE_WARM_H

#define WARM __attribute__((section(".data")))

#endif
