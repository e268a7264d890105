#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A room includes only what includes.table allows it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

rooms=$(sed -n 's|^room \([a-z]*\):.*|\1|p' "$lint_dir/includes.table")
for room in $rooms; do
	files "$room/*.[ch]" "$room/*.cc"
done >"$found/files"
if [ -s "$found/files" ]; then
	(cd "$tree" && xargs awk -f "$lint_dir/includes.awk" "$lint_dir/includes.table") \
		<"$found/files" >"$found/includes" 2>&1
fi
verdict "rooms include only what the table allows" "$found/includes"

files '*/*.[ch]' | grep -v '^tests/' | sed 's|/[^/]*$||; s|/.*||' | sort -u | while read -r folder; do
	printf '%s\n' "$rooms" | grep -qx "$folder" || echo "$folder/ has no row in includes.table"
done >"$found/rows"
verdict "every room has its row" "$found/rows"
finish
