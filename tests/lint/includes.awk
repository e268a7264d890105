# SPDX-License-Identifier: GPL-3.0-or-later
# awk -f includes.awk includes.table FILE...: prints each include that the table does not allow.

# The row that decides for a file: the longest that its path starts with.
function row_of(path,  best, r) {
	best = ""
	for (r in rows)
		if (index(path, r) == 1 && length(r) > length(best) &&
		    substr(path, length(r) + 1, 1) ~ /[\/.-]/)
			best = r
	return best
}

# The room that a path lies in: its first folder, and base/glib beside base.
function room_of(path) {
	if (index(path, "base/glib/") == 1)
		return "base/glib"
	return sub(/\/.*/, "", path) && (path in rows) ? path : ""
}

function library_of(header,  l, i, n, heads) {
	for (l in libraries) {
		n = split(libraries[l], heads, " ")
		for (i = 1; i <= n; i++)
			if (header == heads[i] || (heads[i] ~ /\/$/ && index(header, heads[i]) == 1))
				return l
	}
	return ""
}

function complain(why) {
	print FILENAME ":" FNR ": " $0 ": " why
}

function read_row(line,  path, words, n, i, kind) {
	sub(/^room /, "", line)
	path = line
	sub(/:.*/, "", path)
	sub(/^[^:]*:/, "", line)
	rows[path] = 1
	kind = "room"
	n = split(line, words, " ")
	for (i = 1; i <= n; i++) {
		if (words[i] == "+")
			kind = "library"
		else
			allowed[path, kind, words[i]] = 1
	}
}

FNR == 1 { table = NR == 1; row = row_of(FILENAME); room = room_of(FILENAME) }
table {
	if ($1 == "library") {
		name = $2
		$1 = $2 = ""
		libraries[name] = $0
	} else if ($1 == "room")
		read_row($0)
	next
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	target = room_of(part[2])
	if (target == "")
		complain("not of the form \"room/file.h\"")
	else if (target != room && !((row, "room", target) in allowed))
		complain(row " may not include " target)
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, part, /[<>]/)
	library = library_of(part[2])
	if (library != "" && !((row, "library", library) in allowed))
		complain(row " may not use " library)
}
