# SPDX-License-Identifier: Apache-2.0
# cmake -DFOLDER=tools/pillion/report -DMADE=FILE.c -P report_texts.cmake

function(array name)
    set(bytes "")
    foreach(file ${ARGN})
        file(READ "${FOLDER}/${file}" hex HEX)
        string(APPEND bytes "${hex}")
    endforeach()
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    file(APPEND "${MADE}" "const char ${name}[] = {${bytes}0};\n")
endfunction()

# Signs beyond ASCII would be numbers beyond a char: the sources write them as escapes.
file(WRITE "${MADE}" "/* Made from tools/pillion/report. */\n#include \"report.h\"\n\n")
array(report_html page.html)
array(report_style style.css)
array(report_script charts.js job.js page.js)
