/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake.h"

#include "netlink/error.h"

#include <errno.h>
#include <string.h>

struct step {
	int err;       /* negative errno, or 0 */
	bool raw;      /* sequence and port stay as they are */
	GBytes *bytes; /* NULL with @err */
};

static void
step_free(void *p)
{
	struct step *s = p;

	if (s->bytes != NULL)
		g_bytes_unref(s->bytes);
	g_free(s);
}

struct fake *
fake_new(void)
{
	struct fake *f = g_new0(struct fake, 1);

	f->script = g_queue_new();
	f->sent = g_ptr_array_new_with_free_func((GDestroyNotify) g_bytes_unref);
	return f;
}

void
fake_free(struct fake *f)
{
	g_assert_true(f->closed);
	g_assert_null(f->open);
	g_queue_free_full(f->script, step_free);
	g_ptr_array_unref(f->sent);
	g_free(f);
}

static ssize_t
fake_send(void *user, const void *buf, size_t len)
{
	struct fake *f = user;
	struct nlmsghdr header;

	if (f->send_error != 0)
		return f->send_error;
	g_assert_cmpuint(len, >=, sizeof header);
	memcpy(&header, buf, sizeof header);
	g_assert_cmpuint(header.nlmsg_len, ==, len);
	g_assert_cmpuint(header.nlmsg_pid, ==, FAKE_PORT);
	f->last_seq = header.nlmsg_seq;
	g_ptr_array_add(f->sent, g_bytes_new(buf, len));
	return (ssize_t) len;
}

/* Gives every whole message the request's sequence and our port. */
static void
stamp(const struct fake *f, uint8_t *data, size_t len)
{
	struct nlmsghdr header;

	for (size_t pos = 0; pos + sizeof header <= len; pos += NLMSG_ALIGN(header.nlmsg_len)) {
		memcpy(&header, data + pos, sizeof header);
		header.nlmsg_seq += f->last_seq;
		header.nlmsg_pid += FAKE_PORT;
		memcpy(data + pos, &header, sizeof header);
	}
}

static ssize_t
fake_recv(void *user, void *buf, size_t size, int timeout_ms)
{
	struct fake *f = user;
	struct step *s = g_queue_pop_head(f->script);
	ssize_t n = -EAGAIN;

	if (s == NULL)
		return n;
	if (s->err != 0) {
		n = s->err;
	} else {
		gsize len;
		const void *data = g_bytes_get_data(s->bytes, &len);

		n = len > size ? -EMSGSIZE : (ssize_t) len;
		if (n > 0)
			memcpy(buf, data, len);
		if (n > 0 && !s->raw)
			stamp(f, buf, len);
	}
	step_free(s);
	return n;
}

static uint32_t
fake_port_id(void *user)
{
	return FAKE_PORT;
}

static int
fake_fd(void *user)
{
	return -1;
}

static void
fake_close(void *user)
{
	struct fake *f = user;

	g_assert_false(f->closed);
	f->closed = true;
}

const struct weft_nl_transport *
fake_transport(void)
{
	static const struct weft_nl_transport transport = {
		.send = fake_send,
		.recv = fake_recv,
		.port_id = fake_port_id,
		.fd = fake_fd,
		.close = fake_close,
	};

	return &transport;
}

WeftNlSocket *
fake_socket(struct fake *f, enum weft_nl_bus bus)
{
	return weft_nl_socket_new(bus, fake_transport(), f, weft_env_system());
}

static void
push(struct fake *f, int err, bool raw, GBytes *bytes)
{
	struct step *s = g_new(struct step, 1);

	*s = (struct step){ .err = err, .raw = raw, .bytes = bytes };
	g_queue_push_tail(f->script, s);
}

void
fake_errno(struct fake *f, int negative_errno)
{
	push(f, negative_errno, true, NULL);
}

void
fake_raw(struct fake *f, const void *data, size_t len)
{
	push(f, 0, true, g_bytes_new(data, len));
}

void
fake_begin(struct fake *f)
{
	f->open = g_byte_array_new();
}

size_t
fake_message(struct fake *f, uint16_t type, uint16_t flags, const void *payload, size_t len)
{
	static const uint8_t zeros[4];
	const struct nlmsghdr header = { .nlmsg_len = (uint32_t) (sizeof header + len),
					 .nlmsg_type = type,
					 .nlmsg_flags = flags };
	size_t offset = f->open->len;

	g_byte_array_append(f->open, (const void *) &header, sizeof header);
	if (len > 0)
		g_byte_array_append(f->open, payload, (guint) len);
	g_byte_array_append(f->open, zeros, (guint) (NLMSG_ALIGN(len) - len));
	return offset;
}

void
fake_end(struct fake *f)
{
	push(f, 0, false, g_byte_array_free_to_bytes(g_steal_pointer(&f->open)));
}

void
fake_reply(struct fake *f, uint16_t type, uint16_t flags, const void *payload, size_t len)
{
	fake_begin(f);
	(void) fake_message(f, type, flags, payload, len);
	fake_end(f);
}

void
fake_ack(struct fake *f)
{
	const struct nlmsgerr e = { 0 };

	fake_reply(f, NLMSG_ERROR, NLM_F_CAPPED, &e, sizeof e);
}

void
fake_refuse(struct fake *f, int err, const char *text)
{
	const struct nlmsgerr e = { .error = -err };
	g_autoptr(GByteArray) a = g_byte_array_new();

	g_byte_array_append(a, (const void *) &e, sizeof e);
	if (text != NULL)
		fake_put(a, NLMSGERR_ATTR_MSG, text, strlen(text) + 1);
	fake_reply(f, NLMSG_ERROR, NLM_F_CAPPED | (text != NULL ? NLM_F_ACK_TLVS : 0), a->data,
		   a->len);
}

void
fake_done(struct fake *f, uint16_t flags)
{
	const int zero = 0;

	fake_reply(f, NLMSG_DONE, NLM_F_MULTI | flags, &zero, sizeof zero);
}

void
fake_empty(struct fake *f)
{
	fake_done(f, 0);
}

void
fake_put(GByteArray *a, uint16_t type, const void *data, size_t len)
{
	static const uint8_t zeros[4];
	const struct nlattr header = { .nla_len = (uint16_t) (sizeof header + len),
				       .nla_type = type };

	g_byte_array_append(a, (const void *) &header, sizeof header);
	if (len > 0)
		g_byte_array_append(a, data, (guint) len);
	g_byte_array_append(a, zeros, (guint) (NLA_ALIGN(len) - len));
}

void
fake_put_u32(GByteArray *a, uint16_t type, uint32_t v)
{
	fake_put(a, type, &v, sizeof v);
}

struct fake_nest
fake_nest(GByteArray *a, uint16_t type)
{
	struct fake_nest nest = { a->len };

	fake_put(a, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void
fake_nest_end(GByteArray *a, struct fake_nest nest)
{
	struct nlattr header;

	memcpy(&header, a->data + nest.offset, sizeof header);
	header.nla_len = (uint16_t) (a->len - nest.offset);
	memcpy(a->data + nest.offset, &header, sizeof header);
}

/* --- WireGuard */

struct fake_wg *
fake_wg_new(void)
{
	return g_new0(struct fake_wg, 1);
}

static bool
wg_create(void *self, const char *name, enum weft_nl_wg_created *ret, GError **error)
{
	struct fake_wg *w = self;

	if (w->fail != 0 || w->foreign) {
		g_set_error(error, WEFT_NL_ERROR,
			    (gint) (w->foreign ? WEFT_NL_ERROR_FOREIGN
					       : weft_nl_error_from_errno(w->fail)),
			    "refused");
		return false;
	}
	*ret = w->exists ? WEFT_NL_WG_ADOPTED : WEFT_NL_WG_CREATED;
	w->exists = true;
	g_strlcpy(w->dev.name, name, sizeof w->dev.name);
	return true;
}

static bool
wg_destroy(void *self, const char *name, GError **error)
{
	struct fake_wg *w = self;

	if (!w->exists) {
		weft_nl_error_set(error, "FAKE", ENODEV, NULL);
		return false;
	}
	weft_nl_wg_device_clear(&w->dev);
	w->exists = false;
	return true;
}

static struct weft_nl_wg_peer *
find_peer(struct weft_nl_wg_device *dev, const struct weft_key *key)
{
	for (size_t i = 0; i < dev->n_peers; i++) {
		if (memcmp(&dev->peers[i].public_key, key, sizeof *key) == 0)
			return &dev->peers[i];
	}
	return NULL;
}

static void
forget_allowed(struct weft_nl_wg_device *dev, const struct weft_prefix *p)
{
	for (size_t i = 0; i < dev->n_peers; i++) {
		struct weft_nl_wg_peer *peer = &dev->peers[i];
		size_t n = 0;

		for (size_t k = 0; k < peer->n_allowed; k++) {
			if (!weft_prefix_equal(&peer->allowed[k], p))
				peer->allowed[n++] = peer->allowed[k];
		}
		peer->n_allowed = n;
	}
}

static void
remove_peer(struct weft_nl_wg_device *dev, struct weft_nl_wg_peer *peer)
{
	g_free(peer->allowed);
	*peer = dev->peers[--dev->n_peers];
	dev->normalised = false;
}

static void
apply_change(struct weft_nl_wg_device *dev, const struct weft_nl_wg_change *c)
{
	struct weft_nl_wg_peer *peer = find_peer(dev, &c->public_key);

	if ((c->flags & WEFT_NL_WG_CHANGE_REMOVE) != 0) {
		if (peer != NULL)
			remove_peer(dev, peer);
		return;
	}
	if (peer == NULL && (c->flags & WEFT_NL_WG_CHANGE_UPDATE_ONLY) != 0)
		return;
	if (peer == NULL)
		peer = weft_nl_wg_device_add_peer(dev, &c->public_key);
	if ((c->flags & WEFT_NL_WG_CHANGE_PRESHARED_KEY) != 0)
		peer->preshared_key = c->preshared_key;
	if ((c->flags & WEFT_NL_WG_CHANGE_ENDPOINT) != 0)
		peer->endpoint = c->endpoint;
	if ((c->flags & WEFT_NL_WG_CHANGE_KEEPALIVE) != 0)
		peer->keepalive_s = c->keepalive_s;
	if ((c->flags & WEFT_NL_WG_CHANGE_REPLACE_ALLOWED) != 0)
		peer->n_allowed = 0;
	for (size_t i = 0; i < c->n_allowed; i++) {
		forget_allowed(dev, &c->allowed[i]);
		weft_nl_wg_peer_allow(peer, &c->allowed[i]);
	}
}

void
fake_wg_apply(struct weft_nl_wg_device *dev, const struct weft_nl_wg_set *set)
{
	if ((set->flags & WEFT_NL_WG_SET_PRIVATE_KEY) != 0)
		dev->private_key = set->private_key;
	if ((set->flags & WEFT_NL_WG_SET_LISTEN_PORT) != 0)
		dev->listen_port = set->listen_port;
	if ((set->flags & WEFT_NL_WG_SET_FWMARK) != 0)
		dev->fwmark = set->fwmark;
	while ((set->flags & WEFT_NL_WG_SET_REPLACE_PEERS) != 0 && dev->n_peers > 0)
		remove_peer(dev, &dev->peers[0]);
	for (size_t i = 0; i < set->n_changes; i++)
		apply_change(dev, &set->changes[i]);
	weft_nl_wg_device_sort(dev);
}

static bool
wg_set(void *self, const char *name, const struct weft_nl_wg_set *set, GError **error)
{
	struct fake_wg *w = self;

	w->sets++;
	for (size_t i = 0; i < set->n_changes; i++) {
		if (!weft_key_is_zero(&w->fail_key) &&
		    weft_key_equal(&set->changes[i].public_key, &w->fail_key)) {
			weft_nl_error_set(error, "FAKE", EINVAL, NULL);
			return false;
		}
	}
	if (w->fail != 0 || !w->exists) {
		weft_nl_error_set(error, "FAKE", w->fail != 0 ? w->fail : ENODEV, NULL);
		return false;
	}
	fake_wg_apply(&w->dev, set);
	return true;
}

static struct weft_nl_wg_device *
wg_get(void *self, const char *name, GError **error)
{
	struct fake_wg *w = self;
	struct weft_nl_wg_device *copy;

	if (!w->exists) {
		weft_nl_error_set(error, "FAKE", ENODEV, NULL);
		return NULL;
	}
	copy = weft_nl_wg_device_new(name);
	copy->ifindex = 7;
	copy->private_key = w->dev.private_key;
	copy->listen_port = w->dev.listen_port;
	copy->fwmark = w->dev.fwmark;
	for (size_t i = 0; i < w->dev.n_peers; i++) {
		const struct weft_nl_wg_peer *from = &w->dev.peers[i];
		struct weft_nl_wg_peer *to = weft_nl_wg_device_add_peer(copy, &from->public_key);

		*to = *from;
		to->allowed = NULL;
		to->n_allowed = 0;
		for (size_t k = 0; k < from->n_allowed; k++)
			weft_nl_wg_peer_allow(to, &from->allowed[k]);
	}
	return copy;
}

static char **
wg_list(void *self, GError **error)
{
	struct fake_wg *w = self;
	char *names[] = { w->dev.name, NULL };

	return g_strdupv(w->exists ? names : names + 1);
}

static void
wg_free(void *self)
{
	struct fake_wg *w = self;

	weft_nl_wg_device_clear(&w->dev);
	g_free(w);
}

const struct weft_nl_wg_ops fake_wg_ops = {
	.name = "fake",
	.create = wg_create,
	.destroy = wg_destroy,
	.set = wg_set,
	.get = wg_get,
	.list = wg_list,
	.free = wg_free,
};

/* --- values */

struct weft_key
fake_key(uint32_t n)
{
	struct weft_key key = { 0 };

	/* The order of the keys is not the order of the numbers. */
	memcpy(key.b, &(uint32_t){ (n + 1) * 0x9e3779b1U }, 4);
	memcpy(key.b + 4, &n, sizeof n);
	key.b[31] = 1;
	return key;
}

struct weft_prefix
fake_prefix(const char *text)
{
	struct weft_prefix p;

	g_assert_true(weft_prefix_parse(&p, text, strlen(text), true));
	return p;
}

struct weft_endpoint
fake_endpoint(const char *text)
{
	struct weft_endpoint e;

	g_assert_true(weft_endpoint_parse(&e, text, strlen(text)));
	return e;
}

struct weft_address
fake_address(const char *text)
{
	struct weft_address a;

	g_assert_true(weft_address_parse(&a, text, strlen(text)));
	return a;
}
