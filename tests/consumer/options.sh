#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# options.sh: P6. Built without its options the library has none of their names, in neither
# form, hides their calls, and works; and the names are there in the build that has them, so
# that this asks for the right ones. SOURCE, BUILD and SCRATCH come from the environment.
set -eu
dir=$SCRATCH-options
prefix=$dir/prefix
# What each option brings: its own names and all that serve nothing else.
metrics='wr_stats_[a-z_]+|wr_hist_[a-z_]+|weir_loop_get_stats(_of)?|weir_sub_get_turns'
metrics="$metrics|wr_(roster|shown|latency)_[a-z_]+|weir_measure|weir_look_(roster|loops|at)"
trace='(wr|weir|wr_crew)_trace[a-z_]*'

fail() {
	echo "$*" >&2
	exit 1
}

rm -rf "$dir"
# Not optimised, so that nothing is gone only because the compiler saw no use of it.
cmake -S "$SOURCE" -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O0 \
	-DWEIR_TESTS=OFF -DWEIR_BENCH=OFF -DWEIR_WERROR=ON \
	-DWEIR_METRICS=OFF -DWEIR_TRACE=OFF >"$dir.log"
cmake --build "$dir" -j 2 --target weir weir_static >>"$dir.log" || {
	cat "$dir.log"
	exit 1
}
for names in "$metrics" "$trace"; do
	gone=" ($names)(@|\$)"
	nm "$BUILD/lib/libweir.a" | grep -Eq "$gone" || fail "no build has $names"
	if nm "$dir/lib/libweir.a" | grep -E "$gone"; then
		fail "these are in libweir.a"
	fi
	if nm -D "$dir/lib/libweir.so" | grep -E "$gone"; then
		fail "these are in libweir.so"
	fi
done

# As it is installed: its headers know.
mkdir -p "$prefix/include" "$prefix/lib"
cp -r "$SOURCE/include/weir" "$prefix/include/"
cp "$dir/options.h" "$prefix/include/weir/options.h"
for library in libweir.a libweir.so; do
	gcc -std=c11 -Wall -Wextra -Werror -I"$prefix/include" -o "$dir/without" \
		"$SOURCE/tests/consumer/without.c" "$dir/lib/$library" -pthread
	LD_LIBRARY_PATH=$dir/lib "$dir/without" || fail "with $library it does not work"
done
for option in METRICS TRACE; do
	grep -q "WEIR_$option 1" "$BUILD/options.h" || fail "the usual header hides it"
done
rm -rf "$dir"
