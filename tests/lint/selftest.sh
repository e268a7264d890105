#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Each lint fails on a small tree with one defect, names it, and passes the same tree without it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
spdx='SPDX-License-Identifier: GPL-3.0-or-later'
count=0

report() { # OK? NAME
	count=$((count + 1))
	if [ "$1" = 0 ]; then echo "ok $count $2"; else echo "not ok $count $2"; fi
}

put() { # FILE: from standard input
	mkdir -p "$(dirname "$work/tree/$1")"
	cat >"$work/tree/$1"
}

# A tree that every lint likes.
good_tree() {
	rm -rf "$work/tree"
	cp "$here/../../.clang-format" "$work/clang-format"
	put .clang-format <"$work/clang-format"
	put base/key.h <<-EOF
		/* $spdx */
		#pragma once

		#include <stdint.h>

		uint8_t weft_key_first(void);
	EOF
	put relayd/worker.c <<-EOF
		/* $spdx */
		#include "base/key.h"

		#include <openssl/ssl.h>
		#include <string.h>
	EOF
	put relayd/control.c <<-EOF
		/* $spdx */
		#include "base/glib/log.h"

		#include <glib.h>
	EOF
	put tools/hello.sh <<-EOF
		#!/bin/sh
		# $spdx
		echo "\$1"
	EOF
	chmod +x "$work/tree/tools/hello.sh"
	put tests/hello.py <<-EOF
		# $spdx
		print(1)
	EOF
	put man/weft.1 <<-EOF
		.\\" $spdx
		.Dd March 1, 2026
		.Dt WEFT 1
		.Os
		.Sh NAME
		.Nm weft
		.Nd mesh
		.Sh DESCRIPTION
		It meshes.
		.Sh EXIT STATUS
		Zero.
		.Sh SEE ALSO
		.Xr true 1
	EOF
	put units/weft-agent.service <<-EOF
		# $spdx
		[Unit]
		Description=Weft test unit
		[Service]
		ExecStart=/usr/sbin/weftd --config /etc/weft/agent.conf
		DynamicUser=yes
		CapabilityBoundingSet=
		PrivateDevices=yes
		PrivateNetwork=yes
		PrivateUsers=yes
		ProtectClock=yes
		ProtectControlGroups=yes
		ProtectHome=yes
		ProtectHostname=yes
		ProtectKernelLogs=yes
		ProtectKernelModules=yes
		ProtectKernelTunables=yes
		ProtectProc=invisible
		ProcSubset=pid
		RestrictNamespaces=yes
		RestrictRealtime=yes
		RestrictAddressFamilies=none
		LockPersonality=yes
		MemoryDenyWriteExecute=yes
		SystemCallArchitectures=native
		SystemCallFilter=@system-service
		SystemCallFilter=~@privileged @resources
		IPAddressDeny=any
		UMask=0077
	EOF
}

lint() { # LINT
	LINT_COMPILE="cc -std=gnu17 -Wall -Werror" top_builddir=$work \
		sh "$here/$1.sh" "$work/tree" >"$work/out" 2>&1
}

passes() { # LINT
	lint "$1"
	! grep -q '^not ok' "$work/out"
	result=$?
	[ $result = 0 ] || sed 's/^/# /' "$work/out"
	report $result "$1 passes a good tree"
}

# fails LINT RULE-PATTERN DEFECT: the tree holds the defect; then a good tree is put back.
fails() {
	lint "$1"
	if grep -q '# SKIP' "$work/out"; then
		count=$((count + 1))
		echo "ok $count $1 finds $3 $(grep -o '# SKIP.*' "$work/out" | head -n 1)"
	else
		grep -Eq "^not ok [0-9]+ .*($2)" "$work/out"
		result=$?
		[ $result = 0 ] || sed 's/^/# /' "$work/out"
		report $result "$1 finds $3"
	fi
	good_tree
}

lines() { # COUNT TEXT
	awk -v n="$1" -v text="$2" 'BEGIN { while (n-- > 0) print text }'
}

good_tree
for name in includes headers spdx format words sizes shell python man units; do
	passes $name
done

put relayd/worker.c <<EOF
#include "agent/peer.h"
EOF
fails includes 'rooms include' "a daemon that includes another"
put base/key.c <<EOF
#include "base/glib/log.h"
EOF
fails includes 'rooms include' "a lower room that includes an upper one"
put relayd/worker.c <<EOF
#include <glib.h>
EOF
fails includes 'rooms include' "a library outside its room"
put relayd/worker.c <<EOF
#include "../base/key.h"
EOF
fails includes 'rooms include' "a relative include"
put cellar/wine.c <<EOF
int weft_wine;
EOF
fails includes 'has its row' "a room without a row"

put base/box.h <<EOF
#pragma once
uint8_t *weft_box(void);
EOF
fails headers 'compiles alone' "a header that needs another"
put base/box.h <<EOF
extern int weft_box;
EOF
fails headers 'pragma once' "a header without its guard"

put base/box.c <<EOF
int weft_box;
EOF
fails spdx 'SPDX' "a file without its licence"
put base/box.c <<EOF
/* $spdx */
int  weft_box( void ) { return 1; }
EOF
fails format 'formatted' "an unformatted file"

note=TO
put base/box.c <<EOF
/* ${note}DO: later */
EOF
fails words 'for later' "a note for later"
place=wo
put docs/x.md <<EOF
See /${place}rk/main/x.
EOF
fails words 'one machine' "a path of one machine"
host=crates
put docs/x.md <<EOF
From ${host}.io
EOF
fails words 'registry' "a registry's host"
printf 'int weft_box; \n' | put base/box.c
fails words 'blanks' "a blank at a line end"

lines 1001 "int weft_box;" | put base/box.c
fails sizes 'file above 1000' "a file that is too long"
{
	printf 'int\nweft_box(void)\n{\n'
	lines 120 "	weft_box_step();"
	printf '}\n'
} | put base/box.c
fails sizes 'function above 120' "a function that is too long"
put tests/lint/sizes.exempt <<EOF
base/none.c
EOF
fails sizes 'exemptions' "an exemption without file and reason"
{
	printf 'int\nweft_box(void)\n{\n\t/* clang-format off */\n'
	lines 120 "	row,"
	printf '\t/* clang-format on */\n}\n'
} | put base/box.c
passes sizes
good_tree

put tools/hello.sh <<EOF
#!/bin/sh
echo \$1 \$(ls *)
EOF
fails shell 'shellcheck' "an unquoted variable"
chmod -x "$work/tree/tools/hello.sh"
fails shell 'can be run' "a program without its run bit"
put tests/hello.py <<EOF
print(1
EOF
fails python 'compile' "a syntax error in Python"
put tests/hello.py <<EOF
#!/usr/bin/env python3
EOF
fails python 'interpreter' "a Python program with any interpreter"

put man/weft.1 <<EOF
.Dd March 1, 2026
.Dt WEFT 1
.Os
.Sh NAME
.Nm weft
.Nd mesh
.Bl -tag
.It x
.Xx
.Sh EXIT STATUS
.Sh SEE ALSO
EOF
fails man 'mandoc' "a broken man page"
sed -i '/SEE ALSO/,$d' "$work/tree/man/weft.1"
fails man 'closing sections' "a man page without SEE ALSO"

echo 'PrivateTemp=yes' >>"$work/tree/units/weft-agent.service"
fails units 'verify' "an unknown key in a unit"
sed -i '/^Protect/d;/^Restrict/d;/^SystemCall/d' "$work/tree/units/weft-agent.service"
fails units 'closed' "a unit that is too open"
mv "$work/tree/units/weft-agent.service" "$work/tree/units/weft-other.service"
fails units 'closed' "a unit without a threshold"

echo "1..$count"
