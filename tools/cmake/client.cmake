# SPDX-License-Identifier: Apache-2.0
# libpillion-sentinel: the client on its own, shared and as an archive. It lives in its user's program by invitation,
# so it uses that program's libc; but what it is made of stays hidden, and a user's own curl never meets ours.

# One object holds all of it, and all names but the public ones become local: that keeps them out of the way in the
# archive, where no export map works.
set(client_object "${CMAKE_CURRENT_BINARY_DIR}/pillion-sentinel.o")
add_custom_command(
    OUTPUT "${client_object}"
    COMMAND ${CMAKE_LINKER} -r -o "${client_object}" --whole-archive $<TARGET_FILE:pillion_sentinel_objs>
        --no-whole-archive $<TARGET_FILE:pillion_base> --start-group ${PILLION_DEPENDENCY_ARCHIVES} --end-group
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard "--keep-global-symbol=sentinel_*" "${client_object}"
    DEPENDS pillion_sentinel_objs pillion_base ${PILLION_DEPENDENCY_ARCHIVES}
    COMMENT "Linking pillion-sentinel.o" VERBATIM)
set_source_files_properties("${client_object}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_custom_target(pillion-sentinel-object DEPENDS "${client_object}")

add_library(pillion-sentinel SHARED "${client_object}")
target_link_options(pillion-sentinel PRIVATE -Wl,-Bsymbolic -Wl,--gc-sections -Wl,-z,defs -Wl,-z,noexecstack
    -Wl,--as-needed)
set_target_properties(pillion-sentinel PROPERTIES LINKER_LANGUAGE C VERSION 0 SOVERSION 0)
pillion_export_map(pillion-sentinel "${CMAKE_SOURCE_DIR}/src/sentinel/sentinel.map")

add_library(pillion-sentinel-static STATIC "${client_object}")
set_target_properties(pillion-sentinel-static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME pillion-sentinel)

foreach(target pillion-sentinel pillion-sentinel-static)
    add_dependencies(${target} pillion-sentinel-object)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
endforeach()
