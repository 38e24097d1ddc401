# Code which names a clause that does not exist must not compile, and for that reason alone.

set(code ${CMAKE_CURRENT_LIST_DIR}/names_test.cc)

function(compile name result_variable)
  execute_process(COMMAND ${COMPILER} -std=gnu++20 -fsyntax-only -I${SOURCE_DIR} -I${BINARY_DIR}
                          -DCLAUSE_NAME=${name} ${code}
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(${result_variable} "${result}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

compile(mmap_create_len_zero result)
if(NOT result STREQUAL "0")
  message(FATAL_ERROR "naming a clause does not compile (${result}):\n${output}")
endif()

compile(mmap_create_len_zer0 result)
if(result STREQUAL "0")
  message(FATAL_ERROR "naming a clause that does not exist compiles")
endif()
if(NOT output MATCHES "error: [^\n]*mmap_create_len_zer0")
  message(FATAL_ERROR "the compiler failed for another reason (${result}):\n${output}")
endif()
