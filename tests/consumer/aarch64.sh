#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Library and command for aarch64, by Debian's cross compiler. Compiled and linked; nothing
# here can run it.
set -eu
if ! command -v aarch64-linux-gnu-gcc >/dev/null; then
	echo "skipped: no aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)"
	exit 77
fi
dir=$SCRATCH-aarch64
rm -rf "$dir"
cmake -S "$SOURCE" -B "$dir" -G Ninja -DCMAKE_SYSTEM_NAME=Linux \
	-DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc \
	-DCMAKE_BUILD_TYPE=Release -DWEIR_TESTS=OFF -DWEIR_BENCH=OFF -DWEIR_WERROR=ON >"$dir.log"
cmake --build "$dir" -j 2 --target weir weir_static weir_command >>"$dir.log" || {
	cat "$dir.log"
	exit 1
}
for file in lib/libweir.so.0 bin/weir; do
	aarch64-linux-gnu-readelf -h "$dir/$file" | grep -q 'Machine: *AArch64' || {
		echo "$file is not for aarch64"
		exit 1
	}
done
# This was a whole build, so it has said how large the result is.
grep '^libweir: [1-9][0-9]* KiB code' "$dir.log"
rm -rf "$dir"
