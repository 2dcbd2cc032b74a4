# temper_library(name SOURCES a.h a.cc ... [DEPENDS temper::x ...]): one floor, or one door of it.
# temper_test(path [SOURCES ...] [DEPENDS temper::x ...] [LABELS slow]): tests/<path>.cc as one ctest.

add_library(temper_warnings INTERFACE)
target_compile_options(temper_warnings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-unused-parameter>"
  "$<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-field-initializers>" $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # GCC 12 sees overlaps in std::string that are not there (bug 105651)
  "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>"
  "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${TEMPER_WERROR}>>:-Werror>")

# Reproducible arithmetic: a*b+c is fused only where a kernel says so.
add_library(temper_arithmetic INTERFACE)
target_compile_options(temper_arithmetic INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)

# For code that is no hot path: generated schemas, the command line, tests. Half the time to build.
add_library(temper_quick_build INTERFACE)
target_compile_options(temper_quick_build INTERFACE $<$<CONFIG:Release>:-O1>)

function(temper_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  set(compiled ${ARG_SOURCES})
  list(FILTER compiled INCLUDE REGEX "\\.(cc|cu)$")
  if(compiled)
    add_library(temper_${name} STATIC ${ARG_SOURCES})
    target_include_directories(temper_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
    target_link_libraries(temper_${name} PUBLIC ${ARG_DEPENDS} Threads::Threads
      PRIVATE $<BUILD_INTERFACE:temper_warnings> $<BUILD_INTERFACE:temper_arithmetic>)
  else()
    add_library(temper_${name} INTERFACE)
    target_include_directories(temper_${name} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
    target_link_libraries(temper_${name} INTERFACE ${ARG_DEPENDS} Threads::Threads)
  endif()
  add_library(temper::${name} ALIAS temper_${name})
endfunction()

function(temper_test path)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  string(REPLACE "/" "." target ${path})
  add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/${path}.cc ${ARG_SOURCES})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${ARG_DEPENDS} GTest::gmock GTest::gtest_main
    temper_warnings temper_arithmetic temper_quick_build)
  target_compile_definitions(${target} PRIVATE
    TEMPER_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data" TEMPER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${target} COMMAND ${target})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${target} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
