/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client versions as they gate features (protocol.md 2.7). */
#pragma once

#include <stdbool.h>

/* True if @version (dotted, without v; a pre-release suffix is ignored) is at least major.minor.0,
 * or names a development build ("development", "dev-...", "ci-..."), which supports everything.
 * False for text that is no version. */
bool mgmt_version_at_least(const char *version, unsigned major, unsigned minor, unsigned patch);
