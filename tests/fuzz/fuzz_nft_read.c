/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What nf_tables answers while a table is read, counted and watched. Input: datagrams, each behind
 * its length in two octets; sequence numbers are made to fit, so that content decides. */
#include "tests/fuzz/fuzz.h"

#include "base/cursor.h"
#include "base/env.h"
#include "nftables/attrs.h"
#include "nftables/limits.h"
#include "nftables/monitor.h"
#include "nftables/table.h"

#include <errno.h>
#include <string.h>

#include <glib.h>
#include <libmnl/libmnl.h>

struct script {
	struct weft_cursor input;
	uint32_t seq;
};

static ssize_t
script_send(void *user, const void *buf, size_t len)
{
	struct script *script = user;
	struct nlmsghdr msg;

	memcpy(&msg, buf, sizeof msg);
	script->seq = msg.nlmsg_seq;
	return (ssize_t) len;
}

static ssize_t
script_recv(void *user, void *buf, size_t size, int timeout_ms)
{
	struct script *script = user;
	size_t len = weft_cursor_u16(&script->input);
	const struct nlmsghdr *msg;
	const uint8_t *bytes;
	size_t at = 0;

	len = MIN(len, MIN(size, weft_cursor_left(&script->input)));
	bytes = weft_cursor_bytes(&script->input, len);
	if (!script->input.ok)
		return -EAGAIN;
	if (len > 0)
		memcpy(buf, bytes, len);
	while ((msg = weft_nft_next_message(buf, len, &at)) != NULL) {
		((struct nlmsghdr *) msg)->nlmsg_seq = script->seq;
		((struct nlmsghdr *) msg)->nlmsg_pid = 0;
	}
	return (ssize_t) len;
}

static uint32_t
script_port_id(void *user)
{
	return 1;
}

static int
script_fd(void *user)
{
	return -1;
}

static void
script_close(void *user)
{
}

static const struct weft_nft_transport transport = {
	.send = script_send,
	.recv = script_recv,
	.port_id = script_port_id,
	.fd = script_fd,
	.close = script_close,
};

static void
on_count(const struct weft_nft_count *count, void *user)
{
	FUZZ_REQUIRE(count->name != NULL);
}

static void
on_event(enum weft_nft_event event, const char *process, void *user)
{
	FUZZ_REQUIRE(strlen(process) < 64);
}

/* Whatever was read can be asked and compared. */
static void
check_model(const WeftNftModel *model)
{
	g_autoptr(WeftNftModel) empty =
		weft_nft_compile(weft_nft_model_config(model), NULL, 0, NULL, NULL);
	g_autoptr(WeftNftDiff) diff = weft_nft_diff(model, empty);
	struct weft_nft_packet packet = { .remote = weft_address_v4(0x64400001), .protocol = 6 };
	uint32_t counter;

	(void) weft_nft_model_decide(model, &packet, &counter);
	FUZZ_REQUIRE(counter == UINT32_MAX || weft_nft_model_counter(model, counter) != NULL);
	(void) weft_nft_diff_cuts(diff, &packet);
	FUZZ_REQUIRE(weft_nft_model_equal(model, model));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = { .input = weft_cursor(data, size) };
	struct weft_nft_config config = weft_nft_config_default();
	WeftNftTable *table = weft_nft_table_new(
		weft_nft_socket_new(&transport, &script, weft_env_system()), &config);
	WeftNftMonitor *monitor;

	if (weft_nft_table_read(table, NULL, NULL) && weft_nft_table_current(table) != NULL)
		check_model(weft_nft_table_current(table));
	script.input = weft_cursor(data, size);
	FUZZ_REQUIRE(!weft_nft_table_counts(table, on_count, NULL, NULL) || size > 0);
	weft_nft_table_free(table);

	script.input = weft_cursor(data, size);
	monitor = weft_nft_monitor_new(&transport, &script, "weft", 2, on_event, NULL);
	while (weft_nft_monitor_dispatch(monitor, NULL) && weft_cursor_left(&script.input) > 0)
		;
	weft_nft_monitor_free(monitor);
	return 0;
}
