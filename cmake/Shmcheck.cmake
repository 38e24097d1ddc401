# Flags and helpers that every room uses.
#
#   shmcheck_library(NAME SOURCES… DEPENDS …)    host-side static library, sanitized when a preset asks for it
#   shmcheck_test(NAME SOURCES… DEPENDS …)       host-side GoogleTest binary, registered with CTest
#   shmcheck_gtest(NAME ARGUMENT…)               registers a GoogleTest binary, or a script around one, with CTest
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
if(SHMCHECK_FUZZ)
  target_compile_options(shmcheck_host INTERFACE -fsanitize=fuzzer-no-link)
endif()

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
  target_link_libraries(${name} PRIVATE shmcheck_host ${ARG_DEPENDS} gtest gmock gtest_main pthread)
  target_compile_options(${name} PRIVATE -O1)  # what takes time is in the libraries
  shmcheck_gtest(${name} ${name})
endfunction()

function(shmcheck_guest name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE shmcheck_warnings ${ARG_DEPENDS})
  target_link_options(${name} PRIVATE -static -no-pie)
endfunction()
