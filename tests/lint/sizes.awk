# SPDX-License-Identifier: GPL-3.0-or-later
# Prints "FILE:LINE: NAME LINES" of each function longer than MIN lines. In our format a function
# begins with its name in the first column, its body is between a lone { and a lone }, and what is
# fenced off for the formatter is a table.
FNR == 1 { name = ""; body = fence = fenced = 0 }
/clang-format off/ { fence = 1 }
/clang-format on/ { fence = 0 }
/^[a-zA-Z_][a-zA-Z0-9_]*\(/ { name = $0; sub(/\(.*/, "", name); start = FNR }
/^[{]$/ && name != "" { body = 1; fenced = 0 }
body && fence { fenced++ }
/^[}]$/ && body {
	lines = FNR - start + 1 - fenced
	if (lines > MIN)
		print FILENAME ":" start ": " name "() " lines
	body = 0
	name = ""
}
