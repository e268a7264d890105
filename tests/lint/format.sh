#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# C files are as clang-format 14 leaves them ("make format" does it).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

rule="C files are formatted"
formatter=
for candidate in clang-format-14 clang-format; do
	if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then
		formatter=$candidate
		break
	fi
done
if [ -z "$formatter" ]; then
	skip "$rule" "no clang-format 14 (package clang-format-14)"
	finish
	exit 0
fi
(cd "$tree" && files '*.[ch]' '*.cc' |
	xargs -r -n 16 -P 2 "$formatter" --dry-run --Werror --style=file) >"$found/out" 2>&1 ||
	{ grep ': error: ' "$found/out" || cat "$found/out"; } | head -n 40 >"$found/format"
verdict "$rule" "$found/format"
finish
