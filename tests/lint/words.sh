#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Nothing is left for later, and nothing speaks of the machine it was written on.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

files '*' >"$found/files"
look() { # PATTERN
	(cd "$tree" && tr '\n' '\0' <"$found/files" | xargs -0 -r grep -InE -e "$1" /dev/null) | cut -c1-160
}
# The brackets keep the patterns from finding themselves.
look '(^|[^[:alnum:]_])(T[O]DO|F[I]XME|X[X]X)([^[:alnum:]_]|$)' >"$found/later"
verdict "no notes for later" "$found/later"

look '(^|[^[:alnum:]._])/(w[o]rk|f[a]rm)/|/tmp/w[t]/|bash_j[o]bs|/h[o]me/[a-z]+/|\.p[y]env' >"$found/paths"
verdict "no paths of one machine" "$found/paths"

look 'deb\.d[e]bian\.org|proxy\.g[o]lang|pypi\.o[r]g|registry\.n[p]mjs|crates\.i[o]' >"$found/hosts"
verdict "no package registry's host" "$found/hosts"

look '[[:blank:]]+$' | grep -vE '^[^:]*\.(md|patch|diff|json|jsonl):' >"$found/blanks"
verdict "no blanks at line ends" "$found/blanks"
finish
