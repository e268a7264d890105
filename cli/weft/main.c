/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/weft/weft.h"

#include <string.h>

#define OPTION "--setup-key"

/* Gives the parser a private copy of the arguments and wipes the key in those that everybody sees
 * in /proc. */
static char **
hide_arguments(int argc, char **argv)
{
	char **copy = g_new0(char *, (gsize) argc + 1);

	for (int i = 0; i < argc; i++)
		copy[i] = g_strdup(argv[i]);
	for (int i = 1; i < argc; i++) {
		char *secret = NULL;

		if (strcmp(argv[i], OPTION) == 0 && i + 1 < argc)
			secret = argv[++i];
		else if (g_str_has_prefix(argv[i], OPTION "="))
			secret = argv[i] + strlen(OPTION "=");
		if (secret != NULL)
			explicit_bzero(secret, strlen(secret));
	}
	return copy;
}

int
main(int argc, char **argv)
{
	char **copy = hide_arguments(argc, argv);
	int code;

	weft_take_environment();
	code = weft_cli_main(&weft_program, argc, copy, NULL);
	for (int i = 0; i < argc; i++) {
		explicit_bzero(copy[i], strlen(copy[i]));
		g_free(copy[i]);
	}
	g_free(copy);
	return code;
}
