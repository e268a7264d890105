/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/monitor.h"

#include "nftables/error.h"
#include "tests/unit/nftables/fake.h"

#define OTHER_PORT 99

struct seen {
	unsigned n[WEFT_NFT_EVENT_COUNT_];
	char process[64];
};

static void
on_event(enum weft_nft_event event, const char *process, void *user)
{
	struct seen *seen = user;

	seen->n[event]++;
	g_strlcpy(seen->process, process, sizeof seen->process);
}

static void
queue_event(struct fake *f, uint16_t type, uint8_t family, const char *table, uint32_t port)
{
	_Alignas(struct nlmsghdr) uint8_t buf[256];
	struct nlmsghdr *msg = fake_begin_nft(buf, type, 0, 0, family);

	msg->nlmsg_pid = port;
	mnl_attr_put_strz(msg, NFTA_TABLE_NAME, table);
	fake_queue(f, msg, msg->nlmsg_len);
}

static void
queue_end(struct fake *f)
{
	_Alignas(struct nlmsghdr) uint8_t buf[256];
	struct nlmsghdr *msg = fake_begin_nft(buf, NFT_MSG_NEWGEN, 0, 0, AF_UNSPEC);

	mnl_attr_put_u32(msg, NFTA_GEN_ID, htonl(7));
	mnl_attr_put_u32(msg, NFTA_GEN_PROC_PID, htonl(1234));
	mnl_attr_put_strz(msg, NFTA_GEN_PROC_NAME, "nft");
	fake_queue(f, msg, msg->nlmsg_len);
}

static void
test_transactions_about_our_table_are_told_once(void)
{
	static const struct {
		uint16_t type;
		uint8_t family;
		const char *table;
		uint32_t port;
		int event; /* -1: none */
	} rows[] = {
		{ NFT_MSG_NEWRULE, NFPROTO_INET, "weft", OTHER_PORT, WEFT_NFT_EVENT_CHANGED },
		{ NFT_MSG_DELSETELEM, NFPROTO_INET, "weft", OTHER_PORT, WEFT_NFT_EVENT_CHANGED },
		{ NFT_MSG_DELTABLE, NFPROTO_INET, "weft", OTHER_PORT, WEFT_NFT_EVENT_GONE },
		{ NFT_MSG_NEWRULE, NFPROTO_INET, "weft2", OTHER_PORT, -1 },
		{ NFT_MSG_NEWRULE, NFPROTO_IPV4, "weft", OTHER_PORT, -1 },
		{ NFT_MSG_NEWRULE, NFPROTO_INET, "weft", FAKE_PORT, -1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct fake f;
		struct seen seen = { 0 };
		WeftNftMonitor *m;

		fake_init(&f);
		m = weft_nft_monitor_new(&fake_transport, &f, "weft", FAKE_PORT, on_event, &seen);
		for (int repeat = 0; repeat < 3; repeat++)
			queue_event(&f, rows[i].type, rows[i].family, rows[i].table, rows[i].port);
		g_assert_true(weft_nft_monitor_dispatch(m, NULL));
		g_assert_cmpuint(seen.n[0] + seen.n[1] + seen.n[2], ==, 0);
		queue_end(&f);
		queue_end(&f);
		g_assert_true(weft_nft_monitor_dispatch(m, NULL));
		for (int event = 0; event < WEFT_NFT_EVENT_COUNT_; event++)
			g_assert_cmpuint(seen.n[event], ==, event == rows[i].event);
		g_assert_cmpstr(seen.process, ==, rows[i].event < 0 ? "" : "nft (1234)");
		weft_nft_monitor_free(m);
		fake_clear(&f);
	}
}

static void
test_a_table_written_anew_is_not_gone(void)
{
	struct fake f;
	struct seen seen = { 0 };
	WeftNftMonitor *m;

	fake_init(&f);
	m = weft_nft_monitor_new(&fake_transport, &f, "weft", FAKE_PORT, on_event, &seen);
	queue_event(&f, NFT_MSG_DELTABLE, NFPROTO_INET, "weft", OTHER_PORT);
	queue_event(&f, NFT_MSG_NEWTABLE, NFPROTO_INET, "weft", OTHER_PORT);
	queue_end(&f);
	g_assert_true(weft_nft_monitor_dispatch(m, NULL));
	g_assert_cmpuint(seen.n[WEFT_NFT_EVENT_CHANGED], ==, 1);
	g_assert_cmpuint(seen.n[WEFT_NFT_EVENT_GONE], ==, 0);
	weft_nft_monitor_free(m);
	fake_clear(&f);
}

static ssize_t
recv_overrun_once(void *user, void *buf, size_t size, int timeout_ms)
{
	struct fake *f = user;

	if (f->commits++ == 0)
		return -ENOBUFS;
	return -EAGAIN;
}

static void
test_an_overrun_is_a_resync(void)
{
	struct weft_nft_transport transport = fake_transport;
	struct fake f;
	struct seen seen = { 0 };
	WeftNftMonitor *m;

	fake_init(&f);
	transport.recv = recv_overrun_once;
	m = weft_nft_monitor_new(&transport, &f, "weft", FAKE_PORT, on_event, &seen);
	g_assert_true(weft_nft_monitor_dispatch(m, NULL));
	g_assert_cmpuint(seen.n[WEFT_NFT_EVENT_RESYNC], ==, 1);
	weft_nft_monitor_free(m);
	fake_clear(&f);
}

static void
test_a_broken_socket_is_an_error(void)
{
	struct fake f;
	struct seen seen = { 0 };
	GError *error = NULL;
	WeftNftMonitor *m;

	fake_init(&f);
	f.empty = -EBADF;
	m = weft_nft_monitor_new(&fake_transport, &f, "weft", FAKE_PORT, on_event, &seen);
	g_assert_false(weft_nft_monitor_dispatch(m, &error));
	g_assert_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_FAILED);
	g_error_free(error);
	weft_nft_monitor_free(m);
	weft_nft_monitor_free(NULL);
	fake_clear(&f);
}

static void
test_malformed_events_are_skipped(void)
{
	_Alignas(struct nlmsghdr) uint8_t buf[64] = { 0 };
	struct fake f;
	struct seen seen = { 0 };
	struct nlmsghdr *msg;
	WeftNftMonitor *m;

	fake_init(&f);
	m = weft_nft_monitor_new(&fake_transport, &f, "weft", FAKE_PORT, on_event, &seen);
	fake_queue(&f, buf, 3);
	msg = fake_begin(buf, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, 0, 0);
	fake_queue(&f, msg, msg->nlmsg_len);
	msg = fake_begin_nft(buf, NFT_MSG_NEWRULE, 0, 0, NFPROTO_INET);
	mnl_attr_put(msg, NFTA_TABLE_NAME, 4, "weft"); /* not ended by a NUL */
	fake_queue(&f, msg, msg->nlmsg_len);
	queue_end(&f);
	g_assert_true(weft_nft_monitor_dispatch(m, NULL));
	g_assert_cmpuint(seen.n[0] + seen.n[1] + seen.n[2], ==, 0);
	for (unsigned i = 0; i <= WEFT_NFT_EVENT_COUNT_; i++)
		g_assert_nonnull(weft_nft_event_name((enum weft_nft_event) i));
	weft_nft_monitor_free(m);
	fake_clear(&f);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nftables/monitor/transactions-about-our-table-are-told-once",
			test_transactions_about_our_table_are_told_once);
	g_test_add_func("/nftables/monitor/a-table-written-anew-is-not-gone",
			test_a_table_written_anew_is_not_gone);
	g_test_add_func("/nftables/monitor/an-overrun-is-a-resync", test_an_overrun_is_a_resync);
	g_test_add_func("/nftables/monitor/a-broken-socket-is-an-error",
			test_a_broken_socket_is_an_error);
	g_test_add_func("/nftables/monitor/malformed-events-are-skipped",
			test_malformed_events_are_skipped);
	return g_test_run();
}
