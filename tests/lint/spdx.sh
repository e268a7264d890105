#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every file that can hold a comment names its licence in the first two lines.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

files '*' | while IFS= read -r file; do
	case $file in
	COPYING | tests/lint/manifest) continue ;;
	*.json | *.jsonl | *.bin | *.hex | *.pcap | *.pem | *.png | *.svg | *.ico | *.der) continue ;;
	tests/fuzz/corpus/* | tests/vectors/*) continue ;;
	esac
	head -n 2 "$tree/$file" | tr -d '\0' |
		grep -q 'SPDX-License-Identifier: GPL-3\.0-or-later' || echo "$file"
done >"$found/spdx"
verdict "every file begins with its SPDX line" "$found/spdx"
finish
