/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells when someone else changed our table: a file descriptor and a dispatch function, and a
 * GSource around the two. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "nftables/socket.h"

enum weft_nft_event {
	WEFT_NFT_EVENT_CHANGED, /* something in our table; verify it */
	WEFT_NFT_EVENT_GONE,    /* our table was deleted, e.g. by "nft flush ruleset" */
	WEFT_NFT_EVENT_RESYNC,  /* events were lost; verify the table */
	WEFT_NFT_EVENT_COUNT_
};
const char *weft_nft_event_name(enum weft_nft_event event);

/* Once per transaction of somebody else that touched our table. @process: its name and number as
 * the kernel gives them, or "". The monitor must not be freed from inside. */
typedef void (*WeftNftEventFunc)(enum weft_nft_event event, const char *process, void *user);

typedef struct weft_nft_monitor WeftNftMonitor;

/* Subscribes. @table: its name (family inet). @own_port: the sender whose changes are ours
 * (weft_nft_table_port_id()). Subscribe first, read the table after it: then nothing is missed. */
WeftNftMonitor *weft_nft_monitor_open(
	const char *table, uint32_t own_port, WeftNftEventFunc func, void *user, GError **error);
/* The same over a given transport, whose @transport_user it takes over. */
WeftNftMonitor *weft_nft_monitor_new(const struct weft_nft_transport *transport,
				     void *transport_user,
				     const char *table,
				     uint32_t own_port,
				     WeftNftEventFunc func,
				     void *user);
/* Destroys the GSource first. Takes NULL. */
void weft_nft_monitor_free(WeftNftMonitor *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNftMonitor, weft_nft_monitor_free)

/* Readable when there is something to dispatch. */
int weft_nft_monitor_fd(const WeftNftMonitor *m);

/* Handles what is there, at most WEFT_NFT_MONITOR_BURST datagrams; never blocks. False only if the
 * socket is broken for good: open another one. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_monitor_dispatch(WeftNftMonitor *m, GError **error);

typedef void (*WeftNftMonitorFailedFunc)(const GError *error, void *user);

/* Dispatches on @context (NULL: the default one) until the monitor is freed; @failed is called if
 * dispatching fails, and the source is removed after it. Once per monitor. */
void weft_nft_monitor_attach(WeftNftMonitor *m,
			     GMainContext *context,
			     WeftNftMonitorFailedFunc failed,
			     void *failed_user);
