# SPDX-License-Identifier: Apache-2.0
# Where things go. The libraries are in lib, never in lib/x86_64-linux-gnu: the command looks in ../lib of itself, and
# one LD_PRELOAD line has to fit every machine of a kind.
set(libdir lib)
include(CMakePackageConfigHelpers)

foreach(target pillion pillion-engine)
    if(TARGET ${target})
        install(TARGETS ${target} LIBRARY DESTINATION ${libdir})
    endif()
endforeach()
if(TARGET pillion-cli)
    install(TARGETS pillion-cli RUNTIME DESTINATION bin)
endif()
install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/pillion" DESTINATION include FILES_MATCHING PATTERN "*.h")
foreach(section 1 3 5 7 8)
    file(GLOB pages CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/man/*.${section}")
    if(pages)
        install(FILES ${pages} DESTINATION share/man/man${section})
    endif()
endforeach()
install(FILES "${CMAKE_SOURCE_DIR}/tools/completions/pillion.bash" DESTINATION share/bash-completion/completions RENAME pillion)
install(FILES "${CMAKE_SOURCE_DIR}/tools/completions/_pillion" DESTINATION share/zsh/site-functions)
install(FILES "${CMAKE_SOURCE_DIR}/tools/completions/pillion.fish" DESTINATION share/fish/vendor_completions.d)
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" "${CMAKE_BINARY_DIR}/pillion.spdx.json" DESTINATION share/doc/pillion)

if(TARGET pillion-sentinel)
    set_target_properties(pillion-sentinel PROPERTIES EXPORT_NAME sentinel)
    set_target_properties(pillion-sentinel-static PROPERTIES EXPORT_NAME sentinel-static)
    install(TARGETS pillion-sentinel pillion-sentinel-static EXPORT pillion-targets
        LIBRARY DESTINATION ${libdir} ARCHIVE DESTINATION ${libdir})
    install(EXPORT pillion-targets NAMESPACE pillion:: DESTINATION ${libdir}/cmake/pillion)
    configure_package_config_file("${CMAKE_SOURCE_DIR}/tools/packaging/pillion-config.cmake.in"
        "${CMAKE_BINARY_DIR}/pillion-config.cmake" INSTALL_DESTINATION ${libdir}/cmake/pillion)
    write_basic_package_version_file("${CMAKE_BINARY_DIR}/pillion-config-version.cmake" COMPATIBILITY SameMinorVersion)
    install(FILES "${CMAKE_BINARY_DIR}/pillion-config.cmake" "${CMAKE_BINARY_DIR}/pillion-config-version.cmake"
        DESTINATION ${libdir}/cmake/pillion)
    configure_file("${CMAKE_SOURCE_DIR}/tools/packaging/pillion-sentinel.pc.in"
        "${CMAKE_BINARY_DIR}/pillion-sentinel.pc" @ONLY)
    install(FILES "${CMAKE_BINARY_DIR}/pillion-sentinel.pc" DESTINATION ${libdir}/pkgconfig)
endif()

if(NOT TARGET uninstall) # somebody's who has this tree in theirs
    add_custom_target(uninstall COMMAND "${CMAKE_COMMAND}" "-DMANIFEST=${CMAKE_BINARY_DIR}/install_manifest.txt"
        -P "${CMAKE_SOURCE_DIR}/tools/cmake/uninstall.cmake" VERBATIM)
endif()
