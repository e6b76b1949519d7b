# SPDX-License-Identifier: MIT OR Apache-2.0
# One libweir from all rooms: the objects are compiled once and make the shared and the
# static library; weir_mutants is the same sources with faults and kill points compiled in,
# for the tests that need them.

get_property(_sources GLOBAL PROPERTY WEIR_SOURCES)
if(NOT _sources)
	message(STATUS "weir: no sources yet, the library is not built")
	return()
endif()

# What is left out, is left out whole: no source of it, no name.
set(_names "")
if(NOT WEIR_METRICS)
	list(FILTER _sources EXCLUDE REGEX
		"/(scheduler/(hist|roster|shown|stats)|bindings/c/roster)\\.c$")
	list(APPEND _names metrics)
endif()
if(NOT WEIR_TRACE)
	list(FILTER _sources EXCLUDE REGEX "/(scheduler|bindings/c)/trace\\.c$")
	list(APPEND _names trace)
endif()

add_library(weir_objects OBJECT ${_sources})
target_link_libraries(weir_objects PRIVATE weir_flags)
set_target_properties(weir_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)

add_library(weir SHARED $<TARGET_OBJECTS:weir_objects>)
add_library(weir_static STATIC $<TARGET_OBJECTS:weir_objects>)
add_library(weir::weir ALIAS weir)
add_library(weir::weir_static ALIAS weir_static)
foreach(lib weir weir_static)
	target_include_directories(${lib} INTERFACE
		$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
		$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
	target_link_libraries(${lib} PRIVATE $<BUILD_INTERFACE:weir_flags>)
	target_compile_definitions(${lib} INTERFACE
		"$<BUILD_INTERFACE:${WEIR_WITHOUT_DEFINES}>")
	set_target_properties(${lib} PROPERTIES OUTPUT_NAME weir LINKER_LANGUAGE C)
endforeach()
target_link_libraries(weir_static INTERFACE Threads::Threads)

# The version script is what is exported; tests/abi compares it with the headers. A name that
# an option can leave out is followed by a comment that names it.
set(_map ${PROJECT_SOURCE_DIR}/cmake/weir.map)
if(_names)
	string(REPLACE ";" "|" _names "${_names}")
	file(READ ${_map} _text)
	string(REGEX REPLACE "\t[a-z_]+; /\\* (${_names}) \\*/\n" "" _text "${_text}")
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_map})
	set(_map ${PROJECT_BINARY_DIR}/weir.map)
	file(CONFIGURE OUTPUT ${_map} CONTENT "${_text}" @ONLY)
endif()
set_target_properties(weir PROPERTIES
	VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${_map})
target_link_options(weir PRIVATE -Wl,--version-script=${_map})
if(NOT WEIR_SANITIZE AND NOT WEIR_FUZZ)
	target_link_options(weir PRIVATE -Wl,--no-undefined)
endif()

add_library(weir_mutants STATIC EXCLUDE_FROM_ALL ${_sources})
target_link_libraries(weir_mutants PRIVATE weir_flags INTERFACE Threads::Threads)
target_include_directories(weir_mutants INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(weir_mutants PUBLIC WR_MUTANTS=1 WR_POINTS=1)

include(ck)
weir_ck(weir weir_static weir_mutants)

# Each build that changes the library says how large it is.
add_custom_command(TARGET weir POST_BUILD
	COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/size.sh ${PROJECT_SOURCE_DIR}
		$<TARGET_FILE:weir>
	VERBATIM)
