#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# compilers.sh aarch64 | clang | release: library and command without a warning, by Debian's
# cross compiler (compiled and linked; nothing here can run it), by clang, and by gcc as it
# is shipped.
set -eu
which=$1
case $which in
aarch64)
	cc=aarch64-linux-gnu-gcc
	machine=AArch64
	set -- -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64
	;;
clang)
	cc=clang
	machine=$(readelf -h /bin/sh | sed -n 's/.*Machine: *//p')
	set --
	;;
release)
	cc=gcc
	machine=$(readelf -h /bin/sh | sed -n 's/.*Machine: *//p')
	set -- -DCMAKE_C_FLAGS_RELEASE='-O3 -DNDEBUG'
	;;
*)
	echo "compilers.sh: what is '$which'?" >&2
	exit 2
	;;
esac
if ! command -v "$cc" >/dev/null; then
	echo "skipped: no $cc (./dev setup installs it)"
	exit 77
fi
dir=$SCRATCH-$which
rm -rf "$dir"
cmake -S "$SOURCE" -B "$dir" -G Ninja -DCMAKE_C_COMPILER="$cc" \
	-DCMAKE_BUILD_TYPE=Release -DWEIR_TESTS=OFF -DWEIR_BENCH=OFF -DWEIR_WERROR=ON \
	"$@" >"$dir.log"
cmake --build "$dir" -j 2 --target weir weir_static weir_command >>"$dir.log" || {
	cat "$dir.log"
	exit 1
}
for file in lib/libweir.so.0 bin/weir; do
	readelf -h "$dir/$file" | grep -qF "$machine" || {
		echo "$file is not for $machine"
		exit 1
	}
done
# This was a whole build, so it has said how large the result is.
grep '^libweir: [1-9][0-9]* KiB code' "$dir.log"
rm -rf "$dir"
