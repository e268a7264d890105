/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/monitor.h"

#include "base/glib/source.h"
#include "netlink/attrs.h"
#include "netlink/error.h"
#include "netlink/limits.h"
#include "netlink/transport.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Datagrams thrown away after an overrun; beyond it the kernel is refilling faster than we read,
 * and the next overrun brings us back. */
#define DRAIN_LIMIT 100000

static const char *const event_names[WEFT_NL_EVENT_COUNT_] = {
	[WEFT_NL_EVENT_LINK] = "link",     [WEFT_NL_EVENT_LINK_GONE] = "link-gone",
	[WEFT_NL_EVENT_ADDR] = "addr",     [WEFT_NL_EVENT_ADDR_GONE] = "addr-gone",
	[WEFT_NL_EVENT_ROUTE] = "route",   [WEFT_NL_EVENT_ROUTE_GONE] = "route-gone",
	[WEFT_NL_EVENT_RULE] = "rule",     [WEFT_NL_EVENT_RULE_GONE] = "rule-gone",
	[WEFT_NL_EVENT_RESYNC] = "resync",
};

struct weft_nl_monitor {
	const struct weft_nl_transport *transport;
	void *transport_user;
	WeftNlEventFunc func;
	void *user;
	GSource *source;
	WeftNlMonitorFailedFunc failed;
	void *failed_user;
	struct weft_nl_monitor_stats stats;
	uint8_t *buf; /* WEFT_NL_RECV_SIZE */
};

const char *
weft_nl_event_name(enum weft_nl_event_kind kind)
{
	return (unsigned) kind < WEFT_NL_EVENT_COUNT_ ? event_names[kind] : "unknown";
}

WeftNlMonitor *
weft_nl_monitor_new(const struct weft_nl_transport *transport,
		    void *transport_user,
		    WeftNlEventFunc func,
		    void *user)
{
	WeftNlMonitor *m = g_new0(WeftNlMonitor, 1);

	m->transport = transport;
	m->transport_user = transport_user;
	m->func = func;
	m->user = user;
	m->buf = g_malloc(WEFT_NL_RECV_SIZE);
	return m;
}

WeftNlMonitor *
weft_nl_monitor_open(WeftNlEventFunc func, void *user, GError **error)
{
	static const uint32_t groups[] = {
		RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,
	};
	void *transport_user = NULL;

	if (!weft_nl_transport_open(WEFT_NL_BUS_ROUTE, groups, G_N_ELEMENTS(groups),
				    &transport_user, error))
		return NULL;
	return weft_nl_monitor_new(weft_nl_transport_system(), transport_user, func, user);
}

void
weft_nl_monitor_free(WeftNlMonitor *m)
{
	if (m == NULL)
		return;
	weft_source_cancel(&m->source);
	m->transport->close(m->transport_user);
	g_free(m->buf);
	g_free(m);
}

int
weft_nl_monitor_fd(const WeftNlMonitor *m)
{
	return m->transport->fd(m->transport_user);
}

const struct weft_nl_monitor_stats *
weft_nl_monitor_stats(const WeftNlMonitor *m)
{
	return &m->stats;
}

/* Not ours to read: other families, ports of bridges (which come as links of AF_BRIDGE), cached
 * routes. */
static bool
is_noise(const struct nlmsghdr *msg)
{
	struct rtmsg route;
	uint8_t family = 0;

	if (!weft_nl_msg_header(msg, &family, sizeof family))
		return false;
	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return family != AF_UNSPEC;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (weft_nl_msg_header(msg, &route, sizeof route) &&
		    (route.rtm_flags & RTM_F_CLONED) != 0)
			return true;
		break;
	default:
		break;
	}
	return weft_nl_family_from_af(family) == WEFT_FAMILY_NONE;
}

/* False if it is malformed; event->kind WEFT_NL_EVENT_COUNT_ if it is of no interest. */
static bool
read_event(struct weft_nl_event *event, const struct nlmsghdr *msg)
{
	event->kind = WEFT_NL_EVENT_COUNT_;
	if (is_noise(msg))
		return true;
	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		event->kind = msg->nlmsg_type == RTM_NEWLINK ? WEFT_NL_EVENT_LINK
							     : WEFT_NL_EVENT_LINK_GONE;
		return weft_nl_link_parse(&event->link, msg);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		event->kind = msg->nlmsg_type == RTM_NEWADDR ? WEFT_NL_EVENT_ADDR
							     : WEFT_NL_EVENT_ADDR_GONE;
		return weft_nl_addr_parse(&event->addr, msg);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		event->kind = msg->nlmsg_type == RTM_NEWROUTE ? WEFT_NL_EVENT_ROUTE
							      : WEFT_NL_EVENT_ROUTE_GONE;
		return weft_nl_route_parse(&event->route, msg);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		event->kind = msg->nlmsg_type == RTM_NEWRULE ? WEFT_NL_EVENT_RULE
							     : WEFT_NL_EVENT_RULE_GONE;
		return weft_nl_rule_parse(&event->rule, msg);
	default:
		return true;
	}
}

static void
on_datagram(WeftNlMonitor *m, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		/* @buf comes from malloc and @pos is a multiple of 4: aligned as netlink wants. */
		const struct nlmsghdr *msg = (const void *) (m->buf + pos);
		struct weft_nl_event event;

		if (len - pos < sizeof *msg || msg->nlmsg_len < sizeof *msg ||
		    msg->nlmsg_len > len - pos) {
			m->stats.malformed++;
			return;
		}
		memset(&event, 0, sizeof event);
		if (!read_event(&event, msg)) {
			m->stats.malformed++;
		} else if (event.kind != WEFT_NL_EVENT_COUNT_) {
			m->stats.events++;
			m->func(&event, m->user);
		}
		pos += NLMSG_ALIGN(msg->nlmsg_len);
	}
}

static ssize_t
receive(WeftNlMonitor *m)
{
	return m->transport->recv(m->transport_user, m->buf, WEFT_NL_RECV_SIZE, 0);
}

/* Events were lost. What is queued may be older than a dump that is taken now, so it goes first. */
static void
resync(WeftNlMonitor *m)
{
	const struct weft_nl_event event = { .kind = WEFT_NL_EVENT_RESYNC };

	for (unsigned i = 0; i < DRAIN_LIMIT; i++) {
		ssize_t n = receive(m);

		if (n < 0 && n != -ENOBUFS && n != -EMSGSIZE)
			break; /* empty; whatever else it is will come again */
	}
	m->stats.resyncs++;
	m->func(&event, m->user);
}

bool
weft_nl_monitor_dispatch(WeftNlMonitor *m, GError **error)
{
	for (unsigned i = 0; i < WEFT_NL_MONITOR_BURST; i++) {
		ssize_t n = receive(m);

		if (n >= 0) {
			on_datagram(m, (size_t) n);
		} else if (n == -EAGAIN) {
			break;
		} else if (n == -ENOBUFS || n == -EMSGSIZE) {
			resync(m);
		} else {
			weft_nl_error_set(error, "RTNETLINK", (int) -n, NULL);
			g_prefix_error(error, "monitor: ");
			return false;
		}
	}
	return true;
}

static gboolean
on_readable(int fd, GIOCondition condition, gpointer user)
{
	WeftNlMonitor *m = user;
	g_autoptr(GError) error = NULL;

	if (weft_nl_monitor_dispatch(m, &error))
		return G_SOURCE_CONTINUE;
	if (m->failed != NULL)
		m->failed(error, m->failed_user);
	return G_SOURCE_REMOVE;
}

void
weft_nl_monitor_attach(WeftNlMonitor *m,
		       GMainContext *context,
		       WeftNlMonitorFailedFunc failed,
		       void *failed_user)
{
	g_return_if_fail(m->source == NULL);
	m->failed = failed;
	m->failed_user = failed_user;
	m->source = weft_source_fd(context, weft_nl_monitor_fd(m), G_IO_IN, on_readable, m);
}
