/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/table.h"

#include "nftables/error.h"
#include "tests/unit/nftables/fake.h"
#include "tests/unit/nftables/rules.h"

static WeftNftModel *
model_of(unsigned n)
{
	struct weft_nft_config config = weft_nft_config_default();
	g_autoptr(GArray) rules = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_rule));

	for (unsigned i = 0; i < n; i++) {
		g_autofree char *text = g_strdup_printf("10.0.%u.%u/32", i / 256, i % 256);
		struct weft_nft_rule r = rule(WEFT_NFT_ACCEPT, text, IPPROTO_TCP, 80, 80);

		g_array_append_val(rules, r);
	}
	return compile(&config, rules);
}

static WeftNftTable *
table_of(struct fake *f)
{
	struct weft_nft_config config = weft_nft_config_default();

	return weft_nft_table_new(weft_nft_socket_new(&fake_transport, f, weft_env_system()),
				  &config);
}

static const GByteArray *
last_commit(const struct fake *f)
{
	return f->sent->pdata[f->sent->len - 1];
}

/* One datagram: markers around messages in sequence, the last of which is acknowledged. */
static void
test_a_transaction_is_well_formed(void)
{
	struct fake f;
	WeftNftTable *t;
	GError *error = NULL;
	const GByteArray *bytes;
	const struct nlmsghdr *msg;
	unsigned acks = 0, n = 0;
	uint32_t seq;
	int left;

	fake_init(&f);
	t = table_of(&f);
	g_assert_true(weft_nft_table_apply(t, model_of(5000), NULL, &error));
	bytes = last_commit(&f);
	msg = (const void *) bytes->data;
	left = (int) bytes->len;
	g_assert_cmpint(msg->nlmsg_type, ==, NFNL_MSG_BATCH_BEGIN);
	seq = msg->nlmsg_seq;
	for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left), n++) {
		const struct nfgenmsg *gen = mnl_nlmsg_get_payload(msg);

		g_assert_cmpuint(msg->nlmsg_seq, ==, seq++);
		g_assert_cmpuint(msg->nlmsg_len, <=, 65535);
		acks += (msg->nlmsg_flags & NLM_F_ACK) != 0;
		if (left > (int) NLMSG_ALIGN(msg->nlmsg_len) && n > 0) {
			g_assert_cmpint(msg->nlmsg_type >> 8, ==, NFNL_SUBSYS_NFTABLES);
			g_assert_cmpint(gen->nfgen_family, ==, NFPROTO_INET);
		} else {
			g_assert_cmpint(msg->nlmsg_type, ==,
					n == 0 ? NFNL_MSG_BATCH_BEGIN : NFNL_MSG_BATCH_END);
		}
	}
	g_assert_cmpint(left, ==, 0);
	g_assert_cmpuint(acks, ==, 1);
	g_assert_cmpuint(n, >, 50);
	weft_nft_table_free(t);
	fake_clear(&f);
}

/* Every error of the kernel at the beginning, in the middle and at the end. */
static void
test_errors_of_the_kernel_are_told(void)
{
	static const struct {
		int err;
		enum weft_nft_error code;
		unsigned commits; /* 10: tried again */
	} rows[] = {
		{ EPERM, WEFT_NFT_ERROR_PERMISSION, 1 },
		{ ENOBUFS, WEFT_NFT_ERROR_NO_BUFFERS, 1 },
		{ ENOMEM, WEFT_NFT_ERROR_NO_BUFFERS, 1 },
		{ EBUSY, WEFT_NFT_ERROR_BUSY, 1 },
		{ EOPNOTSUPP, WEFT_NFT_ERROR_UNSUPPORTED, 1 },
		{ EEXIST, WEFT_NFT_ERROR_EXISTS, 1 },
		{ EINVAL, WEFT_NFT_ERROR_FAILED, 1 },
		{ ERESTART, WEFT_NFT_ERROR_INTERRUPTED, 10 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		for (unsigned at = 0; at < 60; at += 20) {
			struct fake f;
			WeftNftTable *t;
			GError *error = NULL;

			fake_init(&f);
			f.commit_error = rows[i].err;
			f.commit_fails_at = at;
			f.commit_errors_left = UINT_MAX;
			f.text = "because";
			t = table_of(&f);
			g_assert_false(weft_nft_table_apply(t, model_of(3), NULL, &error));
			g_assert_error(error, WEFT_NFT_ERROR, (int) rows[i].code);
			g_assert_true(g_str_has_prefix(error->message, "table inet weft: "));
			g_assert_nonnull(strstr(error->message, at == 0 ? "commit: " : "add "));
			g_assert_nonnull(strstr(error->message, "NETFILTER: because"));
			g_assert_cmpuint(f.commits, ==, rows[i].commits);
			g_assert_null(weft_nft_table_current(t));
			g_error_free(error);
			weft_nft_table_free(t);
			fake_clear(&f);
		}
	}
}

static void
test_a_collision_is_tried_again(void)
{
	struct fake f;
	WeftNftTable *t;
	struct weft_nft_applied applied;
	GError *error = NULL;

	fake_init(&f);
	f.commit_error = ERESTART;
	f.commit_errors_left = 3;
	t = table_of(&f);
	g_assert_true(weft_nft_table_apply(t, model_of(3), &applied, &error));
	g_assert_cmpuint(applied.tries, ==, 4);
	g_assert_nonnull(weft_nft_table_current(t));
	weft_nft_applied_clear(&applied);
	weft_nft_table_free(t);
	fake_clear(&f);
}

/* The kernel turns out not to hold what it should: the next transaction is a rebuild. */
static void
test_a_refused_difference_becomes_a_rebuild(void)
{
	static const int errors[] = { ENOENT, EEXIST, EBUSY, ENFILE };

	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		struct fake f;
		WeftNftTable *t;
		struct weft_nft_applied applied;
		GError *error = NULL;

		fake_init(&f);
		t = table_of(&f);
		g_assert_true(weft_nft_table_apply(t, model_of(3), NULL, &error));
		f.commit_error = errors[i];
		f.commit_fails_at = 1;
		f.commit_errors_left = 1;
		g_assert_true(weft_nft_table_apply(t, model_of(4), &applied, &error));
		g_assert_true(applied.rebuilt);
		g_assert_cmpuint(f.commits, ==, 3);
		weft_nft_applied_clear(&applied);
		weft_nft_table_free(t);
		fake_clear(&f);
	}
}

/* Whether a transaction is in force that was not answered is unknown: the next one reads first. */
static void
test_silence_and_overrun_leave_the_state_unknown(void)
{
	static const struct {
		int empty, send_error;
		enum weft_nft_error code;
	} rows[] = { { -EAGAIN, 0, WEFT_NFT_ERROR_TIMEOUT },
		     { -ENOBUFS, 0, WEFT_NFT_ERROR_NO_BUFFERS },
		     { -EMSGSIZE, 0, WEFT_NFT_ERROR_PROTOCOL },
		     { 0, -EMSGSIZE, WEFT_NFT_ERROR_NO_BUFFERS },
		     { 0, -ENOBUFS, WEFT_NFT_ERROR_NO_BUFFERS } };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct fake f;
		WeftNftTable *t;
		GError *error = NULL;

		fake_init(&f);
		t = table_of(&f);
		g_assert_true(weft_nft_table_apply(t, model_of(3), NULL, &error));
		g_assert_nonnull(weft_nft_table_current(t));
		f.silent = rows[i].empty != 0;
		f.empty = rows[i].empty;
		f.send_error = rows[i].send_error;
		g_assert_false(weft_nft_table_apply(t, model_of(4), NULL, &error));
		g_assert_error(error, WEFT_NFT_ERROR, (int) rows[i].code);
		g_assert_null(weft_nft_table_current(t));
		g_error_free(error);
		weft_nft_table_free(t);
		fake_clear(&f);
	}
}

static void
answer_odd_counter(struct fake *f, const struct nlmsghdr *request)
{
	_Alignas(struct nlmsghdr) uint8_t buf[256];
	struct nlmsghdr *msg =
		fake_begin_nft(buf, NFT_MSG_NEWOBJ, NLM_F_MULTI, request->nlmsg_seq, NFPROTO_INET);

	mnl_attr_put_strz(msg, NFTA_OBJ_TABLE, "weft");
	mnl_attr_put(msg, NFTA_OBJ_NAME, 3, "p_a");
	mnl_attr_put_u16(msg, NFTA_OBJ_TYPE, 1);
	mnl_attr_put_u8(msg, NFTA_OBJ_DATA, 1);
	fake_queue(f, msg, msg->nlmsg_len);
	fake_done(f, request->nlmsg_seq, 0);
}

static void
on_count(const struct weft_nft_count *count, void *user)
{
	g_assert_not_reached();
}

/* Attributes of unexpected lengths are as good as missing, not the end of the process. */
static void
test_odd_attributes_are_survived(void)
{
	struct fake f;
	WeftNftTable *t;
	GError *error = NULL;

	fake_init(&f);
	f.answer = answer_odd_counter;
	t = table_of(&f);
	g_assert_true(weft_nft_table_counts(t, on_count, NULL, &error));
	weft_nft_table_free(t);
	fake_clear(&f);
}

static void
test_rules_for_another_table_are_refused(void)
{
	struct fake f;
	WeftNftTable *t;
	struct weft_nft_config config = weft_nft_config_default();
	GError *error = NULL;

	fake_init(&f);
	t = table_of(&f);
	strcpy(config.table, "other");
	g_assert_false(weft_nft_table_apply(t, weft_nft_compile(&config, NULL, 0, NULL, NULL), NULL,
					    &error));
	g_assert_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INVALID);
	g_assert_cmpuint(f.sent->len, ==, 0);
	g_error_free(error);
	weft_nft_table_free(t);
	fake_clear(&f);
}

static void
test_removing_nothing_is_no_error(void)
{
	struct fake f;
	WeftNftTable *t;
	GError *error = NULL;

	fake_init(&f);
	t = table_of(&f);
	g_assert_true(weft_nft_table_remove(t, &error));
	g_assert_cmpuint(f.commits, ==, 0);
	weft_nft_table_free(t);
	fake_clear(&f);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nftables/table/a-transaction-is-well-formed",
			test_a_transaction_is_well_formed);
	g_test_add_func("/nftables/table/errors-of-the-kernel-are-told",
			test_errors_of_the_kernel_are_told);
	g_test_add_func("/nftables/table/a-collision-is-tried-again",
			test_a_collision_is_tried_again);
	g_test_add_func("/nftables/table/a-refused-difference-becomes-a-rebuild",
			test_a_refused_difference_becomes_a_rebuild);
	g_test_add_func("/nftables/table/silence-and-overrun-leave-the-state-unknown",
			test_silence_and_overrun_leave_the_state_unknown);
	g_test_add_func("/nftables/table/odd-attributes-are-survived",
			test_odd_attributes_are_survived);
	g_test_add_func("/nftables/table/rules-for-another-table-are-refused",
			test_rules_for_another_table_are_refused);
	g_test_add_func("/nftables/table/removing-nothing-is-no-error",
			test_removing_nothing_is_no_error);
	return g_test_run();
}
