/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Core's messages become ours. It logs what strangers cause (failed handshakes, resets), so nothing
 * of it is more than a warning, and all of it is limited. */
#include "base/glib/log.h"
#include "rpc/queue.h"

#include <grpc/support/log.h>
#include <string.h>

static void
on_core_log(gpr_log_func_args *args)
{
	const char *file = strrchr(args->file, '/');

	file = file != NULL ? file + 1 : args->file;
	if (args->severity == GPR_LOG_SEVERITY_ERROR)
		weft_log_limited(WEFT_LOG_INFO, NULL, "grpc: %s (%s:%d)", args->message, file,
				 args->line);
	else
		weft_log_limited(WEFT_LOG_DEBUG, NULL, "grpc: %s (%s:%d)", args->message, file,
				 args->line);
}

void
weft_rpc_log_route(void)
{
	gpr_set_log_function(on_core_log);
	gpr_set_log_verbosity(weft_log_enabled(WEFT_LOG_DEBUG) ? GPR_LOG_SEVERITY_INFO
							       : GPR_LOG_SEVERITY_ERROR);
}
