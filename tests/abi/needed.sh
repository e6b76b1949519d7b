#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# needed.sh LIBRARY: the library asks for the C library and for nothing else, and is found
# by its soname.
set -eu
others=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	grep -v '^libc\.so\|^ld-linux' || true)
soname=$(readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
echo "soname $soname, beside the C library: ${others:-nothing}"
[ -z "$others" ] && [ "$soname" = libweir.so.0 ]
