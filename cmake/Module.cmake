# hwenroll_module(NAME SOURCES … USES … LIBRARIES …)
# One library for one module of docs/architecture.md. USES are other modules, LIBRARIES are packages;
# both are linked PRIVATE unless listed after PUBLIC_LIBRARIES / PUBLIC_USES because their headers appear in ours.
function(hwenroll_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PUBLIC_USES;LIBRARIES;PUBLIC_LIBRARIES" ${ARGN})
  add_library(hwenroll_${name} STATIC ${arg_SOURCES})
  # With "::" CMake refuses a module that is not there; without, it would look for a library of that name.
  add_library(hwenroll::${name} ALIAS hwenroll_${name})
  target_include_directories(hwenroll_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(hwenroll_${name} PRIVATE hwenroll_flags ${arg_LIBRARIES} PUBLIC ${arg_PUBLIC_LIBRARIES})
  foreach(used ${arg_USES})
    target_link_libraries(hwenroll_${name} PRIVATE hwenroll::${used})
  endforeach()
  foreach(used ${arg_PUBLIC_USES})
    target_link_libraries(hwenroll_${name} PUBLIC hwenroll::${used})
  endforeach()
  hwenroll_precompiled(hwenroll_${name} hwenroll_module_headers)
endfunction()

# What most modules include first, precompiled once. A library with fmt, since its options must be those of the modules.
function(hwenroll_module_headers)
  file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/module_headers.cpp" CONTENT "")
  add_library(hwenroll_module_headers STATIC "${CMAKE_CURRENT_BINARY_DIR}/module_headers.cpp")
  target_link_libraries(hwenroll_module_headers PRIVATE hwenroll_flags fmt::fmt tl::expected)
  target_precompile_headers(hwenroll_module_headers PRIVATE <algorithm> <chrono> <fmt/format.h> <functional> <map>
    <memory> <optional> <span> <string> <string_view> <tl/expected.hpp> <utility> <variant> <vector>)
endfunction()

# The headers that the target `headers` has precompiled, where they are.
function(hwenroll_precompiled name headers)
  if(TARGET ${headers})
    target_precompile_headers(${name} REUSE_FROM ${headers})
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
endfunction()

# hwenroll_program(NAME SOURCES … USES … LIBRARIES …): an executable in build/<preset>/bin.
function(hwenroll_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hwenroll_flags ${arg_LIBRARIES})
  foreach(used ${arg_USES})
    target_link_libraries(${name} PRIVATE hwenroll::${used})
  endforeach()
endfunction()

include(GoogleTest)

# What nearly every test includes first, precompiled once. A program, since its options must be those of the tests.
function(hwenroll_test_headers)
  file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/test_headers.cpp" CONTENT "")
  add_executable(hwenroll_test_headers "${CMAKE_CURRENT_BINARY_DIR}/test_headers.cpp")
  target_link_libraries(hwenroll_test_headers
    PRIVATE hwenroll_flags GTest::gmock GTest::gtest GTest::gtest_main fmt::fmt tl::expected)
  target_precompile_headers(hwenroll_test_headers
    PRIVATE <gmock/gmock.h> <gtest/gtest.h> <chrono> <filesystem> <fmt/format.h> <functional> <map> <string>
    <tl/expected.hpp> <vector>)
endfunction()

# hwenroll_test(NAME SOURCES … USES … LIBRARIES … [LABELS …] [TIMEOUT seconds] [ALONE | WHOLE] [SUITE name INSTANCES …]):
# a GoogleTest program, one ctest test for each TEST in it. ALONE: no other test runs at the same time. WHOLE: one ctest
# test for the program, whose tests share what is slow to read or to make, or are many and quick. Those that are called DISABLED_… are for
# ./test.sh --soak, which names them. SUITE: the program has this parameterised suite
# alone, and one ctest test for each of its INSTANCES, whose tests share what is slow to make.
function(hwenroll_test name)
  cmake_parse_arguments(arg "ALONE;WHOLE" "TIMEOUT;SUITE" "SOURCES;USES;LIBRARIES;LABELS;DEPENDS;INSTANCES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hwenroll_flags GTest::gmock GTest::gtest GTest::gtest_main ${arg_LIBRARIES})
  foreach(used ${arg_USES})
    target_link_libraries(${name} PRIVATE hwenroll::${used})
  endforeach()
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  hwenroll_precompiled(${name} hwenroll_test_headers)
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT})
  if(arg_LABELS)
    list(APPEND properties LABELS ${arg_LABELS})
  endif()
  if(arg_ALONE)
    list(APPEND properties RUN_SERIAL TRUE)
  endif()
  if(arg_WHOLE)
    add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES ${properties} FAIL_REGULAR_EXPRESSION "Running 0 tests")
    return()
  endif()
  if(NOT arg_SUITE)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER "-*DISABLED_*" PROPERTIES ${properties})
    return()
  endif()
  foreach(instance ${arg_INSTANCES})
    add_test(NAME "${arg_SUITE}.${instance}" COMMAND ${name} "--gtest_filter=${instance}/*")
    set_tests_properties("${arg_SUITE}.${instance}" PROPERTIES ${properties}
      SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]" FAIL_REGULAR_EXPRESSION "Running 0 tests")
  endforeach()
  list(JOIN arg_INSTANCES "/*:" listed)
  add_test(NAME "${arg_SUITE}.no_other_instance" COMMAND ${name} "--gtest_filter=-${listed}/*")
  set_tests_properties("${arg_SUITE}.no_other_instance" PROPERTIES ${properties}
    PASS_REGULAR_EXPRESSION "Running 0 tests")
endfunction()
