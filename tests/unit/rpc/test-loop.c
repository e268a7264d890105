/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WEFT_RPC_DELIVER_LOOP: other sources of the context live as before. */
#include "rpc/runtime.h"

#include "base/glib/source.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
	WeftRpcRuntime *rt;
	unsigned n;
};

static void
set_up(struct fixture *f, gconstpointer data)
{
	const struct weft_rpc_runtime_config config = { .delivery = WEFT_RPC_DELIVER_LOOP };

	f->rt = weft_rpc_runtime_new(&config, NULL);
	g_assert_nonnull(f->rt);
}

static void
tear_down(struct fixture *f, gconstpointer data)
{
	weft_rpc_runtime_free(f->rt);
}

static gboolean
on_readable(int fd, GIOCondition condition, gpointer user)
{
	struct fixture *f = user;
	char buf[16];

	g_assert_cmpint(read(fd, buf, sizeof buf), >, 0);
	f->n++;
	return G_SOURCE_CONTINUE;
}

static void *
write_later(void *user)
{
	int fd = GPOINTER_TO_INT(user);

	/* Not for the test's sake: so that the context is asleep most of the time. */
	g_usleep(2000);
	g_assert_cmpint(write(fd, "x", 1), ==, 1);
	return NULL;
}

static void
wait_for(const struct fixture *f, unsigned n)
{
	int64_t deadline_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

	while (f->n < n) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline_us);
		g_main_context_iteration(NULL, TRUE);
	}
}

static void
test_descriptor_wakes_the_context(struct fixture *f, gconstpointer data)
{
	GSource *source;
	int fds[2];

	g_assert_cmpint(pipe2(fds, O_CLOEXEC | O_NONBLOCK), ==, 0);
	source = weft_source_fd(NULL, fds[0], G_IO_IN, on_readable, f);
	for (unsigned i = 0; i < 20; i++) {
		GThread *thread = g_thread_new("write", write_later, GINT_TO_POINTER(fds[1]));

		wait_for(f, i + 1);
		g_thread_join(thread);
	}
	weft_source_cancel(&source);
	close(fds[0]);
	close(fds[1]);
}

/* The same number becomes another file between two turns. */
static void
test_descriptor_whose_number_is_used_again(struct fixture *f, gconstpointer data)
{
	for (unsigned i = 0; i < 20; i++) {
		GSource *source;
		GThread *thread;
		int fds[2];

		g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
		source = weft_source_fd(NULL, fds[0], G_IO_IN, on_readable, f);
		thread = g_thread_new("write", write_later, GINT_TO_POINTER(fds[1]));
		wait_for(f, i + 1);
		g_thread_join(thread);
		weft_source_cancel(&source);
		close(fds[0]);
		close(fds[1]);
	}
}

/* A closed number whose file lives on must not keep the helper busy for ever. */
static void
test_descriptor_that_lives_on_elsewhere(struct fixture *f, gconstpointer data)
{
	GSource *source;
	GThread *thread;
	int fds[2], others[2], twin;

	g_assert_cmpint(pipe2(fds, O_CLOEXEC | O_NONBLOCK), ==, 0);
	g_assert_cmpint(pipe2(others, O_CLOEXEC | O_NONBLOCK), ==, 0);
	source = weft_source_fd(NULL, fds[0], G_IO_IN, on_readable, f);
	g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
	wait_for(f, 1);
	thread = g_thread_new("write", write_later, GINT_TO_POINTER(fds[1]));
	wait_for(f, 2);
	g_thread_join(thread);
	twin = dup(fds[0]);
	weft_source_cancel(&source);
	close(fds[0]);
	g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
	source = weft_source_fd(NULL, others[0], G_IO_IN, on_readable, f);
	thread = g_thread_new("write", write_later, GINT_TO_POINTER(others[1]));
	wait_for(f, 3);
	g_thread_join(thread);
	weft_source_cancel(&source);
	close(twin);
	close(fds[1]);
	close(others[0]);
	close(others[1]);
}

static gboolean
on_timeout(gpointer user)
{
	struct fixture *f = user;

	f->n++;
	return G_SOURCE_CONTINUE;
}

static void
test_timeouts(struct fixture *f, gconstpointer data)
{
	int64_t start_us = g_get_monotonic_time();
	GSource *source = weft_source_timeout_us(NULL, 5000, on_timeout, f);

	wait_for(f, 20);
	g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 20 * 5000 - 5000);
	weft_source_cancel(&source);
}

static gboolean
on_idle(gpointer user)
{
	struct fixture *f = user;

	return ++f->n < 1000;
}

static void
test_idle(struct fixture *f, gconstpointer data)
{
	GSource *source = weft_source_idle(NULL, on_idle, f);

	wait_for(f, 1000);
	weft_source_cancel(&source);
}

static void
count(void *data)
{
	struct fixture *f = data;

	f->n++;
}

static void *
invoke_later(void *user)
{
	struct fixture *f = user;

	g_usleep(2000);
	weft_rpc_runtime_invoke(f->rt, count, f);
	return NULL;
}

static void
test_other_threads(struct fixture *f, gconstpointer data)
{
	for (unsigned i = 0; i < 20; i++) {
		GThread *thread = g_thread_new("invoke", invoke_later, f);

		wait_for(f, i + 1);
		g_thread_join(thread);
	}
}

static void *
attach_later(void *user)
{
	g_usleep(2000);
	g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, on_idle, user, NULL);
	return NULL;
}

static void
test_source_attached_by_another_thread(struct fixture *f, gconstpointer data)
{
	GThread *thread;

	f->n = 999; /* on_idle ends with the next */
	g_assert_true(g_main_context_acquire(NULL));
	thread = g_thread_new("attach", attach_later, f);
	wait_for(f, 1000);
	g_thread_join(thread);
	g_main_context_release(NULL);
}

static void
test_file_that_epoll_refuses(struct fixture *f, gconstpointer data)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	GSource *source, *timeout;

	g_assert_cmpint(fd, >=, 0);
	source = weft_source_fd(NULL, fd, 0, on_readable, f);
	timeout = weft_source_timeout_us(NULL, 30000, on_timeout, f);
	wait_for(f, 1);
	weft_source_cancel(&source);
	weft_source_cancel(&timeout);
	close(fd);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct fixture *f, gconstpointer data);
	} tests[] = {
		{ "descriptor-wakes-the-context", test_descriptor_wakes_the_context },
		{ "descriptor-whose-number-is-used-again",
		  test_descriptor_whose_number_is_used_again },
		{ "descriptor-that-lives-on-elsewhere", test_descriptor_that_lives_on_elsewhere },
		{ "timeouts", test_timeouts },
		{ "idle", test_idle },
		{ "other-threads", test_other_threads },
		{ "source-attached-by-another-thread", test_source_attached_by_another_thread },
		{ "file-that-epoll-refuses", test_file_that_epoll_refuses },
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("/rpc/loop/%s", tests[i].name);

		g_test_add(path, struct fixture, NULL, set_up, tests[i].run, tear_down);
	}
	return g_test_run();
}
