#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Functions above 80 lines and files above 600 are named; above 120 and 1000 they are refused.
# sizes.exempt lists the tables and generated files that are not counted, each with its reason.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

exempt=$tree/tests/lint/sizes.exempt
[ -f "$exempt" ] || exempt=/dev/null
files '*.[ch]' '*.cc' '*.py' '*.sh' 'tools/*' | while IFS= read -r file; do
	grep -q "^$file " "$exempt" || printf '%s\n' "$file"
done >"$found/files"

(cd "$tree" && xargs -r wc -l <"$found/files") |
	awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }' >"$found/long-files"
grep '\.[ch]$' "$found/files" |
	(cd "$tree" && xargs -r awk -v MIN=80 -f "$lint_dir/sizes.awk") >"$found/long-functions"

awk '$2 > 1000' "$found/long-files" >"$found/refused-files"
awk '$NF > 120' "$found/long-functions" >"$found/refused-functions"
for kind in files functions; do
	sed 's/^/# long: /' "$found/long-$kind"
done
verdict "no file above 1000 lines" "$found/refused-files"
verdict "no function above 120 lines" "$found/refused-functions"

sed '/^#/d;/^$/d' "$exempt" | while read -r file reason; do
	[ -n "$reason" ] || echo "$file: no reason given"
	[ -f "$tree/$file" ] || echo "$file: no such file"
done >"$found/exempt"
verdict "exemptions exist and have a reason" "$found/exempt"
finish
