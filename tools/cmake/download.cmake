# SPDX-License-Identifier: Apache-2.0
# cmake -DURL=URL -DFILE=FILE -DSECONDS=N -DSILENT=N -P download.cmake: gets the file, or says in one line why not. A process of its
# own, so that its caller can limit what it writes.
file(DOWNLOAD "${URL}" "${FILE}" STATUS status LOG log TIMEOUT ${SECONDS} INACTIVITY_TIMEOUT ${SILENT} TLS_VERIFY ON)
list(GET status 0 code)
if(code)
    file(REMOVE "${FILE}")
    list(GET status 1 words)
    string(REGEX MATCHALL "HTTP/[0-9.]+ [0-9][0-9][0-9][^\r\n]*" answers "${log}")
    list(POP_BACK answers answer)
    string(REGEX REPLACE "^HTTP/[0-9.]+ *" "" answer "${answer}")
    string(REPLACE "\"" "" words "${words}")
    message(NOTICE "${words} ${answer}")
endif()
