/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/wg-uapi.h"

#include "base/hash.h"
#include "netlink/error.h"
#include "netlink/limits.h"
#include "netlink/link.h"
#include "netlink/wg-uapi-start.h"
#include "netlink/wg-uapi-text.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WHO           "wireguard-go"
#define SUFFIX        ".sock"
#define FIRST_READ    65536
#define STOP_STEP_MS  10
#define STOP_LIMIT_MS 2000

struct uapi {
	char *dir;
	char *program;
	unsigned timeout_ms;
	WeftNlSocket *route;
};

/* What a socket answered; may hold keys. */
struct reply {
	char *text;
	size_t len;
	size_t size;
};

static void
reply_clear(struct reply *r)
{
	if (r->text != NULL)
		weft_wipe(r->text, r->size);
	g_free(r->text);
}

/* realloc() would leave keys behind. */
static void
reply_grow(struct reply *r)
{
	size_t size = r->size == 0 ? FIRST_READ : 2 * r->size;
	char *text = g_malloc(size);

	if (r->len > 0)
		memcpy(text, r->text, r->len);
	reply_clear(r);
	r->text = text;
	r->size = size;
}

/* 0 or errno. */
static int
send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0) {
			text += n;
			len -= (size_t) n;
		}
	}
	return 0;
}

/* Reads up to the empty line that ends an answer. 0 or errno. */
static int
read_reply(int fd, struct reply *r)
{
	while (r->len < 2 || memcmp(r->text + r->len - 2, "\n\n", 2) != 0) {
		ssize_t n;

		if (r->len == r->size) {
			if (r->size >= WEFT_NL_LIMIT_UAPI_REPLY)
				return EMSGSIZE;
			reply_grow(r);
		}
		n = recv(fd, r->text + r->len, r->size - r->len, 0);
		if (n == 0)
			return EBADMSG;
		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0)
			r->len += (size_t) n;
	}
	return 0;
}

static char *
socket_path(const struct uapi *u, const char *name)
{
	return g_strdup_printf("%s/%s" SUFFIX, u->dir, name);
}

static bool
connect_failed(int err, GError **error)
{
	if (err == EACCES)
		err = EPERM;
	if (err == ECONNREFUSED)
		weft_nl_error_set(error, WHO, ENOENT, "nobody listens behind its socket");
	else
		weft_nl_error_set(error, WHO, err, err == ENOENT ? "it has no socket" : NULL);
	return false;
}

/* One request and its answer; @dev NULL: the answer is a number only. */
static bool
exchange(const struct uapi *u,
	 const char *name,
	 const struct weft_bytes *request,
	 struct weft_nl_wg_device *dev,
	 GError **error)
{
	g_autofree char *path = socket_path(u, name);
	struct reply reply = { 0 };
	int fd = weft_nl_uapi_connect(path, u->timeout_ms);
	enum weft_nl_uapi_status status = WEFT_NL_UAPI_REFUSED;
	int err;

	if (fd < 0)
		return connect_failed(-fd, error);
	err = send_all(fd, request->p, request->len);
	if (err == 0)
		err = read_reply(fd, &reply);
	if (err == 0)
		status = weft_nl_uapi_parse(dev, reply.text, reply.len, &err);
	(void) close(fd); /* the answer is complete, or given up */
	reply_clear(&reply);
	if (status == WEFT_NL_UAPI_OK)
		return true;
	if (status == WEFT_NL_UAPI_MALFORMED)
		weft_nl_error_set(error, WHO, EBADMSG, "a malformed answer");
	else
		weft_nl_error_set(error, WHO, err, err == EAGAIN ? "no answer in time" : NULL);
	return false;
}

static bool
uapi_set(void *self, const char *name, const struct weft_nl_wg_set *set, GError **error)
{
	size_t len;
	char *text = weft_nl_uapi_format_set(set, &len);
	const struct weft_bytes request = { text, len };
	bool ok = exchange(self, name, &request, NULL, error);

	weft_wipe(text, len);
	g_free(text);
	return ok;
}

static struct weft_nl_wg_device *
uapi_get(void *self, const char *name, GError **error)
{
	static const char text[] = "get=1\n\n";
	const struct weft_bytes request = { text, sizeof text - 1 };
	const struct uapi *u = self;
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new(name);
	struct weft_nl_link link;

	if (!exchange(u, name, &request, dev, error) ||
	    !weft_nl_link_get(u->route, name, &link, error))
		return NULL;
	dev->ifindex = link.ifindex;
	weft_nl_wg_device_sort(dev);
	return g_steal_pointer(&dev);
}

static bool
refuse(const struct weft_nl_link *link, GError **error)
{
	g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_FOREIGN,
		    "the name is taken by a link of someone else (kind %s, not marked as ours)",
		    link->kind[0] != '\0' ? link->kind : "hardware");
	return false;
}

static bool
adopt(struct uapi *u, const struct weft_nl_link *link, GError **error)
{
	g_autoptr(WeftNlWgDevice) dev = NULL;
	g_autoptr(GError) e = NULL;

	if (strcmp(link->kind, "tun") != 0)
		return refuse(link, error);
	dev = uapi_get(u, link->name, &e);
	if (dev == NULL && g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND))
		return refuse(link, error); /* some other program's tun device */
	if (dev == NULL) {
		g_propagate_error(error, g_steal_pointer(&e));
		return false;
	}
	if (weft_nl_link_is_ours(link))
		return true;
	if (!weft_nl_wg_device_is_blank(dev))
		return refuse(link, error); /* made and configured by `wg` */
	return weft_nl_link_set_alias(u->route, link, WEFT_NL_LINK_MARK, error);
}

static bool
start_program(struct uapi *u, const char *name, GError **error)
{
	g_autofree char *socket = socket_path(u, name);
	const struct weft_nl_uapi_start s = { .program = u->program,
					      .name = name,
					      .dir = u->dir,
					      .socket = socket,
					      .timeout_ms = u->timeout_ms };
	struct weft_nl_link link;

	return weft_nl_uapi_start(&s, error) && weft_nl_link_get(u->route, name, &link, error) &&
	       weft_nl_link_set_alias(u->route, &link, WEFT_NL_LINK_MARK, error);
}

static bool
uapi_create(void *self, const char *name, enum weft_nl_wg_created *ret, GError **error)
{
	struct uapi *u = self;
	struct weft_nl_link link;
	g_autoptr(GError) e = NULL;

	if (weft_nl_link_get(u->route, name, &link, &e)) {
		*ret = WEFT_NL_WG_ADOPTED;
		return adopt(u, &link, error);
	}
	if (!g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&e));
		return false;
	}
	*ret = WEFT_NL_WG_CREATED;
	return start_program(u, name, error);
}

/* Whether the link went within the time that the program needs to end. */
static bool
wait_until_gone(struct uapi *u, const char *name)
{
	int64_t deadline = g_get_monotonic_time() + STOP_LIMIT_MS * 1000;
	struct weft_nl_link link;

	while (weft_nl_link_get(u->route, name, &link, NULL)) {
		if (g_get_monotonic_time() > deadline)
			return false;
		(void) poll(NULL, 0, STOP_STEP_MS); /* only a pause */
	}
	return true;
}

/* The program ends when its socket is taken away, and its link with it. */
static bool
uapi_destroy(void *self, const char *name, GError **error)
{
	struct uapi *u = self;
	g_autofree char *path = socket_path(u, name);
	struct weft_nl_link link;

	if (!weft_nl_link_get(u->route, name, &link, error))
		return false;
	if (strcmp(link.kind, "tun") != 0 || !weft_nl_link_is_ours(&link))
		return refuse(&link, error);
	if (unlink(path) == 0 && wait_until_gone(u, name))
		return true;
	return weft_nl_link_delete(u->route, &link, error);
}

static char **
uapi_list(void *self, GError **error)
{
	const struct uapi *u = self;
	g_autoptr(GStrvBuilder) names = g_strv_builder_new();
	g_autoptr(GDir) dir = g_dir_open(u->dir, 0, NULL);
	const char *entry;

	/* Without the directory there was never a device. */
	while (dir != NULL && (entry = g_dir_read_name(dir)) != NULL) {
		g_autofree char *name = NULL;

		if (!g_str_has_suffix(entry, SUFFIX))
			continue;
		name = g_strndup(entry, strlen(entry) - strlen(SUFFIX));
		if (weft_nl_link_name_ok(name))
			g_strv_builder_add(names, name);
	}
	return g_strv_builder_end(names);
}

static void
uapi_free(void *self)
{
	struct uapi *u = self;

	weft_nl_socket_free(u->route);
	g_free(u->dir);
	g_free(u->program);
	g_free(u);
}

static const struct weft_nl_wg_ops uapi_ops = {
	.name = "wireguard-go",
	.create = uapi_create,
	.destroy = uapi_destroy,
	.set = uapi_set,
	.get = uapi_get,
	.list = uapi_list,
	.free = uapi_free,
};

WeftNlWg *
weft_nl_wg_uapi_new(const struct weft_nl_wg_config *config, WeftNlSocket *route)
{
	const char *program = config->uapi_program != NULL ? config->uapi_program : WHO;
	struct uapi *u = g_new(struct uapi, 1);

	*u = (struct uapi){
		.dir = g_strdup(config->uapi_dir != NULL ? config->uapi_dir : WEFT_NL_WG_UAPI_DIR),
		.program = g_find_program_in_path(program),
		.timeout_ms = config->uapi_start_timeout_ms != 0 ? config->uapi_start_timeout_ms
								 : WEFT_NL_TIMEOUT_MS,
		.route = route,
	};
	return weft_nl_wg_new(&uapi_ops, u);
}

WeftNlWg *
weft_nl_wg_uapi_open(const struct weft_nl_wg_config *config, GError **error)
{
	const char *program = config->uapi_program != NULL ? config->uapi_program : WHO;
	g_autofree char *found = g_find_program_in_path(program);
	WeftNlSocket *route;

	if (found == NULL) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_UNSUPPORTED,
			    "the program %s is not installed", program);
		return NULL;
	}
	route = weft_nl_socket_open(WEFT_NL_BUS_ROUTE, config->env, error);
	return route != NULL ? weft_nl_wg_uapi_new(config, route) : NULL;
}
