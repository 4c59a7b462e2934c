# What `cmake --install` puts where. Two components: `hwenroll`, and `scep-lab-ca`, which is for labs and needs nothing of
# the other. Files that people read or that other programs look for are taken as they are in the checkout.
#
# DESTDIR goes before all of it; under the prefix /usr configuration is in /etc (GNUInstallDirs).
set(HWENROLL_UNIT_DIR "lib/systemd/system" CACHE STRING "where systemd's units go")
set(HWENROLL_ZSH_DIR "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" CACHE STRING "where completions for zsh go")
set(documents "${CMAKE_INSTALL_DATADIR}/doc")

# hwenroll_install(PATTERNS … DESTINATION dir [COMPONENT name]): what there is of these files.
function(hwenroll_install)
  cmake_parse_arguments(arg "" "DESTINATION;COMPONENT" "PATTERNS" ${ARGN})
  if(NOT arg_COMPONENT)
    set(arg_COMPONENT hwenroll)
  endif()
  list(TRANSFORM arg_PATTERNS PREPEND "${PROJECT_SOURCE_DIR}/")
  file(GLOB files CONFIGURE_DEPENDS ${arg_PATTERNS})
  if(files)
    install(FILES ${files} DESTINATION "${arg_DESTINATION}" COMPONENT ${arg_COMPONENT})
  endif()
endfunction()

# hwenroll_install_as(SOURCE DESTINATION NAME): the same for one that has another name there.
function(hwenroll_install_as source destination name)
  file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${source}")
  if(found)
    install(FILES "${found}" DESTINATION "${destination}" RENAME "${name}" COMPONENT hwenroll)
  endif()
endfunction()

install(TARGETS hwenrolld RUNTIME DESTINATION "${CMAKE_INSTALL_SBINDIR}" COMPONENT hwenroll)
install(TARGETS hwenroll RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT hwenroll)
install(TARGETS hwenroll-token RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/hwenroll" COMPONENT hwenroll)
if(TARGET hwenroll-hook)
  install(TARGETS hwenroll-hook RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/hwenroll" COMPONENT hwenroll)
endif()

if(HWENROLL_SYSTEMD)
  # Units say where their programs are. The agent must be able to tell systemd that it is ready (Type=notify).
  file(GLOB units CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/systemd/*.service" "${PROJECT_SOURCE_DIR}/systemd/*.socket"
    "${PROJECT_SOURCE_DIR}/systemd/*.timer" "${PROJECT_SOURCE_DIR}/systemd/*.path"
    "${PROJECT_SOURCE_DIR}/systemd/*.target")
  foreach(unit ${units})
    get_filename_component(name "${unit}" NAME)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${unit}")
    file(READ "${unit}" text)
    string(REPLACE "/usr/sbin/" "${CMAKE_INSTALL_FULL_SBINDIR}/" text "${text}")
    string(REPLACE "/usr/libexec/" "${CMAKE_INSTALL_FULL_LIBEXECDIR}/" text "${text}")
    string(REPLACE "=/usr/bin/hwenroll" "=${CMAKE_INSTALL_FULL_BINDIR}/hwenroll" text "${text}")
    string(REPLACE "file:///usr/share/doc/" "file://${CMAKE_INSTALL_FULL_DATADIR}/doc/" text "${text}")
    file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/units/${name}" CONTENT "${text}" @ONLY)
    install(FILES "${CMAKE_BINARY_DIR}/units/${name}" DESTINATION "${HWENROLL_UNIT_DIR}" COMPONENT hwenroll)
  endforeach()
  file(GLOB drop_ins CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/systemd/*.d")
  foreach(drop_in ${drop_ins})
    install(DIRECTORY "${drop_in}" DESTINATION "${HWENROLL_UNIT_DIR}" COMPONENT hwenroll FILES_MATCHING PATTERN "*.conf")
  endforeach()

  hwenroll_install_as(systemd/hwenroll.sysusers lib/sysusers.d hwenroll.conf)
  hwenroll_install_as(systemd/hwenroll.tmpfiles lib/tmpfiles.d hwenroll.conf)
  hwenroll_install(PATTERNS systemd/catalog/*.catalog systemd/*.catalog DESTINATION lib/systemd/catalog)
endif()
hwenroll_install_as(systemd/apparmor.hwenrolld "${CMAKE_INSTALL_FULL_SYSCONFDIR}/apparmor.d" usr.sbin.hwenrolld)

foreach(section 1 5 8)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${section}")
  foreach(page ${pages})
    set(component hwenroll)
    if(page MATCHES "/scep-lab-ca\\.")
      set(component scep-lab-ca)
    endif()
    install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}" COMPONENT ${component})
  endforeach()
endforeach()

hwenroll_install_as(agent/cli/completion/hwenroll.bash
  "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" hwenroll)
hwenroll_install(PATTERNS agent/cli/completion/_hwenroll DESTINATION "${HWENROLL_ZSH_DIR}")
hwenroll_install(PATTERNS agent/cli/completion/hwenroll.fish
  DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")

hwenroll_install(PATTERNS agent/control/*.varlink DESTINATION "${CMAKE_INSTALL_DATADIR}/varlink")

# What its users read; the rest of docs is for those who change the project.
file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.md")
list(FILTER pages EXCLUDE REGEX
  "/(abilities|building|faults|fuzzing|lab-ca|performance|scep-conformance|simulation|state-machine|test-runs)\\.md$")
install(FILES README.md SECURITY.md ${pages} DESTINATION "${documents}/hwenroll" COMPONENT hwenroll)
hwenroll_install(PATTERNS docs/examples/*.toml DESTINATION "${documents}/hwenroll/examples")
install(DIRECTORY docs/examples/ansible DESTINATION "${documents}/hwenroll/examples" COMPONENT hwenroll)
install(DIRECTORY docs/monitoring DESTINATION "${documents}/hwenroll" COMPONENT hwenroll)

if(TARGET scep-lab-ca)
  install(TARGETS scep-lab-ca RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT scep-lab-ca)
  hwenroll_install(PATTERNS docs/lab-ca.md DESTINATION "${documents}/scep-lab-ca" COMPONENT scep-lab-ca)
endif()
