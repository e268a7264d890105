# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the lints share. Each is started as "LINT.sh [TREE]", looks at the project's files below
# TREE and prints TAP. Findings of a rule are collected in a file; an empty one is a pass.
set -u
LC_ALL=C.UTF-8
export LC_ALL
lint_dir=$(cd "$(dirname "$0")" && pwd)
tree=${1:-${top_srcdir:-$lint_dir/../..}}
tree=$(cd "$tree" && pwd) || exit 1
found=$(mktemp -d) || exit 1
trap 'rm -rf "$found"' EXIT
count=0

files() {
	"$lint_dir/files" "$tree" "$@"
}

# verdict RULE FINDINGS
verdict() {
	count=$((count + 1))
	if [ -s "$2" ]; then
		sed 's/^/# /' "$2"
		echo "not ok $count $1"
	else
		echo "ok $count $1"
	fi
}

skip() { # RULE REASON
	count=$((count + 1))
	echo "ok $count $1 # SKIP $2"
}

finish() {
	echo "1..$count"
}

# Leaves the lint as one skipped test unless the program is there.
need() { # RULE PROGRAM PACKAGE
	command -v "$2" >/dev/null && return 0
	skip "$1" "no $2 (package $3)"
	finish
	exit 0
}

# Files in the list on standard input that start with "#!" and name one of the interpreters: those
# without a telling suffix.
with_shebang() { # PATTERN
	while IFS= read -r file; do
		case ${file##*/} in *.*) continue ;; esac
		head -n 1 "$tree/$file" 2>/dev/null | tr -d '\0' | grep -Eq "^#!.*/(env )?($1)( |\$)" &&
			printf '%s\n' "$file"
	done
}
