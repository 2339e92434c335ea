/* The least that a preload can be: what the hook is compared with. */
// SPDX-License-Identifier: Apache-2.0

__attribute__((constructor)) static void nothing(void)
{
}
