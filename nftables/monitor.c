/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/monitor.h"

#include "nftables/attrs.h"
#include "nftables/error.h"
#include "nftables/limits.h"
#include "nftables/transport.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <glib-unix.h>
#include <libmnl/libmnl.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

struct weft_nft_monitor {
	const struct weft_nft_transport *transport;
	void *transport_user;
	char table[64];
	uint32_t own_port;
	WeftNftEventFunc func;
	void *user;
	GSource *source;
	WeftNftMonitorFailedFunc failed;
	void *failed_user;
	/* The transaction whose events are arriving. */
	bool touched, gone;
	_Alignas(struct nlmsghdr) uint8_t buf[WEFT_NFT_RECV_SIZE];
};

/* clang-format off */
static const char *const event_names[WEFT_NFT_EVENT_COUNT_] = {
	[WEFT_NFT_EVENT_CHANGED] = "changed",
	[WEFT_NFT_EVENT_GONE] = "gone",
	[WEFT_NFT_EVENT_RESYNC] = "resync",
};
/* clang-format on */

const char *
weft_nft_event_name(enum weft_nft_event event)
{
	return (unsigned) event < WEFT_NFT_EVENT_COUNT_ ? event_names[event] : "unknown";
}

WeftNftMonitor *
weft_nft_monitor_new(const struct weft_nft_transport *transport,
		     void *transport_user,
		     const char *table,
		     uint32_t own_port,
		     WeftNftEventFunc func,
		     void *user)
{
	WeftNftMonitor *m = g_new0(WeftNftMonitor, 1);

	m->transport = transport;
	m->transport_user = transport_user;
	g_strlcpy(m->table, table, sizeof m->table);
	m->own_port = own_port;
	m->func = func;
	m->user = user;
	return m;
}

WeftNftMonitor *
weft_nft_monitor_open(
	const char *table, uint32_t own_port, WeftNftEventFunc func, void *user, GError **error)
{
	void *transport = weft_nft_transport_open(1U << (NFNLGRP_NFTABLES - 1), error);

	return transport == NULL ? NULL
				 : weft_nft_monitor_new(&weft_nft_transport_kernel, transport,
							table, own_port, func, user);
}

void
weft_nft_monitor_free(WeftNftMonitor *m)
{
	if (m == NULL)
		return;
	if (m->source != NULL) {
		g_source_destroy(m->source);
		g_source_unref(m->source);
	}
	m->transport->close(m->transport_user);
	g_free(m);
}

int
weft_nft_monitor_fd(const WeftNftMonitor *m)
{
	return m->transport->fd(m->transport_user);
}

/* The attribute that names the table is the first one of every object's message. */
static bool
is_about(const WeftNftMonitor *m, const struct nlmsghdr *msg)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;

	if (gen->nfgen_family != NFPROTO_INET)
		return false;
	mnl_attr_for_each (attr, msg, sizeof *gen) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME)
			return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
			       strcmp(mnl_attr_get_str(attr), m->table) == 0;
	}
	return false;
}

/* The last message of a transaction's events: tells it, if it was about us. */
static void
end_transaction(WeftNftMonitor *m, const struct nlmsghdr *msg)
{
	char process[64] = "";
	const char *name = "?";
	uint32_t pid = 0;
	const struct nlattr *attr;
	bool touched = m->touched, gone = m->gone;

	m->touched = m->gone = false;
	if (!touched)
		return;
	mnl_attr_for_each (attr, msg, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_PID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			pid = ntohl(mnl_attr_get_u32(attr));
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
	}
	if (pid != 0)
		snprintf(process, sizeof process, "%.32s (%u)", name, pid);
	m->func(gone ? WEFT_NFT_EVENT_GONE : WEFT_NFT_EVENT_CHANGED, process, m->user);
}

static void
take_message(WeftNftMonitor *m, const struct nlmsghdr *msg)
{
	unsigned type = msg->nlmsg_type & 0xff;

	if (msg->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(msg) < sizeof(struct nfgenmsg))
		return;
	if (type == NFT_MSG_NEWGEN) {
		end_transaction(m, msg);
		return;
	}
	if (msg->nlmsg_pid == m->own_port || !is_about(m, msg))
		return;
	m->touched = true;
	/* A table that is written anew in one transaction is not gone. */
	if (type == NFT_MSG_DELTABLE)
		m->gone = true;
	else if (type == NFT_MSG_NEWTABLE)
		m->gone = false;
}

bool
weft_nft_monitor_dispatch(WeftNftMonitor *m, GError **error)
{
	for (unsigned i = 0; i < WEFT_NFT_MONITOR_BURST; i++) {
		ssize_t n = m->transport->recv(m->transport_user, m->buf, sizeof m->buf, 0);
		const struct nlmsghdr *msg;
		size_t at = 0;

		if (n == -EAGAIN)
			return true;
		if (n == -ENOBUFS || n == -EMSGSIZE) {
			m->touched = m->gone = false;
			m->func(WEFT_NFT_EVENT_RESYNC, "", m->user);
			continue;
		}
		if (n < 0) {
			weft_nft_error_set(error, (int) -n, NULL);
			g_prefix_error(error, "watch table inet %s: ", m->table);
			return false;
		}
		while ((msg = weft_nft_next_message(m->buf, (size_t) n, &at)) != NULL)
			take_message(m, msg);
	}
	return true;
}

static gboolean
on_readable(int fd, GIOCondition condition, void *user)
{
	WeftNftMonitor *m = user;
	g_autoptr(GError) error = NULL;

	if (weft_nft_monitor_dispatch(m, &error))
		return G_SOURCE_CONTINUE;
	if (m->failed != NULL)
		m->failed(error, m->failed_user);
	return G_SOURCE_REMOVE;
}

void
weft_nft_monitor_attach(WeftNftMonitor *m,
			GMainContext *context,
			WeftNftMonitorFailedFunc failed,
			void *failed_user)
{
	g_return_if_fail(m->source == NULL);
	m->failed = failed;
	m->failed_user = failed_user;
	m->source = g_unix_fd_source_new(weft_nft_monitor_fd(m), G_IO_IN);
	g_source_set_callback(m->source, G_SOURCE_FUNC(on_readable), m, NULL);
	g_source_attach(m->source, context);
}
