/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Command line programs out of one table of commands: parsing, help, bash completion and man page
 * fragments (base/glib/gendoc.h) all come from it.
 *
 *	static const struct weft_cli_option up_options[] = {
 *		{ "management-url", WEFT_CLI_STRING, .arg = "URL", .help = "Server to join." },
 *		{ "timeout", WEFT_CLI_DURATION, .def = "30s", .help = "How long to wait." },
 *		{ NULL } };
 *	static const struct weft_cli_arg peer_args[] = {
 *		{ "NAME", .complete = "peer", .help = "Peer." }, { NULL } };
 *	static const struct weft_cli_command commands[] = {
 *		{ "up", "Join the network", .options = up_options, .run = cmd_up },
 *		{ "peer show", "Show one peer", .args = peer_args, .json = true, .run = cmd_show },
 *		{ NULL } };
 *
 * Options: --name VALUE, --name=VALUE, -n VALUE, -nVALUE; flags --name, and -abc for -a -b -c; "--"
 * ends options. They may stand anywhere behind the command, global ones before it too. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct weft_cli WeftCli;

enum weft_cli_exit {
	WEFT_CLI_EXIT_OK = 0,
	WEFT_CLI_EXIT_FAILED = 1,
	WEFT_CLI_EXIT_USAGE = 2,
	WEFT_CLI_EXIT_NOT_RUNNING = 3, /* daemon not running, or not enrolled */
	WEFT_CLI_EXIT_DENIED = 4,
	WEFT_CLI_EXIT_NOT_FOUND = 5,
	WEFT_CLI_EXIT_TIMEOUT = 124
};

enum weft_cli_type {
	WEFT_CLI_FLAG,
	WEFT_CLI_STRING,
	WEFT_CLI_INT,      /* min, max */
	WEFT_CLI_DURATION, /* 30s 5min, microseconds */
	WEFT_CLI_SIZE,     /* 64M, bytes */
	WEFT_CLI_ENUM,     /* one of names */
	WEFT_CLI_FILE,     /* completed as a file name */
	WEFT_CLI_TYPE_COUNT_
};

struct weft_cli_option {
	const char *name; /* without dashes; NULL ends a table */
	enum weft_cli_type type;
	char letter;              /* one-letter form, or 0 */
	const char *arg;          /* shown for the value; NULL: by type */
	const char *def;          /* value if absent, in command line notation */
	int64_t min, max;         /* INT, DURATION (us), SIZE; both 0: any not negative */
	const char *const *names; /* ENUM, NULL-terminated */
	const char *complete;     /* kind of dynamic name */
	bool required, repeat, hidden;
	const char *help; /* one sentence */
};

struct weft_cli_arg {
	const char *name; /* "NAME"; NULL ends a table */
	bool optional;    /* so are the following ones */
	bool repeat;      /* the last: one or more (optional: any number) */
	const char *complete;
	const char *help;
};

struct weft_cli_command {
	const char *path;        /* "status", "peer list"; NULL ends a table */
	const char *summary;     /* begins with a verb in upper case, no full stop */
	const char *description; /* sentences for the manual; blank lines make paragraphs */
	const struct weft_cli_option *options;
	const struct weft_cli_arg *args;
	bool json;    /* has --json */
	bool watch;   /* has --watch */
	bool confirm; /* asks: has --yes */
	bool hidden;
	int (*run)(WeftCli *cli, void *user); /* returns the exit code */
};

struct weft_cli_program {
	const char *name;    /* "weft" */
	const char *summary; /* one line, no full stop */
	const char *version;
	const struct weft_cli_option *options; /* global; --help --version --color are added */
	const struct weft_cli_command *commands;

	/* Prints names of @kind that begin with @prefix, by weft_cli_candidate(). Quick and silent:
	 * it runs while somebody presses the tab key. May be NULL. */
	void (*complete)(WeftCli *cli, const char *kind, const char *prefix, void *user);
};

/* Parses, runs the command, returns the exit code for main(). */
int weft_cli_main(const struct weft_cli_program *program, int argc, char **argv, void *user);

const struct weft_cli_program *weft_cli_program(const WeftCli *cli);
const struct weft_cli_command *weft_cli_command(const WeftCli *cli);

/* Options of the command, global ones included; asking for another type is a bug. Strings are
 * owned by @cli. */
bool weft_cli_is_set(const WeftCli *cli, const char *option); /* on the command line */
bool weft_cli_flag(const WeftCli *cli, const char *option);
const char *weft_cli_string(const WeftCli *cli,
			    const char *option); /* STRING, FILE, ENUM; or NULL */
const char *const *weft_cli_strings(const WeftCli *cli,
				    const char *option);      /* repeat; never NULL */
int64_t weft_cli_int(const WeftCli *cli, const char *option); /* ENUM: index */

unsigned weft_cli_n_args(const WeftCli *cli);
const char *weft_cli_arg(const WeftCli *cli, unsigned i); /* NULL beyond the last */

bool weft_cli_json(const WeftCli *cli);
bool weft_cli_watch(const WeftCli *cli);
bool weft_cli_color(const WeftCli *cli); /* on standard output */

/* Prints "weft: ..." to standard error; returns @code. */
int weft_cli_fail(WeftCli *cli, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Asks "... [y/N] " on the terminal. True with --yes. Without a terminal on standard input, or with
 * any answer but yes, it says so on standard error and is false: return WEFT_CLI_EXIT_FAILED. */
bool weft_cli_confirm(WeftCli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* One line of progress on standard error, overwritten by the next; nothing unless that is a
 * terminal. An empty text clears it. */
void weft_cli_progress(WeftCli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* In complete(): one candidate. A name with a control character is left out. */
void weft_cli_candidate(WeftCli *cli, const char *name);

/* Replaces standard input, output and error for tests. NULL: keep. */
struct weft_cli_streams {
	FILE *in, *out, *err;
	int tty; /* -1: ask the descriptors; 0, 1: pretend */
};
int weft_cli_main_with(const struct weft_cli_program *program,
		       const struct weft_cli_streams *streams,
		       int argc,
		       char **argv,
		       void *user);

FILE *weft_cli_out(const WeftCli *cli);

/* Help of the program (@command NULL), of a noun ("peer"), or of a command. */
void weft_cli_format_help(const struct weft_cli_program *program, const char *path, GString *out);

/* The text of the bash completion. */
void weft_cli_format_completion(const struct weft_cli_program *program, GString *out);
