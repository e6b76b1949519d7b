# SPDX-License-Identifier: MIT OR Apache-2.0
# What can be switched, and the flags that follow from it: the target weir_flags carries
# them to everything that is built here, and to nothing outside.

option(WEIR_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(WEIR_BENCH "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(WEIR_METRICS "Count what consumers and loops do" ON)
option(WEIR_WERROR "Treat warnings as errors" OFF)
option(WEIR_MUTANTS "Compile the known faults in, each behind its own switch" OFF)
option(WEIR_POINTS "Compile the labelled points in at which a test can kill or stop" OFF)
set(WEIR_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
set(WEIR_FUZZ "" CACHE STRING "Fuzzing instrumentation, as for -fsanitize=")
option(WEIR_COVERAGE "Count what the tests reach" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
	set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

if(PROJECT_IS_TOP_LEVEL)
	set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
	set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
	set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
	set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
endif()

include(GNUInstallDirs)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

add_library(weir_flags INTERFACE)
target_include_directories(weir_flags INTERFACE
	${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_features(weir_flags INTERFACE c_std_11)
# The empty value is what a source gives it with #define _GNU_SOURCE, so both may.
target_compile_definitions(weir_flags INTERFACE _GNU_SOURCE=)
target_compile_options(weir_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion>
	-fno-semantic-interposition)
target_link_libraries(weir_flags INTERFACE Threads::Threads)

# include/weir/options.h says 1 where nobody says otherwise.
set(WEIR_WITHOUT "")
if(NOT WEIR_METRICS)
	list(APPEND WEIR_WITHOUT WEIR_METRICS)
endif()
list(TRANSFORM WEIR_WITHOUT APPEND "=0" OUTPUT_VARIABLE WEIR_WITHOUT_DEFINES)
target_compile_definitions(weir_flags INTERFACE ${WEIR_WITHOUT_DEFINES})

if(WEIR_WERROR)
	target_compile_options(weir_flags INTERFACE -Werror)
endif()
if(WEIR_MUTANTS)
	target_compile_definitions(weir_flags INTERFACE WR_MUTANTS=1)
endif()
if(WEIR_POINTS)
	target_compile_definitions(weir_flags INTERFACE WR_POINTS=1)
endif()
if(WEIR_SANITIZE)
	set(_san -fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer)
	if(WEIR_SANITIZE MATCHES undefined)
		list(APPEND _san -fno-sanitize-recover=undefined)
	endif()
	target_compile_options(weir_flags INTERFACE ${_san})
	target_link_options(weir_flags INTERFACE ${_san})
endif()
if(WEIR_SANITIZE MATCHES thread)
	target_compile_definitions(weir_flags INTERFACE WR_TSAN=1)
	# It cannot follow a fence; bus/atomic.h gives it accesses to follow instead.
	include(CheckCCompilerFlag)
	check_c_compiler_flag(-Wno-tsan WEIR_HAS_WNO_TSAN)
	if(WEIR_HAS_WNO_TSAN)
		target_compile_options(weir_flags INTERFACE -Wno-tsan)
	endif()
endif()
if(WEIR_FUZZ)
	target_compile_options(weir_flags INTERFACE -fsanitize=${WEIR_FUZZ})
	target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_FUZZ})
endif()
if(WEIR_COVERAGE)
	target_compile_options(weir_flags INTERFACE --coverage)
	target_link_options(weir_flags INTERFACE --coverage)
endif()
