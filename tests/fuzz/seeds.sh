#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every fuzz target of the build accepts every seed of its corpus.
# shellcheck disable=SC2154 # the variables come from make's test environment
set -u
n=0
for target in $fuzz_targets; do
	n=$((n + 1))
	name=${target##*/}
	corpus=$top_srcdir/tests/fuzz/corpus/$name
	set -- "$corpus"/*
	if [ ! -f "$1" ]; then
		echo "not ok $n $name has no seed in tests/fuzz/corpus/$name"
	elif "$top_builddir/$target" "$@" >&2; then
		echo "ok $n $name accepts its $# seeds"
	else
		echo "not ok $n $name fails on a seed"
	fi
done
echo "1..$n"
