# SPDX-License-Identifier: Apache-2.0
# pillion::warnings: the compiler's questions, the same for every target. Errors only for those who ask for them.
add_library(pillion_warnings INTERFACE)
add_library(pillion::warnings ALIAS pillion_warnings)
set(warnings -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wcast-qual -Wpointer-arith
    -Wwrite-strings)
set(c_warnings -Wstrict-prototypes -Wmissing-prototypes)
target_compile_options(pillion_warnings INTERFACE ${warnings} "$<$<COMPILE_LANGUAGE:C>:${c_warnings}>"
    $<$<BOOL:${PILLION_WERROR}>:-Werror>)
