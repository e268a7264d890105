/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake.h"

#include "netlink/error.h"
#include "netlink/limits.h"

#include <errno.h>
#include <string.h>

#define REPLY 100 /* a message type of no meaning */

static bool
count_reply(const struct nlmsghdr *msg, void *user, GError **error)
{
	unsigned *n = user;

	g_assert_cmpuint(msg->nlmsg_type, ==, REPLY);
	(*n)++;
	return true;
}

static void
reset_count(void *user)
{
	unsigned *n = user;

	*n = 0;
}

static struct nlmsghdr
request(void)
{
	return (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = REPLY };
}

static bool
ask(struct fake *f, unsigned *n, GError **error)
{
	struct nlmsghdr msg = request();
	g_autoptr(WeftNlSocket) s = fake_socket(f, WEFT_NL_BUS_ROUTE);

	return weft_nl_socket_request(s, &msg, n != NULL ? count_reply : NULL, n, error);
}

static bool
dump(struct fake *f, unsigned *n, GError **error)
{
	struct nlmsghdr msg = request();
	const struct weft_nl_dump d = { .reply = count_reply, .restart = reset_count, .user = n };
	g_autoptr(WeftNlSocket) s = fake_socket(f, WEFT_NL_BUS_ROUTE);

	return weft_nl_socket_dump(s, &msg, &d, error);
}

static void
test_an_ack_is_a_success(void)
{
	struct fake *f = fake_new();
	g_autoptr(GError) error = NULL;
	struct nlmsghdr sent;

	fake_ack(f);
	g_assert_true(ask(f, NULL, &error));
	g_assert_no_error(error);
	memcpy(&sent, g_bytes_get_data(g_ptr_array_index(f->sent, 0), NULL), sizeof sent);
	g_assert_cmpuint(sent.nlmsg_flags, ==, NLM_F_REQUEST | NLM_F_ACK);
	fake_free(f);
}

static void
test_errors_of_the_kernel(void)
{
	static const struct {
		int err;
		const char *text;
		enum weft_nl_error code;
		const char *message;
	} rows[] = {
		{ EPERM, NULL, WEFT_NL_ERROR_PERMISSION,
		  "RTNETLINK: Operation not permitted (the capability CAP_NET_ADMIN is missing)" },
		{ EBUSY, NULL, WEFT_NL_ERROR_BUSY, "RTNETLINK: Device or resource busy" },
		{ EADDRINUSE, NULL, WEFT_NL_ERROR_BUSY, "RTNETLINK: Address already in use" },
		{ ENOBUFS, NULL, WEFT_NL_ERROR_NO_BUFFERS, "RTNETLINK: No buffer space available" },
		{ ENOMEM, NULL, WEFT_NL_ERROR_NO_BUFFERS, "RTNETLINK: Cannot allocate memory" },
		{ EEXIST, NULL, WEFT_NL_ERROR_EXISTS, "RTNETLINK: File exists" },
		{ ENODEV, NULL, WEFT_NL_ERROR_NOT_FOUND, "RTNETLINK: No such device" },
		{ ESRCH, "no", WEFT_NL_ERROR_NOT_FOUND, "RTNETLINK: no" },
		{ EOPNOTSUPP, "Unknown device type", WEFT_NL_ERROR_UNSUPPORTED,
		  "RTNETLINK: Unknown device type" },
		{ EINVAL, "Nexthop has invalid gateway", WEFT_NL_ERROR_FAILED,
		  "RTNETLINK: Nexthop has invalid gateway" },
		{ EINVAL, "bell\a and \xff", WEFT_NL_ERROR_FAILED, "RTNETLINK: bell? and ?" },
		{ EINVAL, "", WEFT_NL_ERROR_FAILED, "RTNETLINK: Invalid argument" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct fake *f = fake_new();
		g_autoptr(GError) error = NULL;

		fake_refuse(f, rows[i].err, rows[i].text);
		g_assert_false(ask(f, NULL, &error));
		g_assert_error(error, WEFT_NL_ERROR, (gint) rows[i].code);
		g_assert_cmpstr(error->message, ==, rows[i].message);
		fake_free(f);
	}
}

static void
test_failures_of_the_socket(void)
{
	static const struct {
		int err;
		enum weft_nl_error code;
	} rows[] = {
		{ -EAGAIN, WEFT_NL_ERROR_TIMEOUT },      { -ENOBUFS, WEFT_NL_ERROR_NO_BUFFERS },
		{ -EMSGSIZE, WEFT_NL_ERROR_PROTOCOL },   { -EPERM, WEFT_NL_ERROR_PERMISSION },
		{ -ECONNREFUSED, WEFT_NL_ERROR_FAILED },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct fake *f = fake_new();
		g_autoptr(GError) error = NULL;

		fake_errno(f, rows[i].err);
		g_assert_false(ask(f, NULL, &error));
		g_assert_error(error, WEFT_NL_ERROR, (gint) rows[i].code);
		fake_free(f);
	}
	for (size_t i = 1; i < G_N_ELEMENTS(rows); i++) {
		struct fake *f = fake_new();
		g_autoptr(GError) error = NULL;

		f->send_error = rows[i].err;
		g_assert_false(ask(f, NULL, &error));
		g_assert_error(error, WEFT_NL_ERROR, (gint) rows[i].code);
		fake_free(f);
	}
}

/* Every length up to the whole answer: never a success, never a crash. */
static void
test_truncated_answers(void)
{
	const struct nlmsgerr e = { .error = 0 };
	uint8_t whole[NLMSG_HDRLEN + sizeof e];
	const struct nlmsghdr header = { .nlmsg_len = sizeof whole, .nlmsg_type = NLMSG_ERROR };

	memcpy(whole, &header, sizeof header);
	memcpy(whole + sizeof header, &e, sizeof e);
	for (size_t len = 1; len < sizeof whole; len++) {
		struct fake *f = fake_new();
		g_autoptr(GError) error = NULL;

		fake_raw(f, whole, len);
		g_assert_false(ask(f, NULL, &error));
		g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_PROTOCOL);
		fake_free(f);
	}
	/* A length that lies about the bytes that are there. */
	for (uint32_t claimed = 0; claimed < 3 * sizeof whole; claimed++) {
		struct fake *f = fake_new();
		g_autoptr(GError) error = NULL;

		if (claimed == sizeof whole)
			claimed++;
		memcpy(whole, &claimed, sizeof claimed);
		fake_raw(f, whole, sizeof whole);
		g_assert_false(ask(f, NULL, &error));
		g_assert_nonnull(error);
		fake_free(f);
	}
}

static void
test_answers_to_others_do_not_count(void)
{
	struct fake *f = fake_new();
	const struct nlmsgerr refused = { .error = -EINVAL };
	struct nlmsghdr *header;
	g_autoptr(GError) error = NULL;

	/* A late answer to the request before, and one to another port. */
	fake_begin(f);
	(void) fake_message(f, NLMSG_ERROR, 0, &refused, sizeof refused);
	header = (void *) f->open->data;
	header->nlmsg_seq = (uint32_t) -1;
	fake_end(f);
	fake_begin(f);
	(void) fake_message(f, NLMSG_ERROR, 0, &refused, sizeof refused);
	header = (void *) f->open->data;
	header->nlmsg_pid = 1;
	fake_end(f);
	fake_ack(f);
	g_assert_true(ask(f, NULL, &error));
	g_assert_no_error(error);
	fake_free(f);
}

static void
test_sequences_start_at_random_and_go_on(void)
{
	uint32_t first[2];

	for (size_t i = 0; i < 2; i++) {
		struct fake *f = fake_new();
		WeftNlSocket *s = fake_socket(f, WEFT_NL_BUS_ROUTE);
		struct nlmsghdr msg = request();

		fake_ack(f);
		g_assert_true(weft_nl_socket_request(s, &msg, NULL, NULL, NULL));
		first[i] = f->last_seq;
		fake_ack(f);
		g_assert_true(weft_nl_socket_request(s, &msg, NULL, NULL, NULL));
		g_assert_cmpuint(f->last_seq - first[i], <=, 2);
		g_assert_cmpuint(f->last_seq, !=, first[i]);
		weft_nl_socket_free(s);
		fake_free(f);
	}
	g_assert_cmpuint(first[0], !=, first[1]);
}

static void
test_an_unexpected_reply_is_a_protocol_error(void)
{
	struct fake *f = fake_new();
	g_autoptr(GError) error = NULL;

	fake_reply(f, REPLY, 0, NULL, 0);
	fake_ack(f);
	g_assert_false(ask(f, NULL, &error));
	g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_PROTOCOL);
	fake_free(f);
}

static void
test_a_dump_in_several_datagrams(void)
{
	struct fake *f = fake_new();
	unsigned n = 99;
	g_autoptr(GError) error = NULL;

	for (unsigned i = 0; i < 3; i++) {
		fake_begin(f);
		for (unsigned k = 0; k < 5; k++)
			(void) fake_message(f, REPLY, NLM_F_MULTI, "abc", k);
		fake_end(f);
	}
	fake_done(f, 0);
	g_assert_true(dump(f, &n, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(n, ==, 15);
	fake_free(f);
}

static void
test_an_interrupted_dump_starts_again(void)
{
	struct fake *f = fake_new();
	unsigned n = 99;
	g_autoptr(GError) error = NULL;

	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	fake_reply(f, REPLY, NLM_F_MULTI | NLM_F_DUMP_INTR, NULL, 0);
	fake_done(f, 0);
	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	fake_done(f, NLM_F_DUMP_INTR); /* told at the very end */
	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	fake_done(f, 0);
	g_assert_true(dump(f, &n, &error));
	g_assert_cmpuint(n, ==, 1);
	g_assert_cmpuint(f->sent->len, ==, 3);
	fake_free(f);
}

static void
test_a_dump_that_lost_a_part_starts_again(void)
{
	struct fake *f = fake_new();
	unsigned n = 0;

	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	fake_errno(f, -ENOBUFS);
	fake_done(f, 0);
	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	fake_done(f, 0);
	g_assert_true(dump(f, &n, NULL));
	g_assert_cmpuint(n, ==, 2);
	fake_free(f);
}

static void
test_a_dump_that_never_settles_is_given_up(void)
{
	struct fake *f = fake_new();
	unsigned n = 0;
	g_autoptr(GError) error = NULL;

	for (unsigned i = 0; i < WEFT_NL_DUMP_TRIES; i++)
		fake_done(f, NLM_F_DUMP_INTR);
	fake_done(f, 0);
	g_assert_false(dump(f, &n, &error));
	g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INTERRUPTED);
	g_assert_cmpuint(f->sent->len, ==, WEFT_NL_DUMP_TRIES);
	fake_free(f);
}

static void
test_a_dump_can_end_with_an_error(void)
{
	struct fake *f = fake_new();
	const int err = -ENODEV;
	unsigned n = 0;
	g_autoptr(GError) error = NULL;

	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	fake_reply(f, NLMSG_DONE, NLM_F_MULTI, &err, sizeof err);
	g_assert_false(dump(f, &n, &error));
	g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND);
	fake_free(f);
}

static void
test_a_dump_without_end_times_out(void)
{
	struct fake *f = fake_new();
	unsigned n = 0;
	g_autoptr(GError) error = NULL;

	fake_reply(f, REPLY, NLM_F_MULTI, NULL, 0);
	g_assert_false(dump(f, &n, &error));
	g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_TIMEOUT);
	fake_free(f);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
#define ADD(path, func) g_test_add_func("/netlink/sock/" path, func)
	ADD("an-ack-is-a-success", test_an_ack_is_a_success);
	ADD("errors-of-the-kernel", test_errors_of_the_kernel);
	ADD("failures-of-the-socket", test_failures_of_the_socket);
	ADD("truncated-answers", test_truncated_answers);
	ADD("answers-to-others-do-not-count", test_answers_to_others_do_not_count);
	ADD("sequences-start-at-random", test_sequences_start_at_random_and_go_on);
	ADD("an-unexpected-reply", test_an_unexpected_reply_is_a_protocol_error);
	ADD("a-dump-in-several-datagrams", test_a_dump_in_several_datagrams);
	ADD("an-interrupted-dump-starts-again", test_an_interrupted_dump_starts_again);
	ADD("a-dump-that-lost-a-part-starts-again", test_a_dump_that_lost_a_part_starts_again);
	ADD("a-dump-that-never-settles", test_a_dump_that_never_settles_is_given_up);
	ADD("a-dump-can-end-with-an-error", test_a_dump_can_end_with_an_error);
	ADD("a-dump-without-end-times-out", test_a_dump_without_end_times_out);
	return g_test_run();
}
