/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/log.h"

#include "base/env.h"
#include "base/glib/log_private.h"
#include "base/key.h"
#include "base/token.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A journal: a datagram socket in a directory of its own. */
struct journal {
	char *dir, *path;
	int fd;
};

static void
journal_init(struct journal *j)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	j->dir = g_dir_make_tmp("weft-log-XXXXXX", NULL);
	j->path = g_build_filename(j->dir, "socket", NULL);
	g_strlcpy(sa.sun_path, j->path, sizeof sa.sun_path);
	j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	g_assert_cmpint(bind(j->fd, (const struct sockaddr *) &sa, sizeof sa), ==, 0);
}

static void
journal_clear(struct journal *j)
{
	close(j->fd);
	g_remove(j->path);
	g_rmdir(j->dir);
	g_free(j->path);
	g_free(j->dir);
}

/* The next entry; NULL if there is none. */
static char *
journal_read(struct journal *j)
{
	char buf[65536];
	ssize_t n = recv(j->fd, buf, sizeof buf - 1, 0);

	if (n < 0)
		return NULL;
	buf[n] = '\0';
	return g_strdup(buf);
}

/* Standard error as a pipe whose text can be read. */
static int text_pipe[2];

static char *
text_read(void)
{
	char buf[65536];
	ssize_t n = read(text_pipe[0], buf, sizeof buf - 1);

	buf[MAX(n, 0)] = '\0';
	return g_strdup(buf);
}

static struct weft_env_fake fake;

static void
init_text(enum weft_log_level level)
{
	const struct weft_log_config config = {
		.identifier = "test",
		.level = level,
		.target = WEFT_LOG_TEXT,
		.text_fd = text_pipe[1],
		.env = &fake.env,
	};

	weft_log_init(&config);
}

static void
init_journal(struct journal *j)
{
	const struct weft_log_config config = {
		.identifier = "test",
		.level = WEFT_LOG_DEBUG,
		.target = WEFT_LOG_JOURNAL,
		.text_fd = text_pipe[1],
		.journal_socket = j->path,
		.env = &fake.env,
	};

	weft_log_init(&config);
}

static void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		g_error("'%s' is not in '%s'", part, text);
}

static void
test_text_line(void)
{
	g_autofree char *plain = NULL;
	g_autofree char *fields = NULL;

	init_text(WEFT_LOG_INFO);
	weft_log_info("hello %d", 5);
	plain = text_read();
	g_assert_cmpstr(plain, ==, "2001-09-09T01:46:40.000Z info: hello 5\n");
	weft_log_with(WEFT_LOG_NOTICE,
		      WEFT_FIELDS({ WEFT_LOG_PEER, "alice" }, { WEFT_LOG_PATH, NULL },
				  { WEFT_LOG_STATE_NEW, "di\nrect" },
				  { WEFT_LOG_MESSAGE_ID, "0123" }),
		      "moved");
	fields = text_read();
	g_assert_cmpstr(
		fields, ==,
		"2001-09-09T01:46:40.000Z notice: moved (peer=alice state_new=di\\nrect)\n");
}

static void
test_levels(void)
{
	g_autofree char *text = NULL;

	init_text(WEFT_LOG_WARNING);
	weft_log_debug("a");
	weft_log_info("b");
	weft_log_notice("c");
	weft_log_warning("d");
	weft_log_error("e");
	text = text_read();
	g_assert_cmpstr(text, ==,
			"2001-09-09T01:46:40.000Z warning: d\n2001-09-09T01:46:40.000Z error: e\n");
	weft_log_set_level(WEFT_LOG_DEBUG);
	g_assert_true(weft_log_enabled(WEFT_LOG_DEBUG));
	weft_log_set_level(WEFT_LOG_ERROR);
	g_assert_false(weft_log_enabled(WEFT_LOG_WARNING));
}

static void
test_level_names(void)
{
	enum weft_log_level level;

	for (unsigned i = 0; i < WEFT_LOG_LEVEL_COUNT_; i++) {
		g_assert_true(weft_log_level_from_name(&level, weft_log_level_names[i]));
		g_assert_cmpuint(level, ==, i);
	}
	g_assert_false(weft_log_level_from_name(&level, "loud"));
	g_assert_null(weft_log_level_names[WEFT_LOG_LEVEL_COUNT_]);
}

static void
test_nobody_forges_a_line(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "a\nb", "a\\nb" },
		{ "a\r\x1b[31m\x7f", "a\\x0d\\x1b[31m\\x7f" },
		{ "\xff\xc3", "\\xff\\xc3" },
		{ "\xc2\x9b", "\\xc2\\x9b" },          /* C1 control: CSI */
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae" }, /* right-to-left override */
		{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8" }, /* line separator */
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GString) out = g_string_new(NULL);

		weft_log_escape(out, rows[i].in, -1);
		g_assert_cmpstr(out->str, ==, rows[i].out);
	}
}

static void
test_journal_entry(void)
{
	struct journal j;
	g_autofree char *entry = NULL;

	journal_init(&j);
	init_journal(&j);
	weft_log_with(WEFT_LOG_ERROR,
		      WEFT_FIELDS({ WEFT_LOG_PEER, "alice" }, { WEFT_LOG_MESSAGE_ID, "0123" }),
		      "no\nroute");
	entry = journal_read(&j);
	g_assert_nonnull(entry);
	assert_has(entry, "MESSAGE=no\\nroute\n");
	assert_has(entry, "PRIORITY=3\n");
	assert_has(entry, "WEFT_PEER=alice\n");
	assert_has(entry, "MESSAGE_ID=0123\n");
	assert_has(entry, "SYSLOG_IDENTIFIER=test\n");
	assert_has(entry, "CODE_FUNC=test_journal_entry\n");
	assert_has(entry, "test-log.c\nCODE_LINE=");
	g_assert_null(strstr(strstr(entry, "PRIORITY=") + 1, "PRIORITY="));
	journal_clear(&j);
}

static void
test_journal_values_with_newlines_carry_their_length(void)
{
	const GLogField fields[] = { { "A", "x\ny", -1 }, { "B", "zz", 1 } };
	g_autoptr(GString) out = g_string_new(NULL);

	weft_log_format_journal(out, fields, 2);
	g_assert_cmpmem(out->str, out->len, "A\n\3\0\0\0\0\0\0\0x\ny\nB=z\n", 18);
}

static void
test_glib_messages_come_too(void)
{
	struct journal j;
	g_autofree char *entry = NULL;

	journal_init(&j);
	init_journal(&j);
	g_log("Other", G_LOG_LEVEL_MESSAGE, "from %s", "elsewhere");
	entry = journal_read(&j);
	g_assert_nonnull(entry);
	assert_has(entry, "from elsewhere");
	assert_has(entry, "GLIB_DOMAIN=Other\n");
	journal_clear(&j);
}

static void
test_text_when_the_journal_is_gone(void)
{
	struct journal j;
	g_autofree char *text = NULL;

	journal_init(&j);
	init_journal(&j);
	g_remove(j.path);
	weft_log_warning("still here");
	text = text_read();
	assert_has(text, "warning: still here\n");
	journal_clear(&j);
}

static void
test_a_full_pipe_loses_but_never_blocks(void)
{
	int pipe_fds[2];
	char fill[4096] = { 0 };
	uint64_t before = weft_log_lost();

	g_assert_cmpint(pipe(pipe_fds), ==, 0);
	g_assert_true(g_unix_set_fd_nonblocking(pipe_fds[1], TRUE, NULL));
	while (write(pipe_fds[1], fill, sizeof fill) > 0)
		;
	g_assert_true(g_unix_set_fd_nonblocking(pipe_fds[1], FALSE, NULL));
	weft_log_init(&(struct weft_log_config){ .level = WEFT_LOG_INFO,
						 .target = WEFT_LOG_TEXT,
						 .text_fd = pipe_fds[1],
						 .env = &fake.env });
	weft_log_info("lost");
	g_assert_cmpuint(weft_log_lost(), ==, before + 1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void
log_flood(int i)
{
	weft_log_limited(WEFT_LOG_WARNING, NULL, "flood %d", i);
}

static void
test_floods_are_held_back_per_place(void)
{
	g_autofree char *first = NULL;
	g_autofree char *later = NULL;
	g_autofree char *other = NULL;
	g_auto(GStrv) lines = NULL;

	init_text(WEFT_LOG_INFO);
	for (int i = 0; i < 100; i++)
		log_flood(i);
	first = text_read();
	lines = g_strsplit(first, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, WEFT_LOG_LIMIT_BURST + 1);
	weft_log_limited(WEFT_LOG_WARNING, NULL, "another place");
	other = text_read();
	assert_has(other, "another place\n");
	weft_env_fake_advance(&fake, WEFT_LOG_LIMIT_INTERVAL_US);
	log_flood(100);
	later = text_read();
	assert_has(later, "flood 100 [95 like this were held back]\n");
}

static void
test_limit_windows(void)
{
	struct weft_log_limit limit = { 0 };
	uint32_t held = 0;

	for (unsigned i = 0; i < WEFT_LOG_LIMIT_BURST; i++)
		g_assert_true(weft_log_limit_pass(&limit, 5, &held));
	g_assert_false(weft_log_limit_pass(&limit, 6, &held));
	g_assert_false(weft_log_limit_pass(&limit, 4 + WEFT_LOG_LIMIT_INTERVAL_US, &held));
	g_assert_true(weft_log_limit_pass(&limit, 5 + WEFT_LOG_LIMIT_INTERVAL_US, &held));
	g_assert_cmpuint(held, ==, 2);
	g_assert_true(weft_log_limit_pass(&limit, 6 + WEFT_LOG_LIMIT_INTERVAL_US, &held));
	g_assert_cmpuint(held, ==, 0);
}

static void
test_long_messages_are_cut_between_characters(void)
{
	g_autoptr(GString) text = g_string_new("x");
	g_autofree char *line = NULL;

	for (unsigned i = 0; i < 10000; i++)
		g_string_append(text, "\xc3\xa4");
	init_text(WEFT_LOG_INFO);
	weft_log_info("%s", text->str);
	line = text_read();
	g_assert_true(g_utf8_validate(line, -1, NULL));
	g_assert_null(strstr(line, "\\x"));
	g_assert_true(g_str_has_suffix(line, "...\n"));
	g_assert_cmpuint(strlen(line), <, 8300);
}

static void
test_secrets_show_as_stars(void)
{
	const struct weft_secret secret = { .p = (const uint8_t *) "hunter2", .len = 7 };
	const struct weft_secret empty = { 0 };
	struct weft_key key = { .b = { 1, 2, 3 } };
	g_autofree char *line = NULL;

	init_text(WEFT_LOG_INFO);
	weft_log_info("secret %s, %s, key %s", weft_log_secret(&secret), weft_log_secret(&empty),
		      weft_log_key(&key).s);
	line = text_read();
	assert_has(line, "secret ***, (none), key ...AAAAAAA=\n");
	g_assert_null(strstr(line, "hunter2"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	weft_env_fake_init(&fake, 1);
	fake.now_us = G_USEC_PER_SEC;
	fake.wall_us = G_GINT64_CONSTANT(1000000000) * G_USEC_PER_SEC;
	g_assert_cmpint(pipe(text_pipe), ==, 0);
	g_test_add_func("/base-glib/log/text-line", test_text_line);
	g_test_add_func("/base-glib/log/levels", test_levels);
	g_test_add_func("/base-glib/log/level-names", test_level_names);
	g_test_add_func("/base-glib/log/nobody-forges-a-line", test_nobody_forges_a_line);
	g_test_add_func("/base-glib/log/journal-entry", test_journal_entry);
	g_test_add_func("/base-glib/log/journal-values-with-newlines-carry-their-length",
			test_journal_values_with_newlines_carry_their_length);
	g_test_add_func("/base-glib/log/glib-messages-come-too", test_glib_messages_come_too);
	g_test_add_func("/base-glib/log/text-when-the-journal-is-gone",
			test_text_when_the_journal_is_gone);
	g_test_add_func("/base-glib/log/a-full-pipe-loses-but-never-blocks",
			test_a_full_pipe_loses_but_never_blocks);
	g_test_add_func("/base-glib/log/floods-are-held-back-per-place",
			test_floods_are_held_back_per_place);
	g_test_add_func("/base-glib/log/limit-windows", test_limit_windows);
	g_test_add_func("/base-glib/log/long-messages-are-cut-between-characters",
			test_long_messages_are_cut_between_characters);
	g_test_add_func("/base-glib/log/secrets-show-as-stars", test_secrets_show_as_stars);
	return g_test_run();
}
