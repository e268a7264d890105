/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of cli share. */
#pragma once

#include "base/glib/cli.h"

/* One option as it was given. */
struct weft_cli_value {
	const struct weft_cli_option *option;
	bool set;         /* on the command line */
	GPtrArray *texts; /* const char *, borrowed from argv or the table; NULL-terminated */
	int64_t number;   /* INT, DURATION, SIZE, ENUM; of the last text */
};

struct weft_cli {
	const struct weft_cli_program *program;
	const struct weft_cli_command *command;
	GString *path; /* words of the command so far */
	FILE *in, *out, *err;
	int tty;
	void *user;
	GArray *values;  /* struct weft_cli_value, every option that may be given */
	GPtrArray *args; /* const char *, borrowed from argv */
	bool progress;   /* a line of progress stands on the terminal */
};

/* Options that every program has, and those that a command has by its flags. */
extern const struct weft_cli_option weft_cli_common_options[];
const struct weft_cli_option *weft_cli_flag_options(const struct weft_cli_command *command,
						    unsigned i);

/* Calls @each with the options of @command (NULL: only the program's), own ones first. */
typedef void (*WeftCliOptionFunc)(const struct weft_cli_option *option, void *user);
void weft_cli_each_option(const struct weft_cli_program *program,
			  const struct weft_cli_command *command,
			  bool common,
			  WeftCliOptionFunc each,
			  void *user);

/* "URL", "DURATION", "auto|always|never"; NULL for a flag. g_free. */
char *weft_cli_placeholder(const struct weft_cli_option *option);

/* "NAME [ROUTE...]" with a leading space, or "". g_free. */
char *weft_cli_args_synopsis(const struct weft_cli_command *command);

/* True if @path is the first words of @command's. */
bool weft_cli_path_begins(const struct weft_cli_command *command, const char *path);

/* Parses all words behind the program's name. Returns -1 if a command is to be run, else the exit
 * code, with everything said. */
int weft_cli_parse(WeftCli *cli, int argc, char **argv);

/* True if there is such an option and it was given. */
bool weft_cli_given(const WeftCli *cli, const char *name);

struct weft_cli_value *weft_cli_find_value(const WeftCli *cli, const char *name);
