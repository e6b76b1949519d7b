#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# size.sh ROOT [LIBRARY]: lines, structs and functions of C per room, and the size of the
# library. A line counts if it holds more than white space and comment.
set -eu
root=$1
lib=${2-}
cd "$root"

count() {
	# shellcheck disable=SC2086
	awk -v room="$1" '
	function code(s,   out, i, c, two) {
		out = ""
		for (i = 1; i <= length(s); i++) {
			c = substr(s, i, 1)
			two = substr(s, i, 2)
			if (inside) {
				if (two == "*/") { inside = 0; i++ }
			} else if (two == "/*") {
				inside = 1
				i++
			} else if (two == "//") {
				break
			} else {
				out = out c
			}
		}
		return out
	}
	FNR == 1 { inside = 0; files++ }
	{
		text = code($0)
		if (text ~ /[^ \t]/)
			lines++
		if (text ~ /^(typedef )?struct [A-Za-z_0-9]* *{/)
			structs++
		if (text ~ /^{/)
			functions++
	}
	END {
		printf "%-12s %5d %7d %8d %10d\n", room, files, lines, structs, functions
	}' $2
}

printf '%-12s %5s %7s %8s %10s\n' room files lines structs functions
for room in include conf bus scheduler transports protocols bindings tools; do
	files=$(find "$room" -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' \) |
		sort)
	if [ -n "$files" ]; then
		count "$room" "$files"
		all="${all-} $files"
	fi
done
if [ -n "${all-}" ]; then
	count total "$all"
fi
if [ -n "$lib" ]; then
	# What is loaded, which is what symbols and debug information are not part of.
	set -- $(size "$lib" | tail -n 1)
	printf 'libweir: %d KiB code and constants, %d KiB data\n' \
		$((($1 + 1023) / 1024)) $((($2 + $3 + 1023) / 1024))
fi
