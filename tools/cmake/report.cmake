# SPDX-License-Identifier: Apache-2.0
# The report's page, style and script become arrays of C: as a step of the build, by CMake itself.

set(report_folder "${CMAKE_SOURCE_DIR}/tools/pillion/report")
set(report_maker "${CMAKE_CURRENT_LIST_DIR}/report_texts.cmake")

function(pillion_report target)
    set(made "${CMAKE_BINARY_DIR}/report/report_texts.c")
    set(texts page.html style.css charts.js job.js page.js)
    list(TRANSFORM texts PREPEND "${report_folder}/")
    add_custom_command(OUTPUT "${made}" DEPENDS ${texts} "${report_maker}" VERBATIM
        COMMAND ${CMAKE_COMMAND} "-DFOLDER=${report_folder}" "-DMADE=${made}" -P "${report_maker}")
    target_sources(${target} PRIVATE "${made}")
    target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/tools/pillion")
endfunction()
