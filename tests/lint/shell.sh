#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Shell programs pass shellcheck. (SC2317 does not see functions called by a computed name.)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need "shell programs pass shellcheck" shellcheck shellcheck
{
	files '*.sh'
	files | with_shebang 'sh|bash|dash'
} | sort -u >"$found/files"
(cd "$tree" && xargs -r shellcheck -x -P SCRIPTDIR -e SC2317 -f gcc) <"$found/files" >"$found/shell" 2>&1
verdict "shell programs pass shellcheck ($(wc -l <"$found/files") files)" "$found/shell"

while IFS= read -r file; do
	case $(head -n 1 "$tree/$file") in
	'#!'*) [ -x "$tree/$file" ] || [ -f "$tree/tests/lint/manifest" ] || echo "$file has no run bit" ;;
	esac
done <"$found/files" >"$found/bits"
verdict "shell programs can be run" "$found/bits"
finish
