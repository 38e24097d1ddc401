# Flags and helpers that every room uses.
#
#   shmcheck_library(NAME SOURCES… DEPENDS …)    host-side static library, sanitized when a preset asks for it
#   shmcheck_test(NAME SOURCES… DEPENDS …)       host-side GoogleTest binary, registered with CTest
#   shmcheck_gtest(NAME ARGUMENT…)               registers a GoogleTest binary, or a script around one, with CTest
#   shmcheck_merge(NAME N)                       compiles N source files of it as one
#   shmcheck_headers(NAME HEADER…)               compiles the headers that most of its files include once
#   shmcheck_guest(NAME SOURCES… DEPENDS …)      static, uninstrumented binary that runs on a target

add_library(shmcheck_warnings INTERFACE)
target_compile_options(shmcheck_warnings INTERFACE -Wall -Wextra -Wconversion -Werror)
# gcc's -Wconversion leaves changes of sign alone in C++; both compilers shall find the same.
target_compile_options(shmcheck_warnings INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)
# GCC 12 warns wrongly of `"literal" + std::string` (GCC bug 105651, mended in 13).
target_compile_options(shmcheck_warnings INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
target_include_directories(shmcheck_warnings INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})

add_library(shmcheck_host INTERFACE)
target_link_libraries(shmcheck_host INTERFACE shmcheck_warnings)
if(SHMCHECK_SANITIZE)
  target_compile_options(shmcheck_host INTERFACE
    -fsanitize=${SHMCHECK_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(shmcheck_host INTERFACE -fsanitize=${SHMCHECK_SANITIZE})
endif()
if(SHMCHECK_COVERAGE)
  target_compile_options(shmcheck_host INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(shmcheck_host INTERFACE --coverage)
endif()
if(SHMCHECK_FUZZ)
  target_compile_options(shmcheck_host INTERFACE -fsanitize=fuzzer-no-link)
endif()

# {fmt} of Debian's headers, compiled once: header-only, each file would take three times as long.
find_package(fmt 9 REQUIRED)
add_library(shmcheck_fmt STATIC ${CMAKE_SOURCE_DIR}/cmake/fmt/format.cc)

# Reading headers takes longer than compiling most of our files, so several are compiled as one. Two files that
# give the same name to different things do not compile then: better names, or one thing in a header.
function(shmcheck_merge name count)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${count})
endfunction()

# What most files include of others' headers, read once for a library; more can be named.
function(shmcheck_headers name)
  target_precompile_headers(${name} PRIVATE <algorithm> <functional> <map> <set> <string> <vector> ${ARGN})
endfunction()

# For the binaries of tests, which share one compiled copy, and so the flags: what takes time is in the libraries.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "")
add_library(shmcheck_test_headers STATIC ${CMAKE_BINARY_DIR}/test_headers.cc)
target_link_libraries(shmcheck_test_headers PUBLIC shmcheck_host)
target_compile_options(shmcheck_test_headers PUBLIC -O0)
target_precompile_headers(shmcheck_test_headers PRIVATE <fmt/format.h> <gmock/gmock.h>
                          <gtest/gtest.h>)

function(shmcheck_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC shmcheck_host ${ARG_DEPENDS})
endfunction()

# The report lies where ci/results.awk looks for it, so that every single test is counted.
function(shmcheck_gtest name)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT GTEST_OUTPUT=xml:${CMAKE_BINARY_DIR}/results/${name}.xml)
endfunction()

function(shmcheck_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE shmcheck_test_headers ${ARG_DEPENDS} gtest gmock gtest_main pthread)
  target_precompile_headers(${name} REUSE_FROM shmcheck_test_headers)
  shmcheck_gtest(${name} ${name})
endfunction()

function(shmcheck_guest name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE shmcheck_warnings ${ARG_DEPENDS})
  target_link_options(${name} PRIVATE -static -no-pie)
endfunction()
