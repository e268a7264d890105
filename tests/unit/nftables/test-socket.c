/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/socket.h"

#include "nftables/error.h"
#include "tests/unit/nftables/fake.h"

static bool
on_reply(const struct nlmsghdr *msg, void *user, GError **error)
{
	++*(unsigned *) user;
	return true;
}

/* The answers to one dump, by what is wrong with them. */
static const char *what;

static void
answer_dump(struct fake *f, const struct nlmsghdr *request)
{
	_Alignas(struct nlmsghdr) uint8_t buf[256] = { 0 };
	uint32_t seq = request->nlmsg_seq;
	struct nlmsghdr *msg =
		fake_begin_nft(buf, NFT_MSG_NEWCHAIN, NLM_F_MULTI, seq, NFPROTO_INET);
	size_t len = msg->nlmsg_len;

	if (strcmp(what, "stale") == 0)
		fake_ack(f, seq - 1, EPERM, NULL);
	if (strcmp(what, "other-port") == 0) {
		msg->nlmsg_pid = 99;
		fake_queue(f, msg, len);
		msg->nlmsg_pid = FAKE_PORT;
	}
	if (strcmp(what, "short-message") == 0)
		msg->nlmsg_len = sizeof *msg + 2;
	if (strcmp(what, "long-length") == 0)
		msg->nlmsg_len += 100;
	if (strcmp(what, "huge-length") == 0)
		msg->nlmsg_len = 0xfffffffe;
	if (strcmp(what, "interrupted") == 0)
		msg->nlmsg_flags |= NLM_F_DUMP_INTR;
	if (strcmp(what, "half-header") == 0)
		len = 7;
	if (strcmp(what, "empty") == 0)
		len = 0;
	fake_queue(f, msg, len);
	if (strcmp(what, "refused") == 0) {
		fake_ack(f, seq, EOPNOTSUPP, "not here");
	} else if (strcmp(what, "bad-ack") == 0) {
		msg = fake_begin(buf, NLMSG_ERROR, 0, seq);
		fake_queue(f, msg, msg->nlmsg_len);
	} else if (strcmp(what, "positive-errno") == 0) {
		fake_ack(f, seq, -5, NULL);
	} else if (strcmp(what, "unended") != 0 && strcmp(what, "overrun") != 0) {
		fake_done(f, seq, 0);
	}
	f->empty = strcmp(what, "overrun") == 0 ? -ENOBUFS : 0;
}

static void
test_answers_are_checked(void)
{
	static const struct {
		const char *what;
		int code; /* -1: success */
		unsigned replies;
	} rows[] = {
		{ "", -1, 1 },
		{ "stale", -1, 1 },
		{ "other-port", -1, 1 },
		{ "short-message", WEFT_NFT_ERROR_PROTOCOL, 0 },
		{ "long-length", WEFT_NFT_ERROR_PROTOCOL, 0 },
		{ "huge-length", WEFT_NFT_ERROR_PROTOCOL, 0 },
		{ "half-header", WEFT_NFT_ERROR_PROTOCOL, 0 },
		{ "empty", WEFT_NFT_ERROR_PROTOCOL, 0 },
		{ "interrupted", WEFT_NFT_ERROR_INTERRUPTED, 1 },
		{ "refused", WEFT_NFT_ERROR_UNSUPPORTED, 1 },
		{ "bad-ack", WEFT_NFT_ERROR_PROTOCOL, 1 },
		{ "positive-errno", WEFT_NFT_ERROR_PROTOCOL, 1 },
		{ "unended", WEFT_NFT_ERROR_TIMEOUT, 1 },
		{ "overrun", WEFT_NFT_ERROR_NO_BUFFERS, 1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct fake f;
		unsigned replies = 0;
		struct weft_nft_request request = { .type = NFT_MSG_GETCHAIN,
						    .flags = NLM_F_DUMP,
						    .reply = on_reply,
						    .user = &replies };
		WeftNftSocket *s;
		GError *error = NULL;
		bool ok;

		fake_init(&f);
		f.answer = answer_dump;
		what = rows[i].what;
		s = weft_nft_socket_new(&fake_transport, &f, weft_env_system());
		ok = weft_nft_socket_get(s, &request, &error);
		g_test_message("%s: %s", what, error == NULL ? "ok" : error->message);
		g_assert_cmpint(ok, ==, rows[i].code == -1);
		if (!ok)
			g_assert_error(error, WEFT_NFT_ERROR, rows[i].code);
		g_assert_cmpuint(replies, ==, rows[i].replies);
		g_clear_error(&error);
		weft_nft_socket_free(s);
		fake_clear(&f);
	}
}

static void
test_text_of_the_kernel_is_passed_on(void)
{
	struct fake f;
	WeftNftSocket *s;
	GError *error = NULL;
	unsigned replies = 0;
	struct weft_nft_request request = {
		.type = NFT_MSG_GETCHAIN, .flags = NLM_F_DUMP, .reply = on_reply, .user = &replies
	};

	fake_init(&f);
	f.answer = answer_dump;
	what = "refused";
	s = weft_nft_socket_new(&fake_transport, &f, weft_env_system());
	g_assert_false(weft_nft_socket_get(s, &request, &error));
	g_assert_cmpstr(error->message, ==, "NETFILTER: not here");
	g_error_free(error);
	weft_nft_socket_free(s);
	fake_clear(&f);
}

static void
test_generation_is_read(void)
{
	struct fake f;
	WeftNftSocket *s;
	uint32_t generation = 0;
	GError *error = NULL;

	fake_init(&f);
	s = weft_nft_socket_new(&fake_transport, &f, weft_env_system());
	g_assert_true(weft_nft_socket_generation(s, &generation, &error));
	g_assert_cmpuint(generation, ==, 41);
	f.send_error = -EPERM;
	g_assert_false(weft_nft_socket_generation(s, &generation, &error));
	g_assert_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_PERMISSION);
	g_assert_true(g_str_has_prefix(error->message, "get the ruleset's generation: "));
	g_error_free(error);
	weft_nft_socket_free(s);
	fake_clear(&f);
}

static void
test_a_reply_that_is_refused_ends_the_exchange(void)
{
	struct fake f;
	WeftNftSocket *s;
	uint32_t generation = 0;
	GError *error = NULL;

	fake_init(&f);
	what = "";
	f.answer = answer_dump; /* a chain instead of a generation */
	s = weft_nft_socket_new(&fake_transport, &f, weft_env_system());
	g_assert_false(weft_nft_socket_generation(s, &generation, &error));
	g_assert_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_PROTOCOL);
	g_error_free(error);
	weft_nft_socket_free(s);
	fake_clear(&f);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nftables/socket/answers-are-checked", test_answers_are_checked);
	g_test_add_func("/nftables/socket/text-of-the-kernel-is-passed-on",
			test_text_of_the_kernel_is_passed_on);
	g_test_add_func("/nftables/socket/generation-is-read", test_generation_is_read);
	g_test_add_func("/nftables/socket/a-reply-that-is-refused-ends-the-exchange",
			test_a_reply_that_is_refused_ends_the_exchange);
	return g_test_run();
}
