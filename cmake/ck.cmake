# SPDX-License-Identifier: MIT OR Apache-2.0
# weir_ck(<target>...): what bus/epoch.c needs of Concurrency Kit becomes a part of the
# library, so that libweir asks for the C library and nothing else. It is one object of
# libck.a; its names get our prefix, so that a program may use its own copy beside it. Where
# there is no libck.a for this machine, bus/epoch.c does without.

find_path(WEIR_CK_INCLUDE ck_epoch.h)
find_library(WEIR_CK_ARCHIVE NAMES libck.a)
mark_as_advanced(WEIR_CK_INCLUDE WEIR_CK_ARCHIVE)

if(WEIR_CK_INCLUDE AND WEIR_CK_ARCHIVE AND CMAKE_OBJCOPY AND CMAKE_NM AND CMAKE_AR)
	include(CheckCSourceCompiles)
	set(CMAKE_REQUIRED_INCLUDES ${WEIR_CK_INCLUDE})
	set(CMAKE_REQUIRED_LIBRARIES ${WEIR_CK_ARCHIVE})
	check_c_source_compiles("#include <ck_epoch.h>
		static ck_epoch_t e;
		int main(void) { ck_epoch_init(&e); return 0; }" WEIR_HAS_CK)
	unset(CMAKE_REQUIRED_INCLUDES)
	unset(CMAKE_REQUIRED_LIBRARIES)
endif()

if(WEIR_HAS_CK)
	set(_ck ${CMAKE_CURRENT_BINARY_DIR}/ck)
	file(MAKE_DIRECTORY ${_ck})
	execute_process(COMMAND ${CMAKE_AR} x ${WEIR_CK_ARCHIVE} ck_epoch.o
		WORKING_DIRECTORY ${_ck} RESULT_VARIABLE _rc)
	execute_process(COMMAND ${CMAKE_NM} -g --defined-only ck_epoch.o
		WORKING_DIRECTORY ${_ck} OUTPUT_VARIABLE _symbols)
	string(REGEX MATCHALL " T [a-z_]+" _symbols "${_symbols}")
	set(_renames "")
	set(_defines "/* Generated: our copy's names. */\n")
	foreach(_symbol IN LISTS _symbols)
		string(SUBSTRING ${_symbol} 3 -1 _name)
		string(APPEND _renames "${_name} wr_${_name}\n")
		string(APPEND _defines "#define ${_name} wr_${_name}\n")
	endforeach()
	file(WRITE ${_ck}/renames "${_renames}")
	file(WRITE ${_ck}/ck_names.h "${_defines}")
	execute_process(COMMAND ${CMAKE_OBJCOPY} --redefine-syms=renames ck_epoch.o
		wr_ck_epoch.o WORKING_DIRECTORY ${_ck} RESULT_VARIABLE _rc2)
	if(_rc OR _rc2)
		set(WEIR_HAS_CK FALSE)
	endif()
endif()

function(weir_ck)
	if(NOT WEIR_HAS_CK)
		message(STATUS "weir: libck.a was not found (libck-dev), what is exchanged"
			" while it is in use is freed at the end")
		return()
	endif()
	set(object ${CMAKE_CURRENT_BINARY_DIR}/ck/wr_ck_epoch.o)
	set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
	foreach(target ${ARGN})
		target_sources(${target} PRIVATE ${object})
	endforeach()
	set_source_files_properties(${PROJECT_SOURCE_DIR}/bus/epoch.c PROPERTIES
		COMPILE_DEFINITIONS WR_CK=1
		INCLUDE_DIRECTORIES "${WEIR_CK_INCLUDE};${CMAKE_CURRENT_BINARY_DIR}/ck")
endfunction()
