# SPDX-License-Identifier: MIT OR Apache-2.0
# Turns the lines "suite/test<TAB>timeout<TAB>label,label" of PROGRAM --list-ctest into the
# ctest entries of OUT. What is labelled alone runs beside no other test.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${PROGRAM} --list-ctest OUTPUT_VARIABLE lines RESULT_VARIABLE rc)
if(NOT rc EQUAL 0)
	message(FATAL_ERROR "${PROGRAM} --list-ctest: ${rc}")
endif()
string(REGEX MATCHALL "[^\n]+" lines "${lines}")
set(text "")
foreach(line IN LISTS lines)
	string(REGEX MATCH "^([^\t]+)\t([^\t]+)\t([^\t]*)$" _ "${line}")
	set(name "${CMAKE_MATCH_1}")
	set(timeout "${CMAKE_MATCH_2}")
	string(REPLACE "," ";" labels "${CMAKE_MATCH_3}")
	set(alone "")
	if("alone" IN_LIST labels)
		set(alone " RUN_SERIAL ON")
	endif()
	string(APPEND text "add_test([==[${name}]==] \"${PROGRAM}\" \"${name}\")\n"
		"set_tests_properties([==[${name}]==] PROPERTIES SKIP_RETURN_CODE 77"
		" TIMEOUT ${timeout} LABELS \"${labels}\"${alone})\n")
endforeach()
file(WRITE ${OUT} "${text}")
