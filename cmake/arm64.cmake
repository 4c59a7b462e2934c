# Cross build for arm64 on a Debian of another architecture (preset arm64): crossbuild-essential-arm64 and the libraries
# as :arm64 packages. docs/building.md; tests/system/cross.sh does it in a tree of its own.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# Debian keeps the files of both architectures under one root; only pkg-config would take those of this machine.
set(ENV{PKG_CONFIG_LIBDIR} "/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig")

find_program(HWENROLL_ARM64_EMULATOR NAMES qemu-aarch64-static qemu-aarch64)
if(HWENROLL_ARM64_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${HWENROLL_ARM64_EMULATOR}")
endif()
