#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Man pages, those of the tree and those the build made, pass mandoc's lint and end as readers expect.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need "man pages pass mandoc -Tlint" mandoc mandoc
{
	files 'man/*.[1-8]' | sed "s|^|$tree/|"
	[ $# -gt 0 ] || find "${top_builddir:-$tree}/man" -name '*.[1-8]' -type f 2>/dev/null
} | sort -u >"$found/pages"
xargs -r mandoc -Tlint -W warning <"$found/pages" >"$found/man" 2>&1
verdict "man pages pass mandoc -Tlint ($(wc -l <"$found/pages") pages)" "$found/man"

while IFS= read -r page; do
	grep -qi '^\.Sh "*SEE ALSO' "$page" || echo "$page: no SEE ALSO"
	case $page in *.[18]) grep -qi '^\.Sh "*EXIT STATUS' "$page" || echo "$page: no EXIT STATUS" ;; esac
done <"$found/pages" >"$found/sections"
verdict "man pages have their closing sections" "$found/sections"
finish
