/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The five options of a daemon. */
#include "base/glib/main_private.h"

#include <getopt.h>
#include <stdio.h>

enum { OPT_CONFIG = 1, OPT_CHECK, OPT_VERSION, OPT_HELP, OPT_LEVEL };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "log-level", required_argument, NULL, OPT_LEVEL },
	{ NULL, 0, NULL, 0 },
};

static void
print_help(const struct weft_main_daemon *daemon)
{
	printf("%s: %s\n\n"
	       "Usage: %s [OPTION...]\n\n"
	       "  --config FILE      read FILE and FILE.d/*.conf instead of the default files\n"
	       "  --check-config     check the configuration and exit\n"
	       "  --log-level LEVEL  error, warning, notice, info or debug\n"
	       "  --version          print the version and exit\n"
	       "  --help             print this and exit\n\n"
	       "Configuration: weft-%s.conf(5). Exit status: 0 stopped, 1 failed, 2 wrong use,\n"
	       "77 a privilege is missing, 78 the configuration is wrong.\n",
	       daemon->name, daemon->summary, daemon->name, daemon->schema->name);
}

static bool
end(int *ret_code, int code)
{
	*ret_code = code;
	return false;
}

bool
weft_main_parse_options(const struct weft_main_daemon *daemon,
			int argc,
			char **argv,
			struct weft_main_options *ret,
			int *ret_code)
{
	int option;

	optind = 1;
	/* Our own name in getopt's messages, whatever we were started as. */
	argv[0] = (char *) daemon->name;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case OPT_CONFIG:
			ret->config = optarg;
			break;
		case OPT_CHECK:
			ret->check_config = true;
			break;
		case OPT_LEVEL:
			ret->log_level_set = true;
			if (weft_log_level_from_name(&ret->log_level, optarg))
				break;
			fprintf(stderr, "%s: '%s' is no log level\n", daemon->name, optarg);
			return end(ret_code, WEFT_MAIN_EXIT_USAGE);
		case OPT_VERSION:
			printf("%s %s\n", daemon->name, PACKAGE_VERSION);
			return end(ret_code, WEFT_MAIN_EXIT_OK);
		case OPT_HELP:
			print_help(daemon);
			return end(ret_code, WEFT_MAIN_EXIT_OK);
		default:
			fprintf(stderr, "Try: %s --help\n", daemon->name);
			return end(ret_code, WEFT_MAIN_EXIT_USAGE);
		}
	}
	if (optind == argc)
		return true;
	fprintf(stderr, "%s: unexpected argument '%s'\nTry: %s --help\n", daemon->name,
		argv[optind], daemon->name);
	return end(ret_code, WEFT_MAIN_EXIT_USAGE);
}
