# hwenroll_module(NAME SOURCES … USES … LIBRARIES …)
# One library for one module of docs/architecture.md. USES are other modules, LIBRARIES are packages;
# both are linked PRIVATE unless listed after PUBLIC_LIBRARIES / PUBLIC_USES because their headers appear in ours.
function(hwenroll_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PUBLIC_USES;LIBRARIES;PUBLIC_LIBRARIES" ${ARGN})
  add_library(hwenroll_${name} STATIC ${arg_SOURCES})
  target_include_directories(hwenroll_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(hwenroll_${name} PRIVATE hwenroll_flags ${arg_LIBRARIES} PUBLIC ${arg_PUBLIC_LIBRARIES})
  foreach(used ${arg_USES})
    target_link_libraries(hwenroll_${name} PRIVATE hwenroll_${used})
  endforeach()
  foreach(used ${arg_PUBLIC_USES})
    target_link_libraries(hwenroll_${name} PUBLIC hwenroll_${used})
  endforeach()
endfunction()

# hwenroll_program(NAME SOURCES … USES … LIBRARIES …): an executable in build/<preset>/bin.
function(hwenroll_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hwenroll_flags ${arg_LIBRARIES})
  foreach(used ${arg_USES})
    target_link_libraries(${name} PRIVATE hwenroll_${used})
  endforeach()
endfunction()

# hwenroll_test(NAME SOURCES … USES … LIBRARIES … [LABELS …] [TIMEOUT seconds] [ALONE]): a GoogleTest program,
# one ctest test for each TEST in it. ALONE: no other test runs at the same time. Those that
# are called DISABLED_… are for ./test.sh --soak, which names them.
include(GoogleTest)
function(hwenroll_test name)
  cmake_parse_arguments(arg "ALONE" "TIMEOUT" "SOURCES;USES;LIBRARIES;LABELS;DEPENDS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hwenroll_flags GTest::gmock GTest::gtest GTest::gtest_main ${arg_LIBRARIES})
  foreach(used ${arg_USES})
    target_link_libraries(${name} PRIVATE hwenroll_${used})
  endforeach()
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER "-*DISABLED_*"
                       PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}" RUN_SERIAL "${arg_ALONE}")
endfunction()
