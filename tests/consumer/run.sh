#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh CASE: SOURCE, BUILD, SCRATCH and LIBDIR come from the environment.
#
# Everything here happens in a prefix that was installed in one place and moved to another,
# as a user outside the tree: nothing is taken from the tree but these test programs.
set -eu
prefix=$SCRATCH/moved
here=$SOURCE/tests/consumer
export PKG_CONFIG_PATH="$prefix/$LIBDIR/pkgconfig"
unset LD_LIBRARY_PATH || true

fail() {
	echo "$*" >&2
	exit 1
}

# The program finds libweir in the moved prefix or, static, needs none.
runs() {
	LD_LIBRARY_PATH=$prefix/$LIBDIR "$1" || fail "$1 failed"
}
needs_shared() {
	readelf -d "$1" | grep -q 'NEEDED.*\[libweir\.so\.0\]' || fail "$1 is not linked to it"
}
needs_nothing() {
	! readelf -d "$1" | grep -q libweir || fail "$1 is linked to the shared library"
}

case $1 in
install)
	rm -rf "$SCRATCH"
	mkdir -p "$SCRATCH"
	cmake --install "$BUILD" --prefix "$SCRATCH/first" >"$SCRATCH/install.log"
	mv "$SCRATCH/first" "$prefix"
	for f in include/weir/weir.h include/weir/err.def "$LIBDIR/libweir.a" \
		"$LIBDIR/libweir.so.0" "$LIBDIR/pkgconfig/weir.pc" \
		"$LIBDIR/cmake/weir/weir-config.cmake" bin/weir; do
		[ -e "$prefix/$f" ] || fail "$f was not installed"
	done
	! grep -rlI "$SOURCE\|$SCRATCH/first" "$prefix" || fail "these name another place"
	;;
pkg_config)
	[ "$(pkg-config --variable=prefix weir | xargs realpath)" = "$prefix" ] ||
		fail "weir.pc did not move with its prefix"
	cc=$SCRATCH/pc
	gcc -std=c11 -Wall -Wextra -pedantic -Werror -o "$cc-c" "$here/hello.c" \
		$(pkg-config --cflags --libs weir)
	g++ -std=c++17 -Wall -Wextra -pedantic -Werror -o "$cc-cpp" "$here/hello.cpp" \
		$(pkg-config --cflags --libs weir)
	for program in "$cc-c" "$cc-cpp"; do
		needs_shared "$program"
		runs "$program"
	done
	;;
pkg_config_static)
	libs=$(pkg-config --static --libs weir | sed 's/-lweir/-l:libweir.a/')
	cc=$SCRATCH/pcs
	gcc -std=c11 -o "$cc-c" "$here/hello.c" $(pkg-config --cflags weir) $libs
	g++ -std=c++17 -o "$cc-cpp" "$here/hello.cpp" $(pkg-config --cflags weir) $libs
	for program in "$cc-c" "$cc-cpp"; do
		needs_nothing "$program"
		runs "$program"
	done
	;;
find_package)
	rm -rf "$SCRATCH/fp"
	cmake -S "$here" -B "$SCRATCH/fp" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
	cmake --build "$SCRATCH/fp" -j 2 >/dev/null
	for language in c cpp; do
		needs_shared "$SCRATCH/fp/${language}_weir"
		runs "$SCRATCH/fp/${language}_weir"
		needs_nothing "$SCRATCH/fp/${language}_weir_static"
		runs "$SCRATCH/fp/${language}_weir_static"
	done
	;;
subdirectory)
	# As a part of somebody else's project: no tests, no surprise in the output.
	rm -rf "$SCRATCH/sub"
	mkdir -p "$SCRATCH/sub"
	cat >"$SCRATCH/sub/CMakeLists.txt" <<-END
		cmake_minimum_required(VERSION 3.22)
		project(whole LANGUAGES C)
		add_subdirectory($SOURCE weir EXCLUDE_FROM_ALL)
		add_executable(whole $here/hello.c)
		target_link_libraries(whole PRIVATE weir::weir_static)
	END
	cmake -S "$SCRATCH/sub" -B "$SCRATCH/sub/b" -G Ninja >"$SCRATCH/sub/log"
	cmake --build "$SCRATCH/sub/b" -j 2 --target whole >>"$SCRATCH/sub/log"
	[ ! -e "$SCRATCH/sub/b/weir/tests" ] || fail "the tests came along"
	"$SCRATCH/sub/b/whole"
	;;
moved_command)
	said=$(env -i PATH=/nowhere "$prefix/bin/weir" version) || fail "bin/weir failed"
	echo "$said"
	version=$(pkg-config --modversion weir)
	case $said in
	*"$version"*) ;;
	*) fail "weir.pc says $version" ;;
	esac
	;;
*)
	fail "no case is called $1"
	;;
esac
