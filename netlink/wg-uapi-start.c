/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/wg-uapi-start.h"

#include "netlink/error.h"
#include "netlink/wg-uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the program may say; more is cut off, it outlives us and would fill memory. */
#define OUTPUT_SIZE  65536
#define OUTPUT_SHOWN 512

/* Between two looks at the socket. */
#define STEP_MS 10

/* What the starting process tells about the program it started. */
struct started {
	pid_t pid;
	int err; /* errno of the step that failed; then there is no program */
};

int
weft_nl_uapi_connect(const char *path, unsigned timeout_ms)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000,
					 .tv_usec = timeout_ms % 1000 * 1000 };
	struct ucred peer = { 0 };
	socklen_t len = sizeof peer;
	int fd;
	int err = 0;

	if (strlen(path) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0 ||
	    connect(fd, (const struct sockaddr *) &sa, sizeof sa) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		err = -errno;
	else if (peer.uid != 0 && peer.uid != geteuid())
		err = -EPERM; /* it would get our private key */
	if (err == 0)
		return fd;
	(void) close(fd); /* nothing was sent */
	return err;
}

/* A file of fixed size for the program's output. */
static int
output_file(void)
{
	int fd = memfd_create("wireguard-go output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (ftruncate(fd, OUTPUT_SIZE) < 0 ||
			fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)) {
		(void) close(fd); /* empty */
		return -1;
	}
	return fd;
}

/* The program's own directory becomes @dir, in its mount namespace only. */
static int
move_directory(const char *dir)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return errno;
	if (mkdir(WEFT_NL_WG_UAPI_DIR, 0700) < 0 && errno != EEXIST)
		return errno;
	return mount(dir, WEFT_NL_WG_UAPI_DIR, NULL, MS_BIND, NULL) < 0 ? errno : 0;
}

/* The argument of the forked processes: only calls that are allowed after fork() from here on. */
struct child {
	const char *program;
	char *const *argv;
	char *const *envp;
	const char *move_dir; /* NULL: it stays where it is */
	int null;
	int output;
	int report; /* struct started goes there */
};

static void
report(const struct child *c, struct started started)
{
	ssize_t n;

	do {
		n = write(c->report, &started, sizeof started);
	} while (n < 0 && errno == EINTR);
}

/* The process that becomes the program. */
static G_GNUC_NORETURN void
run_program(const struct child *c)
{
	sigset_t none;
	int err = 0;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || chdir("/") < 0 ||
	    dup2(c->null, STDIN_FILENO) < 0 || dup2(c->output, STDOUT_FILENO) < 0 ||
	    dup2(c->output, STDERR_FILENO) < 0)
		err = errno;
	if (err == 0 && c->move_dir != NULL)
		err = move_directory(c->move_dir);
	if (err == 0) {
		report(c, (struct started){ .pid = getpid() });
		(void) execve(c->program, c->argv, c->envp); /* returns only on failure */
		err = errno;
	}
	report(c, (struct started){ .err = err });
	_exit(127);
}

/* The process between: a session without a terminal, whose leader goes at once. */
static G_GNUC_NORETURN void
run_between(const struct child *c)
{
	pid_t pid;

	if (setsid() < 0) {
		report(c, (struct started){ .err = errno });
		_exit(127);
	}
	pid = fork();
	if (pid == 0)
		run_program(c);
	if (pid < 0)
		report(c, (struct started){ .err = errno });
	_exit(0);
}

/* Reads what the children reported; the pipe closes with exec(). */
static struct started
read_reports(int fd)
{
	struct started started = { .err = ECHILD };
	struct started next;
	ssize_t n;

	for (;;) {
		n = read(fd, &next, sizeof next);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof next)
			return started;
		started = next;
	}
}

/* Forks twice. 0 and the program's pid, or errno. */
static int
spawn(struct child *c, pid_t *ret)
{
	struct started started;
	int pipe_fds[2];
	pid_t pid;
	int status;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return errno;
	c->report = pipe_fds[1];
	pid = fork();
	if (pid == 0)
		run_between(c);
	(void) close(pipe_fds[1]); /* so that the children's end is the last */
	if (pid < 0) {
		started = (struct started){ .err = errno };
	} else {
		started = read_reports(pipe_fds[0]);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	(void) close(pipe_fds[0]); /* read to its end */
	*ret = started.pid;
	return started.err;
}

/* The last lines of what the program said, on one line. "" if nothing. */
static char *
read_output(int fd)
{
	g_autofree char *text = g_malloc0(OUTPUT_SIZE + 1);
	ssize_t n = pread(fd, text, OUTPUT_SIZE, 0);
	size_t len;

	if (n <= 0)
		return g_strdup("");
	len = strnlen(text, (size_t) n);
	for (size_t i = 0; i < len; i++) {
		if (!g_ascii_isprint(text[i]))
			text[i] = ' ';
	}
	text[len] = '\0';
	return g_strdup(g_strstrip(text + (len > OUTPUT_SHOWN ? len - OUTPUT_SHOWN : 0)));
}

/* Waits for the socket or the end of the process. 0, ETIMEDOUT, or ECHILD if it ended. */
static int
wait_for_socket(const struct weft_nl_uapi_start *s, pid_t pid)
{
	int process = (int) syscall(SYS_pidfd_open, pid, 0);
	int64_t deadline = g_get_monotonic_time() + (int64_t) s->timeout_ms * 1000;
	int result = process < 0 ? ECHILD : -1;

	while (result < 0) {
		struct pollfd p = { .fd = process, .events = POLLIN };
		int fd = weft_nl_uapi_connect(s->socket, s->timeout_ms);

		if (fd >= 0) {
			(void) close(fd); /* it was only a question */
			result = 0;
		} else if (poll(&p, 1, STEP_MS) > 0) {
			result = ECHILD;
		} else if (g_get_monotonic_time() > deadline) {
			(void) syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0);
			result = ETIMEDOUT;
		}
	}
	if (process >= 0)
		(void) close(process); /* nothing to lose */
	return result;
}

static int
start(const struct weft_nl_uapi_start *s, int null, int output)
{
	char *argv[] = { (char *) s->program, (char *) "-f", (char *) s->name, NULL };
	g_auto(GStrv) envp = g_environ_setenv(g_get_environ(), "LOG_LEVEL", "error", TRUE);
	g_autofree char *dir = g_canonicalize_filename(s->dir, "/");
	struct child c = {
		.program = s->program, .argv = argv, .envp = envp, .null = null, .output = output
	};
	struct stat asked = { 0 };
	struct stat own = { 0 };
	pid_t pid = 0;
	int err;

	/* /var/run is /run: compare what the names lead to. */
	if (stat(dir, &asked) < 0)
		return errno;
	if (stat(WEFT_NL_WG_UAPI_DIR, &own) < 0 || asked.st_dev != own.st_dev ||
	    asked.st_ino != own.st_ino)
		c.move_dir = dir;
	err = spawn(&c, &pid);
	return err != 0 ? err : wait_for_socket(s, pid);
}

bool
weft_nl_uapi_start(const struct weft_nl_uapi_start *s, GError **error)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int output = output_file();
	g_autofree char *said = NULL;
	int err;

	if (g_mkdir_with_parents(s->dir, 0700) < 0 || null < 0 || output < 0)
		err = errno;
	else
		err = start(s, null, output);
	if (err != 0) {
		weft_nl_error_set(error, "starting wireguard-go", err,
				  err == ECHILD ? "it ended at once" : NULL);
		said = output >= 0 ? read_output(output) : g_strdup("");
		if (said[0] != '\0' && error != NULL)
			g_prefix_error(error, "(it said: %s) ", said);
	}
	if (null >= 0)
		(void) close(null); /* nothing to lose */
	if (output >= 0)
		(void) close(output); /* the program has its own */
	return err == 0;
}
