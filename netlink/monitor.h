/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One subscription to the changes of links, addresses, routes and rules: a file descriptor and a
 * dispatch function, and a GSource around the two. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "netlink/ifaddr.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "netlink/sock.h"

enum weft_nl_event_kind {
	WEFT_NL_EVENT_LINK, /* new or changed */
	WEFT_NL_EVENT_LINK_GONE,
	WEFT_NL_EVENT_ADDR,
	WEFT_NL_EVENT_ADDR_GONE,
	WEFT_NL_EVENT_ROUTE,
	WEFT_NL_EVENT_ROUTE_GONE,
	WEFT_NL_EVENT_RULE,
	WEFT_NL_EVENT_RULE_GONE,
	/* Events were lost (ENOBUFS). Everything known is stale: dump again. Whatever had queued up
	 * is thrown away before this comes, so no event that follows is older than such a dump. */
	WEFT_NL_EVENT_RESYNC,
	WEFT_NL_EVENT_COUNT_
};

const char *weft_nl_event_name(enum weft_nl_event_kind kind);

struct weft_nl_event {
	enum weft_nl_event_kind kind;
	union {
		struct weft_nl_link link;
		struct weft_nl_addr addr;
		struct weft_nl_route route;
		struct weft_nl_rule rule;
	};
};

/* @event is borrowed. The monitor must not be freed from inside. */
typedef void (*WeftNlEventFunc)(const struct weft_nl_event *event, void *user);

struct weft_nl_monitor_stats {
	uint64_t events;
	uint64_t resyncs;
	uint64_t malformed; /* messages that could not be read and were skipped */
};

typedef struct weft_nl_monitor WeftNlMonitor;

/* Subscribes. Subscribe first, dump after it: then nothing is missed. */
WeftNlMonitor *weft_nl_monitor_open(WeftNlEventFunc func, void *user, GError **error);
/* The same over a given transport, whose @transport_user it takes over. */
WeftNlMonitor *weft_nl_monitor_new(const struct weft_nl_transport *transport,
				   void *transport_user,
				   WeftNlEventFunc func,
				   void *user);
/* Destroys the GSource first. Takes NULL. */
void weft_nl_monitor_free(WeftNlMonitor *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlMonitor, weft_nl_monitor_free)

/* Readable when there is something to dispatch. */
int weft_nl_monitor_fd(const WeftNlMonitor *m);

/* Handles what is there, at most WEFT_NL_MONITOR_BURST datagrams; never blocks. False only if the
 * socket is broken for good: open another one. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_monitor_dispatch(WeftNlMonitor *m, GError **error);

/* Called if dispatching fails; the source is removed after it. */
typedef void (*WeftNlMonitorFailedFunc)(const GError *error, void *user);

/* Dispatches on @context (NULL: the default one) until the monitor is freed. Once per monitor. */
void weft_nl_monitor_attach(WeftNlMonitor *m,
			    GMainContext *context,
			    WeftNlMonitorFailedFunc failed,
			    void *failed_user);

const struct weft_nl_monitor_stats *weft_nl_monitor_stats(const WeftNlMonitor *m);
