# SPDX-License-Identifier: MIT OR Apache-2.0

# weir_sources(<pattern>...): adds the calling room's sources to libweir. An empty room adds
# nothing and breaks nothing.
function(weir_sources)
	list(TRANSFORM ARGV PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
	file(GLOB found CONFIGURE_DEPENDS ${ARGV})
	set_property(GLOBAL APPEND PROPERTY WEIR_SOURCES ${found})
endfunction()

# weir_test(<suite>/<name> COMMAND <command>... [LABELS <label>...] [TIMEOUT <seconds>]
#           [ENV <name=value>...] [SERIAL]): one ctest entry; exit 77 says skipped.
function(weir_test name)
	cmake_parse_arguments(T "SERIAL" "TIMEOUT" "COMMAND;LABELS;ENV" ${ARGN})
	if(NOT T_TIMEOUT)
		set(T_TIMEOUT 300)
	endif()
	add_test(NAME ${name} COMMAND ${T_COMMAND})
	set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${T_TIMEOUT})
	if(T_LABELS)
		set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}")
	endif()
	if(T_ENV)
		set_tests_properties(${name} PROPERTIES ENVIRONMENT "${T_ENV}")
	endif()
	if(T_SERIAL)
		set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
	endif()
endfunction()

# weir_discover_tests(<target>): after each build asks the program for its tests
# (--list-ctest), so each of them is a ctest entry of its own.
function(weir_discover_tests target)
	set(list ${CMAKE_CURRENT_BINARY_DIR}/${target}.list.cmake)
	set(include ${CMAKE_CURRENT_BINARY_DIR}/${target}.ctest.cmake)
	add_custom_command(TARGET ${target} POST_BUILD
		COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${target}> -DOUT=${list}
			-P ${PROJECT_SOURCE_DIR}/cmake/discover.cmake
		BYPRODUCTS ${list} VERBATIM)
	file(WRITE ${include} "if(EXISTS \"${list}\")\n\tinclude(\"${list}\")\nelse()\n"
		"\tadd_test(${target}/built ${target}-is-not-built)\nendif()\n")
	set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include})
endfunction()
