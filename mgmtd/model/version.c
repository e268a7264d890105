/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/model/version.h"

#include <string.h>

/* Reads a decimal number of at most six digits; false if there is none. */
static bool
number(const char **p, unsigned *ret)
{
	unsigned v = 0;
	unsigned digits = 0;

	for (; **p >= '0' && **p <= '9' && digits < 6; (*p)++, digits++)
		v = v * 10 + (unsigned) (**p - '0');
	*ret = v;
	return digits > 0;
}

bool
mgmt_version_at_least(const char *version, unsigned major, unsigned minor, unsigned patch)
{
	const unsigned want[3] = { major, minor, patch };
	unsigned have[3] = { 0, 0, 0 };
	const char *p = version;

	if (strcmp(version, "development") == 0 || strncmp(version, "dev-", 4) == 0 ||
	    strncmp(version, "ci-", 3) == 0)
		return true;
	if (*p == 'v')
		p++;
	for (unsigned i = 0; i < 3; i++) {
		if (!number(&p, &have[i]))
			return false;
		if (*p != '.')
			break;
		p++;
	}
	for (unsigned i = 0; i < 3; i++)
		if (have[i] != want[i])
			return have[i] > want[i];
	return true;
}
