# SPDX-License-Identifier: Apache-2.0
# libpillion-sentinel: the client on its own, shared and as an archive. It lives in its user's program by invitation,
# so it uses that program's libc; but what it is made of stays hidden, and a user's own curl never meets ours.

# What the public header declares, and what that needs of the rooms.
file(STRINGS "${CMAKE_SOURCE_DIR}/include/pillion/sentinel.h" declarations REGEX "sentinel_[a-z_]+\\(")
string(REGEX MATCHALL "sentinel_[a-z_]+\\(" names "${declarations}")
list(TRANSFORM names REPLACE "(.*)\\(" "--undefined=\\1" OUTPUT_VARIABLE client_roots)
list(REMOVE_DUPLICATES client_roots)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/include/pillion/sentinel.h")

# One object holds all of it, and all names but the public ones become local: that keeps them out of the way in the
# archive, where no export map works.
set(client_object "${CMAKE_CURRENT_BINARY_DIR}/pillion-sentinel.o")
add_custom_command(
    OUTPUT "${client_object}"
    COMMAND ${CMAKE_LINKER} -r -o "${client_object}" ${client_roots}
        --start-group $<TARGET_FILE:pillion_rooms> ${PILLION_DEPENDENCY_ARCHIVES} --end-group $<TARGET_OBJECTS:pillion_floor>
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard "--keep-global-symbol=sentinel_*" "${client_object}"
    DEPENDS pillion_rooms pillion_floor $<TARGET_OBJECTS:pillion_floor> ${PILLION_DEPENDENCY_ARCHIVES}
    COMMENT "Linking pillion-sentinel.o" VERBATIM)
set_source_files_properties("${client_object}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_custom_target(pillion-sentinel-object DEPENDS "${client_object}")

add_library(pillion-sentinel SHARED "${client_object}")
target_link_options(pillion-sentinel PRIVATE -Wl,-Bsymbolic -Wl,--gc-sections -Wl,-z,defs -Wl,-z,noexecstack
    -Wl,--as-needed)
set_target_properties(pillion-sentinel PROPERTIES LINKER_LANGUAGE C VERSION 0 SOVERSION 0)
pillion_export_map(pillion-sentinel "${CMAKE_SOURCE_DIR}/src/client/sentinel.map")

add_library(pillion-sentinel-static STATIC "${client_object}")
set_target_properties(pillion-sentinel-static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME pillion-sentinel)

foreach(target pillion-sentinel pillion-sentinel-static)
    add_dependencies(${target} pillion-sentinel-object)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
endforeach()
