# SPDX-License-Identifier: Apache-2.0
# How the rooms of src/ become libraries, and how the shipped ones are linked.

# What runs inside a stranger's process: no canary and no fortified call (both abort), the symbol floor in every file.
set(shipped_options -fno-stack-protector -U_FORTIFY_SOURCE -ffunction-sections -fdata-sections
    "$<$<COMPILE_LANGUAGE:C>:SHELL:-include base/floor.h>")
set(shipped_definitions _GNU_SOURCE NDEBUG "PILLION_VERSION=\"${PROJECT_VERSION}\"")

# Nothing of ours can be reached from outside, no symbol is left open. Nothing from outside can take the place of ours
# by -Bsymbolic, too; but not all of the hook may have that.
set(isolating_options -nostartfiles -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,-z,defs -Wl,-z,text
    -Wl,-z,noexecstack -Wl,-z,nodelete -Wl,--as-needed -Wl,-O1 -Wl,--hash-style=gnu)

# Built with musl, libc would be needed as libc.so: a name under which glibc finds none, or a text. libc.so.6 is the one
# that either takes for itself, so that a program of one survives the pair of the other.
include(CheckSymbolExists)
check_symbol_exists(__GLIBC__ stdlib.h PILLION_GLIBC)
if(NOT PILLION_GLIBC)
    file(WRITE "${CMAKE_BINARY_DIR}/any-libc/nothing.c" "")
    add_library(pillion_any_libc SHARED "${CMAKE_BINARY_DIR}/any-libc/nothing.c")
    target_link_options(pillion_any_libc PRIVATE -nostdlib)
    set_target_properties(pillion_any_libc PROPERTIES OUTPUT_NAME c SOVERSION 6
        LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/any-libc")
    # What is left open then is for the lists of tests/elf to find.
    list(APPEND isolating_options -nostdlib -Wl,--no-as-needed -Wl,-z,undefs)
    string(APPEND CMAKE_C_STANDARD_LIBRARIES " -lgcc")
endif()

function(pillion_any_libc target)
    if(NOT PILLION_GLIBC)
        target_link_libraries(${target} PRIVATE pillion_any_libc)
        set_target_properties(${target} PROPERTIES SKIP_BUILD_RPATH ON)
    endif()
endfunction()

function(pillion_compile target)
    target_compile_definitions(${target} PRIVATE ${shipped_definitions})
    target_compile_options(${target} PRIVATE ${shipped_options})
    target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:pillion::warnings>)
endfunction()

# One archive of all rooms, and NAME_checked, the same or, in a sanitized build, with the sanitizers: for what is no
# stranger's, the unit tests and the command.
function(pillion_rooms name)
    cmake_parse_arguments(PARSE_ARGV 1 rooms "" "" "FILES;LINK")
    add_library(${name} STATIC ${rooms_FILES})
    pillion_compile(${name})
    target_link_libraries(${name} PUBLIC ${rooms_LINK})
    if(NOT PILLION_SANITIZE)
        add_library(${name}_checked ALIAS ${name})
        return()
    endif()
    add_library(${name}_checked STATIC ${rooms_FILES})
    pillion_compile(${name}_checked)
    target_link_libraries(${name}_checked PUBLIC ${rooms_LINK})
    pillion_sanitize(${name}_checked)
endfunction()

function(pillion_sanitize target)
    if(PILLION_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${PILLION_SANITIZE} -fno-sanitize-recover=all
            -fno-omit-frame-pointer)
        target_link_options(${target} PUBLIC -fsanitize=${PILLION_SANITIZE})
    endif()
endfunction()

function(pillion_export_map target map)
    target_link_options(${target} PRIVATE "-Wl,--version-script=${map}")
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${map}")
endfunction()

# For what an export map is written by hand: the map alone says which names are seen, and calls inside stay direct.
function(pillion_visible_by_map target)
    set_target_properties(${target} PROPERTIES C_VISIBILITY_PRESET default)
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
endfunction()
