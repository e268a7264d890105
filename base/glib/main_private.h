/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of main share. */
#pragma once

#include "base/glib/main.h"

struct weft_main_options {
	const char *config; /* NULL: the default files */
	bool check_config;
	bool log_level_set;
	enum weft_log_level log_level;
};

/* True: go on. False: everything is said, end with @ret_code. */
bool weft_main_parse_options(const struct weft_main_daemon *daemon,
			     int argc,
			     char **argv,
			     struct weft_main_options *ret,
			     int *ret_code);

/* Exit code for an error of start(). */
int weft_main_exit_of(const GError *error);
