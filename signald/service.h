/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signalexchange.SignalExchange: registration and forwarding (protocol.md 3). Callbacks run inline
 * on the queue's one thread, and so does all of this. */
#pragma once

#include "base/glib/conf.h"
#include "base/glib/metrics.h"
#include "rpc/server.h"

struct weft_env;

typedef struct sig_service SigService;

/* Adds the methods to @server, before it is started. All borrowed. */
SigService *sig_service_new(const WeftConf *conf,
			    const struct weft_env *env,
			    WeftMetrics *metrics,
			    WeftRpcServer *server);
void sig_service_free(SigService *service); /* after the server */

/* Takes over the message limits of a new configuration; on the queue's thread. */
void sig_service_set_conf(SigService *service, const WeftConf *conf);

/* Ends streams whose proof is overdue; to be called about once a second, on the queue's thread. */
void sig_service_tick(SigService *service);
