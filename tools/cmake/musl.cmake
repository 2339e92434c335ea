# SPDX-License-Identifier: Apache-2.0
# Builds with musl in place of glibc, by Debian's musl-tools: cmake --preset musl
set(CMAKE_C_COMPILER musl-gcc)

# musl-gcc sees the headers of musl alone; the kernel's are shown to it one folder at a time.
execute_process(COMMAND gcc -print-multiarch OUTPUT_VARIABLE machine OUTPUT_STRIP_TRAILING_WHITESPACE)
set(shown "${CMAKE_CURRENT_LIST_DIR}/../../build/kernel-headers")
file(MAKE_DIRECTORY "${shown}")
foreach(folder linux asm-generic ${machine}/asm)
    get_filename_component(name ${folder} NAME)
    file(CREATE_LINK "/usr/include/${folder}" "${shown}/${name}" SYMBOLIC)
endforeach()
get_filename_component(shown "${shown}" REALPATH)
set(CMAKE_C_FLAGS_INIT "-idirafter ${shown}")
