/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/gendoc.h"
#include "agent/conf.h"

int
main(int argc, char **argv)
{
	static const struct weft_gendoc doc = { .schema = &agent_conf_schema };

	return weft_gendoc_main(&doc, argc, argv);
}
