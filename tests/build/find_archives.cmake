# SPDX-License-Identifier: Apache-2.0
# cmake -Darchive_lock=FILE -DCACHE=DIR -P find_archives.cmake: what configuring does to find each library's archive.
include("${CMAKE_CURRENT_LIST_DIR}/../../tools/cmake/archives.cmake")
file(READ "${archive_lock}" lock)
string(JSON count LENGTH "${lock}" libraries)
math(EXPR last "${count} - 1")
foreach(i RANGE ${last})
    string(JSON name MEMBER "${lock}" libraries ${i})
    archive_find("${CACHE}" ${name} index file)
    file(SHA256 "${file}" sum)
    archive_unpack("${file}" "${CACHE}/unpacked/${name}")
    message(NOTICE "found ${name} ${index} ${sum}")
endforeach()
