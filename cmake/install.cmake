# SPDX-License-Identifier: MIT OR Apache-2.0
# The prefix can be moved afterwards: everything in it finds the rest from where it is.

if(NOT TARGET weir)
	return()
endif()
include(CMakePackageConfigHelpers)

set(_cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
install(TARGETS weir weir_static EXPORT weir
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
	FILES_MATCHING PATTERN "*.h" PATTERN "*.def" PATTERN options.h EXCLUDE)
# The header that is installed says what this build has.
file(READ include/weir/options.h _options)
foreach(_option IN LISTS WEIR_WITHOUT)
	string(REPLACE "#define ${_option} 1" "#define ${_option} 0" _options "${_options}")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/options.h CONTENT "${_options}" @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/options.h
	DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir)
install(EXPORT weir NAMESPACE weir:: FILE weir-targets.cmake DESTINATION ${_cmakedir})
configure_package_config_file(cmake/weir-config.cmake.in
	${PROJECT_BINARY_DIR}/weir-config.cmake INSTALL_DESTINATION ${_cmakedir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weir-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weir-config.cmake
	${PROJECT_BINARY_DIR}/weir-config-version.cmake DESTINATION ${_cmakedir})

file(RELATIVE_PATH WEIR_PC_PREFIX
	/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/weir.pc.in ${PROJECT_BINARY_DIR}/weir.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weir.pc
	DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE-MIT LICENSE-APACHE DESTINATION ${CMAKE_INSTALL_DOCDIR})
