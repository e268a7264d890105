/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A table of commands that has everything, for the tests of cli and gendoc. */
#pragma once

#include "base/glib/cli.h"

extern const struct weft_cli_program sample_program;

/* What the last command saw. */
struct sample_seen {
	const struct weft_cli_command *command;
	GString *text;
};
