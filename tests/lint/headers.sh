#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every header compiles alone, with the compiler and the flags of the build (from its environment).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

compile=${LINT_COMPILE:-cc -std=gnu17 -Wall -Werror}
files '*.h' >"$found/headers"
cat >"$found/one" <<'EOF'
printf '#include "%s"\n#include "%s"\nextern int weft_lint_unused_;\n' "$1" "$1" |
	$LINT_COMPILE -fsyntax-only -x c -I "$tree" - >"$found/out.$$" 2>&1 ||
	{ echo "$1:"; head -n 8 "$found/out.$$"; } >>"$found/report"
EOF
export tree found
: >"$found/report"
# Not in the current folder, which an include of a text from standard input would see first.
(cd "$found" && LINT_COMPILE=$compile xargs -r -n 1 -P 2 sh "$found/one") <"$found/headers"
verdict "every header compiles alone ($(wc -l <"$found/headers") headers)" "$found/report"

while IFS= read -r header; do
	grep -q '^#pragma once$' "$tree/$header" || echo "$header has no #pragma once"
done <"$found/headers" >"$found/once"
verdict "every header says #pragma once" "$found/once"
finish
