# SPDX-License-Identifier: Apache-2.0
# The libraries inside the engine: archives fetched once (archives.cmake), libraries built once, both kept in a cache that
# all build folders of this machine share. Configuring a second time downloads and compiles nothing.
#
#   cache/archives/                                    see archives.cmake
#   cache/sources/KEY/{curl,c-ares,mbedtls,cjson,zlib}  unpacked; KEY: the archives' sums
#   cache/built/KEY/{include,lib}                      KEY: sources, compiler, flags and the files beside this one
#
# Defines the target pillion::dependencies, and PILLION_LIBRARIES: their names and versions as a sentence.

include(archives)
include(sbom)

set(PILLION_DEPS "" CACHE PATH "Folder with unpacked curl, c-ares, mbedtls, cjson and zlib; empty: fetch them")

set(dependency_names curl c-ares mbedtls cjson zlib)
set(dependency_flags -Os -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -fno-stack-protector
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0 -DNDEBUG)
set(dependency_archives libcurl.a libcares.a libmbedtls.a libmbedx509.a libmbedcrypto.a libcjson.a libz.a)

function(dependency_cache ret_path)
    if(DEFINED ENV{PILLION_CACHE})
        set(path "$ENV{PILLION_CACHE}")
    elseif(DEFINED ENV{XDG_CACHE_HOME})
        set(path "$ENV{XDG_CACHE_HOME}/pillion")
    elseif(DEFINED ENV{HOME})
        set(path "$ENV{HOME}/.cache/pillion")
    else()
        set(path "${CMAKE_BINARY_DIR}/cache")
    endif()
    set(${ret_path} "${path}" PARENT_SCOPE)
endfunction()

function(dependency_sources cache ret_path)
    if(PILLION_DEPS)
        foreach(file curl/include/curl/curl.h c-ares/include/ares.h mbedtls/include/mbedtls/ssl.h cjson/cJSON.h zlib/zlib.h)
            if(NOT EXISTS "${PILLION_DEPS}/${file}")
                message(FATAL_ERROR "PILLION_DEPS=${PILLION_DEPS} has no ${file}: "
                    "it must hold unpacked sources in curl, c-ares, mbedtls, cjson and zlib.")
            endif()
        endforeach()
        get_filename_component(path "${PILLION_DEPS}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
        set(${ret_path} "${path}" PARENT_SCOPE)
        return()
    endif()
    set(sums "")
    foreach(name ${dependency_names})
        archive_find("${cache}" ${name} index_${name} file_${name})
        set(dependency_index_${name} "${index_${name}}" PARENT_SCOPE)
        file(SHA256 "${file_${name}}" sum)
        string(APPEND sums "${sum} ")
    endforeach()
    string(SHA256 key "${sums}")
    string(SUBSTRING "${key}" 0 16 key)
    set(path "${cache}/sources/${key}")
    if(NOT EXISTS "${path}")
        file(REMOVE_RECURSE "${path}.part")
        foreach(name ${dependency_names})
            archive_unpack("${file_${name}}" "${path}.part/${name}")
        endforeach()
        file(RENAME "${path}.part" "${path}")
    endif()
    set(${ret_path} "${path}" PARENT_SCOPE)
endfunction()

# What the sources themselves say that they are: dependency_version_NAME for each.
function(dependency_versions sources)
    file(READ "${sources}/curl/include/curl/curlver.h" text)
    string(REGEX MATCH "LIBCURL_VERSION \"([^\"]+)\"" found "${text}")
    set(dependency_version_curl "${CMAKE_MATCH_1}" PARENT_SCOPE)
    file(READ "${sources}/c-ares/include/ares_version.h" text)
    string(REGEX MATCH "ARES_VERSION_STR +\"([^\"]+)\"" found "${text}")
    set(dependency_version_c-ares "${CMAKE_MATCH_1}" PARENT_SCOPE)
    file(READ "${sources}/mbedtls/include/mbedtls/build_info.h" text)
    string(REGEX MATCH "MBEDTLS_VERSION_STRING +\"([^\"]+)\"" found "${text}")
    set(dependency_version_mbedtls "${CMAKE_MATCH_1}" PARENT_SCOPE)
    file(READ "${sources}/cjson/cJSON.h" text)
    string(REGEX MATCH "VERSION_MAJOR ([0-9]+).*VERSION_MINOR ([0-9]+).*VERSION_PATCH ([0-9]+)" found "${text}")
    set(dependency_version_cjson "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}" PARENT_SCOPE)
    file(READ "${sources}/zlib/zlib.h" text)
    string(REGEX MATCH "ZLIB_VERSION \"([^\"]+)\"" found "${text}")
    set(dependency_version_zlib "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

# All that can change an archive, in one short name.
function(dependency_key sources ret_key)
    execute_process(COMMAND ${CMAKE_C_COMPILER} -dumpmachine OUTPUT_VARIABLE machine OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(text "${CMAKE_C_COMPILER} ${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION} ${machine} ${CMAKE_C_FLAGS} ${dependency_flags}")
    get_filename_component(parts "${sources}" NAME)
    string(APPEND text " ${parts}")
    foreach(file "${sources}/curl/include/curl/curlver.h" "${sources}/c-ares/include/ares_version.h"
            "${sources}/mbedtls/include/mbedtls/build_info.h" "${sources}/cjson/cJSON.h" "${sources}/zlib/zlib.h"
            "${CMAKE_SOURCE_DIR}/tools/cmake/mbedtls-config.h" "${CMAKE_SOURCE_DIR}/tools/cmake/dependencies.cmake"
            "${CMAKE_SOURCE_DIR}/tools/cmake/dependencies/CMakeLists.txt")
        file(SHA256 "${file}" sum)
        string(APPEND text " ${sum}")
    endforeach()
    string(SHA256 key "${text}")
    string(SUBSTRING "${key}" 0 16 key)
    set(${ret_key} "${key}" PARENT_SCOPE)
endfunction()

# Configure, build and install one library into ${prefix}; the rest of the arguments goes to its configuration.
function(dependency_build name)
    message(STATUS "Building ${name} for the engine")
    string(JOIN " " flags ${CMAKE_C_FLAGS} ${dependency_flags} "-ffile-prefix-map=${sources}=." "-ffile-prefix-map=${work}=.")
    set(common "-DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}" -DCMAKE_BUILD_TYPE=None "-DCMAKE_INSTALL_PREFIX=${prefix}"
        -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF -DCMAKE_POLICY_VERSION_MINIMUM=3.5)
    if(CMAKE_TOOLCHAIN_FILE)
        list(APPEND common "-DCMAKE_TOOLCHAIN_FILE=${CMAKE_TOOLCHAIN_FILE}")
    endif()
    cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
    foreach(step configure build install)
        if(step STREQUAL configure)
            set(command ${CMAKE_COMMAND} -G "${CMAKE_GENERATOR}" "-DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM}"
                -S "${dependency_source}" -B "${work}/${name}" ${common} "-DCMAKE_C_FLAGS=${flags} ${dependency_extra}" ${ARGN})
        elseif(step STREQUAL build)
            set(command ${CMAKE_COMMAND} --build "${work}/${name}" --parallel ${cores})
        else()
            set(command ${CMAKE_COMMAND} --install "${work}/${name}")
        endif()
        execute_process(COMMAND ${command} RESULT_VARIABLE status
            OUTPUT_FILE "${work}/${name}-${step}.log" ERROR_FILE "${work}/${name}-${step}.log")
        if(NOT status EQUAL 0)
            message(FATAL_ERROR "${name} failed to ${step}: see ${work}/${name}-${step}.log")
        endif()
    endforeach()
endfunction()

# mbedTLS 3.6.6 offers RSA-PSS signatures to every server, but as a TLS 1.2 client then rejects them: no handshake with
# most servers that have an RSA certificate and no TLS 1.3. 3.6.7 has a mend of its own (pull request 10674 of
# Mbed-TLS/mbedtls) and stays as it is. The sources are never changed, a copy is mended.
function(dependency_mend_mbedtls sources mended)
    file(COPY "${sources}/mbedtls/" DESTINATION "${mended}" PATTERN tests EXCLUDE PATTERN docs EXCLUDE)
    if(NOT dependency_version_mbedtls VERSION_LESS 3.6.7)
        return()
    endif()
    file(READ "${mended}/library/ssl_misc.h" text)
    set(before "    switch (hash) {
#if defined(MBEDTLS_MD_CAN_MD5)
        case MBEDTLS_SSL_HASH_MD5:
            break;
#endif

#if defined(MBEDTLS_MD_CAN_SHA1)")
    set(fix "    if (sig_alg >= MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256 &&
        sig_alg <= MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512) {
        return 1;
    }

")
    string(REPLACE "${before}" "${fix}${before}" text "${text}")
    file(WRITE "${mended}/library/ssl_misc.h" "${text}")
endfunction()

function(dependency_build_all sources work prefix)
    set(config "${CMAKE_SOURCE_DIR}/tools/cmake/mbedtls-config.h")
    file(REMOVE_RECURSE "${work}")
    file(MAKE_DIRECTORY "${work}" "${prefix}")
    # The header is copied so that no path of the source tree gets into the archives' headers.
    file(COPY "${config}" DESTINATION "${prefix}/include")

    set(dependency_source "${CMAKE_SOURCE_DIR}/tools/cmake/dependencies")
    dependency_build(cjson-and-zlib "-DSOURCES=${sources}")

    dependency_mend_mbedtls("${sources}" "${work}/mbedtls-source")
    set(dependency_source "${work}/mbedtls-source")
    dependency_build(mbedtls "-DMBEDTLS_USER_CONFIG_FILE=${prefix}/include/mbedtls-config.h" -DENABLE_TESTING=OFF
        -DENABLE_PROGRAMS=OFF -DGEN_FILES=OFF -DUSE_STATIC_MBEDTLS_LIBRARY=ON -DUSE_SHARED_MBEDTLS_LIBRARY=OFF)

    set(dependency_source "${sources}/c-ares")
    dependency_build(c-ares -DCARES_STATIC=ON -DCARES_SHARED=OFF -DCARES_STATIC_PIC=ON -DCARES_THREADS=OFF
        -DCARES_BUILD_TOOLS=OFF -DCARES_BUILD_TESTS=OFF -DCARES_SYMBOL_HIDING=ON
        # Each of these allocates or takes locks inside libc, or needs a newer one than the engine's floor.
        -DHAVE_ARC4RANDOM_BUF=OFF -DHAVE_GETIFADDRS=OFF -DHAVE_GETADDRINFO=OFF -DHAVE_GETNAMEINFO=OFF
        -DHAVE_EPOLL=OFF)

    set(dependency_source "${sources}/curl")
    set(dependency_extra "-DMBEDTLS_USER_CONFIG_FILE='\"${prefix}/include/mbedtls-config.h\"' -DCARES_STATICLIB")
    dependency_build(curl -DBUILD_SHARED_LIBS=OFF -DBUILD_STATIC_LIBS=ON -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF
        -DBUILD_EXAMPLES=OFF -DBUILD_LIBCURL_DOCS=OFF -DBUILD_MISC_DOCS=OFF -DENABLE_CURL_MANUAL=OFF
        -DCURL_USE_PKGCONFIG=OFF -DPICKY_COMPILER=OFF -DHTTP_ONLY=ON -DENABLE_IPV6=ON -DENABLE_UNIX_SOCKETS=OFF
        -DENABLE_ARES=ON -DENABLE_THREADED_RESOLVER=OFF -DCMAKE_DISABLE_FIND_PACKAGE_Threads=ON # no mutex: a fork could freeze it
        "-DCARES_INCLUDE_DIR=${prefix}/include" "-DCARES_LIBRARY=${prefix}/lib/libcares.a"
        -DCURL_USE_OPENSSL=OFF -DCURL_USE_MBEDTLS=ON -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none
        "-DMBEDTLS_INCLUDE_DIR=${prefix}/include" "-DMBEDTLS_LIBRARY=${prefix}/lib/libmbedtls.a"
        "-DMBEDX509_LIBRARY=${prefix}/lib/libmbedx509.a" "-DMBEDCRYPTO_LIBRARY=${prefix}/lib/libmbedcrypto.a"
        -DCURL_ZLIB=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DUSE_NGHTTP2=OFF -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF
        -DCURL_USE_LIBSSH2=OFF -DCURL_USE_GSSAPI=OFF -DCURL_DISABLE_COOKIES=ON -DCURL_DISABLE_NETRC=ON
        -DCURL_DISABLE_HSTS=ON -DCURL_DISABLE_ALTSVC=ON -DCURL_DISABLE_DOH=ON -DCURL_DISABLE_NTLM=ON
        -DCURL_DISABLE_WEBSOCKETS=ON -DCURL_DISABLE_DIGEST_AUTH=ON -DCURL_DISABLE_BEARER_AUTH=ON
        -DCURL_DISABLE_KERBEROS_AUTH=ON -DCURL_DISABLE_NEGOTIATE_AUTH=ON -DCURL_DISABLE_AWS=ON -DCURL_DISABLE_SRP=ON
        -DCURL_DISABLE_MIME=ON -DCURL_DISABLE_FORM_API=ON -DCURL_DISABLE_IPFS=ON -DCURL_DISABLE_GETOPTIONS=ON
        -DCURL_DISABLE_SHUFFLE_DNS=ON -DCURL_DISABLE_SHA512_256=ON -DCURL_DISABLE_PROGRESS_METER=ON
        -DCURL_DISABLE_VERBOSE_STRINGS=ON -DCURL_DISABLE_SOCKETPAIR=ON -DCURL_DISABLE_LIBCURL_OPTION=ON -DCURL_DISABLE_PARSEDATE=ON
        # SIGPIPE: sends carry MSG_NOSIGNAL, so no disposition of the process has to be touched.
        -DHAVE_SIGACTION=OFF -DHAVE_SIGNAL=OFF -DHAVE_REALPATH=OFF
        -DHAVE_ARC4RANDOM=OFF -DHAVE_GETADDRINFO=OFF -DHAVE_FREEADDRINFO=OFF -DHAVE_GETIFADDRS=OFF
        -DHAVE_GETHOSTBYNAME_R=OFF -DHAVE_GETPWUID=OFF -DHAVE_GETPWUID_R=OFF -DHAVE_SETLOCALE=OFF -DHAVE_ALARM=OFF
        -DHAVE_SIGSETJMP=OFF -DHAVE_SENDMMSG=OFF -DHAVE_FNMATCH=OFF)
endfunction()

function(pillion_dependencies)
    dependency_cache(cache)
    file(MAKE_DIRECTORY "${cache}")
    file(LOCK "${cache}/lock" GUARD FUNCTION TIMEOUT 1800 RESULT_VARIABLE lock)
    if(NOT lock EQUAL 0)
        message(FATAL_ERROR "${cache}/lock: ${lock}. Another configuration holds it; or set PILLION_CACHE elsewhere.")
    endif()
    dependency_sources("${cache}" sources)
    dependency_versions("${sources}")
    file(READ "${archive_lock}" lock)
    set(libraries "")
    foreach(name ${dependency_names})
        if(DEFINED dependency_index_${name})
            string(JSON version GET "${lock}" libraries ${name} archives ${dependency_index_${name}} version)
            if(NOT version STREQUAL dependency_version_${name})
                message(FATAL_ERROR "dependencies.lock: the archive of ${name} ${version} holds ${dependency_version_${name}}.")
            endif()
        endif()
        string(JSON title GET "${lock}" libraries ${name} title)
        list(APPEND libraries "${title} ${dependency_version_${name}}")
    endforeach()
    string(JOIN ", " libraries ${libraries})
    set(PILLION_LIBRARIES "${libraries}" PARENT_SCOPE)
    pillion_sbom("${CMAKE_BINARY_DIR}/pillion.spdx.json")
    set(PILLION_DEPENDENCY_SOURCES "${sources}" CACHE INTERNAL "What the benchmarks compile too")
    dependency_key("${sources}" key)
    set(built "${cache}/built/${key}")
    if(NOT EXISTS "${built}")
        set(prefix "${cache}/built/${key}.part")
        file(REMOVE_RECURSE "${prefix}")
        dependency_build_all("${sources}" "${cache}/work" "${prefix}")
        file(RENAME "${prefix}" "${built}")
        file(REMOVE_RECURSE "${cache}/work")
    endif()

    add_compile_options("-ffile-prefix-map=${built}=libraries") # no path of this machine in what is built
    list(TRANSFORM dependency_archives PREPEND "${built}/lib/" OUTPUT_VARIABLE archives)
    set(PILLION_DEPENDENCY_ARCHIVES "${archives}" PARENT_SCOPE)
    add_library(pillion_dependencies INTERFACE)
    add_library(pillion::dependencies ALIAS pillion_dependencies)
    target_include_directories(pillion_dependencies SYSTEM INTERFACE "${built}/include")
    target_compile_definitions(pillion_dependencies INTERFACE CURL_STATICLIB CARES_STATICLIB
        "MBEDTLS_USER_CONFIG_FILE=\"mbedtls-config.h\"")
    target_link_libraries(pillion_dependencies INTERFACE ${archives})
endfunction()
