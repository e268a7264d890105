/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/admin/admin.h"

int
main(int argc, char **argv)
{
	return weft_cli_main(&weft_admin_program, argc, argv, NULL);
}
