# Warnings and hardening for every target of the project. A flag that the compiler does not know is left out
# (clang 14 rejects -ftrivial-auto-var-init=zero, for one), so each goes through check_cxx_compiler_flag.
include(CheckCXXCompilerFlag)
include(CheckPIESupported)
check_pie_supported()

add_library(hwenroll_flags INTERFACE)

function(hwenroll_flag flag)
  string(MAKE_C_IDENTIFIER "HWENROLL_HAS${flag}" known)
  check_cxx_compiler_flag("${flag}" ${known})
  if(${known})
    target_compile_options(hwenroll_flags INTERFACE "${flag}")
  endif()
endfunction()

foreach(flag -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Wformat=2
        -Woverloaded-virtual -Wnull-dereference -Wundef -Wvla)
  hwenroll_flag(${flag})
endforeach()
if(HWENROLL_WERROR)
  hwenroll_flag(-Werror)
endif()

# Only calls that OpenSSL has not deprecated, and only opaque structures: OpenSSL 4 has nothing else.
target_compile_definitions(hwenroll_flags INTERFACE OPENSSL_NO_DEPRECATED OPENSSL_API_COMPAT=30000)

foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fno-plt)
  hwenroll_flag(${flag})
endforeach()
# clang takes it for any processor, and then complains that it is unused.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)")
  hwenroll_flag(-mbranch-protection=standard)
endif()
if(NOT HWENROLL_SANITIZE)
  # Not with the sanitizers: g++ 12 then reports uses of uninitialised temporaries inside fmt that do not exist.
  hwenroll_flag(-ftrivial-auto-var-init=zero)
endif()
if(HWENROLL_SANITIZE)
  target_compile_options(hwenroll_flags INTERFACE -fsanitize=${HWENROLL_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(hwenroll_flags INTERFACE -fsanitize=${HWENROLL_SANITIZE})
else()
  # _FORTIFY_SOURCE needs optimisation, and hides accesses from the sanitizers.
  target_compile_options(hwenroll_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
                         $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()
if(HWENROLL_COVERAGE)
  set(CMAKE_REQUIRED_LINK_OPTIONS --coverage)
  check_cxx_compiler_flag(--coverage HWENROLL_HAS_COVERAGE)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  if(NOT HWENROLL_HAS_COVERAGE)
    message(FATAL_ERROR "HWENROLL_COVERAGE needs a compiler that knows --coverage")
  endif()
  target_compile_options(hwenroll_flags INTERFACE --coverage)
  target_link_options(hwenroll_flags INTERFACE --coverage)
  # Counters of threads are exact, not only roughly right, and files of parallel tests are merged under a lock.
  hwenroll_flag(-fprofile-update=atomic)
endif()
if(HWENROLL_FUZZ)
  set(CMAKE_REQUIRED_LINK_OPTIONS -fsanitize=fuzzer-no-link)
  check_cxx_compiler_flag(-fsanitize=fuzzer-no-link HWENROLL_HAS_FUZZER)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  if(NOT HWENROLL_HAS_FUZZER)
    message(FATAL_ERROR "HWENROLL_FUZZ needs clang with libFuzzer: cmake --preset fuzz")
  endif()
  target_compile_options(hwenroll_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(hwenroll_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

# GCC 12's optimiser reports dereferences inside libstdc++ and fmt that cannot happen, and at -O3 overlapping copies in
# std::string's operator+ (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(hwenroll_flags INTERFACE -Wno-null-dereference -Wno-error=maybe-uninitialized
                         -Wno-restrict)
endif()
