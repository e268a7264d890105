#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Python files compile.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

python=/usr/bin/python3
need "Python files compile" $python python3
{
	files '*.py'
	files | with_shebang 'python3'
} | sort -u >"$found/files"
cat >"$found/compile.py" <<'EOF'
import sys
import warnings
warnings.simplefilter("error")
for path in sys.stdin.read().splitlines():
    try:
        with open(path, "rb") as f:
            compile(f.read(), path, "exec")
    except (SyntaxError, ValueError) as e:
        print(f"{path}: {e}")
EOF
(cd "$tree" && $python "$found/compile.py") <"$found/files" >"$found/python" 2>&1
verdict "Python files compile ($(wc -l <"$found/files") files)" "$found/python"

(cd "$tree" && xargs -r grep -l '^#!/usr/bin/env python' /dev/null) <"$found/files" >"$found/env"
verdict "Python programs name Debian's interpreter" "$found/env"
finish
