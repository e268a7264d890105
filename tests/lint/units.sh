#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Units say nothing to systemd-analyze verify (which exits 0 on an unknown key: any output is a
# failure), and stay below the exposure that units.table allows them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need "units pass systemd-analyze verify" systemd-analyze systemd
mkdir "$found/units"
files 'units/*.service' 'units/*.socket' 'units/*.timer' 'units/*.target' \
	'units/*.service.in' 'units/*.socket.in' | while IFS= read -r file; do
	name=$(basename "$file" .in)
	# Our programs need not be installed: what starts is not what is checked.
	sed -E 's#^(Exec[A-Za-z]+=[-@:+!]*)(@[a-z]+@|/usr/s?bin|/usr/libexec)[^ ]*#\1/bin/true#' \
		"$tree/$file" >"$found/units/$name"
done
for unit in "$found"/units/*; do
	[ -f "$unit" ] || continue
	SYSTEMD_UNIT_PATH="$found/units:" systemd-analyze verify --man=no --recursive-errors=no "$unit" 2>&1 |
		sed "s|$found/||g"
done >"$found/verify"
verdict "units pass systemd-analyze verify" "$found/verify"

for unit in "$found"/units/*.service; do
	[ -f "$unit" ] || continue
	name=${unit##*/}
	threshold=$(awk -v unit="$name" '$1 == unit { print $2 }' "$lint_dir/units.table")
	if [ -z "$threshold" ]; then
		echo "$name has no row in units.table"
	elif ! systemd-analyze security --offline=true --no-pager --threshold="$threshold" "$unit" \
		>"$found/security" 2>&1; then
		echo "$name is more exposed than $threshold tenths:"
		tail -n 1 "$found/security"
	fi
done >"$found/exposed"
verdict "units are as closed as units.table says" "$found/exposed"
finish
