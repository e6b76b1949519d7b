# SPDX-License-Identifier: MIT OR Apache-2.0
# Writes the commit of the sources to a header, if it has changed.
execute_process(COMMAND git -C ${ROOT} rev-parse --short=12 HEAD
	OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
	RESULT_VARIABLE failed)
if(failed)
	set(commit unknown)
else()
	execute_process(COMMAND git -C ${ROOT} status --porcelain --untracked-files=no
		OUTPUT_VARIABLE changes ERROR_QUIET)
	if(changes)
		string(APPEND commit "-dirty")
	endif()
endif()
set(text "#define BENCH_COMMIT \"${commit}\"\n")
set(before "")
if(EXISTS ${OUT})
	file(READ ${OUT} before)
endif()
if(NOT before STREQUAL text)
	file(WRITE ${OUT} "${text}")
endif()
