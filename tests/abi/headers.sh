#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# headers.sh INCLUDE_DIR: each public header stands alone, twice over, in C11 and C++17.
set -u
include=$1
bad=0
tried=0
try() {
	command -v "$1" >/dev/null || return 0
	tried=$((tried + 1))
	compiler=$1
	language=$2
	shift 2
	printf '#include <weir/%s>\n#include <weir/%s>\nint main(%s) { return 0; }\n' \
		"$header" "$header" void |
		"$compiler" -x "$language" "$@" -pedantic -Wall -Wextra -Wshadow \
			-Wconversion -Werror -I"$include" -fsyntax-only - || {
		echo "$header: $compiler $*" >&2
		bad=$((bad + 1))
	}
}
for path in "$include"/weir/*.h; do
	header=${path##*/}
	try gcc c -std=c11 -Wstrict-prototypes
	try clang c -std=c11 -Wstrict-prototypes
	try g++ c++ -std=c++17
	try clang++ c++ -std=c++17
done
echo "$tried compilations of headers, $bad failed"
[ "$tried" -gt 0 ] && [ "$bad" = 0 ]
