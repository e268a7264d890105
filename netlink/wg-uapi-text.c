/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/wg-uapi-text.h"

#include "base/cursor.h"
#include "base/decimal.h"
#include "netlink/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEX_LEN (2 * WEFT_KEY_LEN)

/* Upper bounds of what a request takes, in octets. */
#define DEVICE_SIZE  256
#define CHANGE_SIZE  512
#define ALLOWED_SIZE (sizeof "allowed_ip=" + WEFT_PREFIX_TEXT_SIZE)

/* --- writing */

static void
put_text(struct weft_builder *b, const char *text)
{
	(void) weft_builder_bytes(b, text, strlen(text)); /* a failure sticks */
}

static void
put_line(struct weft_builder *b, const char *key, const char *value)
{
	put_text(b, key);
	put_text(b, "=");
	put_text(b, value);
	put_text(b, "\n");
}

static void
put_number(struct weft_builder *b, const char *key, uint32_t value)
{
	char text[16];

	(void) snprintf(text, sizeof text, "%u", value); /* 10 digits fit */
	put_line(b, key, text);
}

static void
put_key(struct weft_builder *b, const char *name, const struct weft_key *key)
{
	static const char digits[] = "0123456789abcdef";
	char text[HEX_LEN + 1];

	for (size_t i = 0; i < WEFT_KEY_LEN; i++) {
		text[2 * i] = digits[key->b[i] >> 4];
		text[2 * i + 1] = digits[key->b[i] & 15];
	}
	text[HEX_LEN] = '\0';
	put_line(b, name, text);
	weft_wipe(text, sizeof text);
}

static void
put_change(struct weft_builder *b, const struct weft_nl_wg_change *c)
{
	char endpoint[WEFT_ENDPOINT_TEXT_SIZE];
	char prefix[WEFT_PREFIX_TEXT_SIZE];

	put_key(b, "public_key", &c->public_key);
	if ((c->flags & WEFT_NL_WG_CHANGE_REMOVE) != 0)
		put_line(b, "remove", "true");
	if ((c->flags & WEFT_NL_WG_CHANGE_UPDATE_ONLY) != 0)
		put_line(b, "update_only", "true");
	if ((c->flags & WEFT_NL_WG_CHANGE_PRESHARED_KEY) != 0)
		put_key(b, "preshared_key", &c->preshared_key);
	if ((c->flags & WEFT_NL_WG_CHANGE_ENDPOINT) != 0)
		put_line(b, "endpoint", weft_endpoint_format(&c->endpoint, endpoint));
	if ((c->flags & WEFT_NL_WG_CHANGE_REPLACE_ALLOWED) != 0)
		put_line(b, "replace_allowed_ips", "true");
	for (size_t i = 0; i < c->n_allowed; i++)
		put_line(b, "allowed_ip", weft_prefix_format(&c->allowed[i], prefix));
	/* Last: setting it makes the program send at once, which needs the rest. */
	if ((c->flags & WEFT_NL_WG_CHANGE_KEEPALIVE) != 0)
		put_number(b, "persistent_keepalive_interval", c->keepalive_s);
}

char *
weft_nl_uapi_format_set(const struct weft_nl_wg_set *set, size_t *ret_len)
{
	size_t size = DEVICE_SIZE;
	struct weft_builder b;
	char *text;

	for (size_t i = 0; i < set->n_changes; i++)
		size += CHANGE_SIZE + set->changes[i].n_allowed * ALLOWED_SIZE;
	text = g_malloc(size);
	b = weft_builder(text, size);
	put_text(&b, "set=1\n");
	if ((set->flags & WEFT_NL_WG_SET_PRIVATE_KEY) != 0)
		put_key(&b, "private_key", &set->private_key);
	if ((set->flags & WEFT_NL_WG_SET_LISTEN_PORT) != 0)
		put_number(&b, "listen_port", set->listen_port);
	if ((set->flags & WEFT_NL_WG_SET_FWMARK) != 0)
		put_number(&b, "fwmark", set->fwmark);
	if ((set->flags & WEFT_NL_WG_SET_REPLACE_PEERS) != 0)
		put_line(&b, "replace_peers", "true");
	for (size_t i = 0; i < set->n_changes; i++)
		put_change(&b, &set->changes[i]);
	put_text(&b, "\n");
	g_assert(b.ok); /* the bounds above are ours */
	*ret_len = weft_builder_len(&b);
	return text;
}

/* --- reading */

struct parser {
	struct weft_nl_wg_device *dev;
	struct weft_nl_wg_peer *peer; /* the current one; NULL before the first */
	int err;
	bool have_errno;
};

typedef bool (*ParseFunc)(struct parser *p, const char *value, size_t len);

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
read_key(struct weft_key *ret, const char *value, size_t len)
{
	struct weft_key key;

	if (len != HEX_LEN)
		return false;
	for (size_t i = 0; i < WEFT_KEY_LEN; i++) {
		int high = hex_digit(value[2 * i]);
		int low = hex_digit(value[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key.b[i] = (uint8_t) (high << 4 | low);
	}
	*ret = key;
	weft_key_wipe(&key);
	return true;
}

static bool
read_number(uint64_t *ret, const char *value, size_t len, uint64_t max)
{
	return weft_decimal_parse(ret, value, len, max);
}

static bool
parse_private_key(struct parser *p, const char *value, size_t len)
{
	if (p->peer != NULL || !read_key(&p->dev->private_key, value, len))
		return false;
	if (!weft_key_is_zero(&p->dev->private_key))
		weft_key_public(&p->dev->public_key, &p->dev->private_key);
	return true;
}

static bool
parse_listen_port(struct parser *p, const char *value, size_t len)
{
	uint64_t v;

	if (p->peer != NULL || !read_number(&v, value, len, UINT16_MAX))
		return false;
	p->dev->listen_port = (uint16_t) v;
	return true;
}

static bool
parse_fwmark(struct parser *p, const char *value, size_t len)
{
	uint64_t v;

	if (p->peer != NULL || !read_number(&v, value, len, UINT32_MAX))
		return false;
	p->dev->fwmark = (uint32_t) v;
	return true;
}

static bool
parse_public_key(struct parser *p, const char *value, size_t len)
{
	struct weft_key key;

	if (p->dev->n_peers >= WEFT_NL_LIMIT_PEERS || !read_key(&key, value, len))
		return false;
	p->peer = weft_nl_wg_device_add_peer(p->dev, &key);
	return true;
}

static bool
parse_preshared_key(struct parser *p, const char *value, size_t len)
{
	return p->peer != NULL && read_key(&p->peer->preshared_key, value, len);
}

/* Link-local endpoints carry a zone, which our endpoints do not have. */
static bool
parse_endpoint(struct parser *p, const char *value, size_t len)
{
	const char *zone = memchr(value, '%', len);
	const char *bracket =
		zone != NULL ? memchr(zone, ']', len - (size_t) (zone - value)) : NULL;
	char text[WEFT_ENDPOINT_TEXT_SIZE];
	size_t head = len;
	size_t tail = 0;

	if (p->peer == NULL || (zone != NULL && bracket == NULL))
		return false;
	if (zone != NULL) {
		head = (size_t) (zone - value);
		tail = len - (size_t) (bracket - value);
	}
	if (head + tail > sizeof text)
		return false;
	memcpy(text, value, head);
	if (tail > 0)
		memcpy(text + head, bracket, tail);
	return weft_endpoint_parse(&p->peer->endpoint, text, head + tail);
}

static bool
parse_handshake_sec(struct parser *p, const char *value, size_t len)
{
	uint64_t v;

	if (p->peer == NULL || !read_number(&v, value, len, INT64_MAX / 1000000 - 1))
		return false;
	p->peer->last_handshake_us = (int64_t) v * 1000000;
	return true;
}

/* Follows the seconds. */
static bool
parse_handshake_nsec(struct parser *p, const char *value, size_t len)
{
	uint64_t v;

	if (p->peer == NULL || !read_number(&v, value, len, 999999999))
		return false;
	p->peer->last_handshake_us += (int64_t) v / 1000;
	return true;
}

static bool
parse_rx_bytes(struct parser *p, const char *value, size_t len)
{
	return p->peer != NULL && read_number(&p->peer->rx_bytes, value, len, UINT64_MAX);
}

static bool
parse_tx_bytes(struct parser *p, const char *value, size_t len)
{
	return p->peer != NULL && read_number(&p->peer->tx_bytes, value, len, UINT64_MAX);
}

static bool
parse_keepalive(struct parser *p, const char *value, size_t len)
{
	uint64_t v;

	if (p->peer == NULL || !read_number(&v, value, len, UINT16_MAX))
		return false;
	p->peer->keepalive_s = (uint16_t) v;
	return true;
}

static bool
parse_allowed_ip(struct parser *p, const char *value, size_t len)
{
	struct weft_prefix prefix;

	if (p->peer == NULL || p->peer->n_allowed >= WEFT_NL_LIMIT_ALLOWED ||
	    !weft_prefix_parse(&prefix, value, len, true))
		return false;
	weft_nl_wg_peer_allow(p->peer, &prefix);
	return true;
}

/* Negative, positive or 0, depending on the program. */
static bool
parse_errno(struct parser *p, const char *value, size_t len)
{
	uint64_t v;

	if (len > 0 && value[0] == '-') {
		value++;
		len--;
	}
	if (!read_number(&v, value, len, 4095))
		return false;
	p->err = (int) v;
	p->have_errno = true;
	return true;
}

/* clang-format off */
static const struct {
	const char *key;
	ParseFunc func;
	bool device; /* of get requests only */
} keys[] = {
	{ "private_key", parse_private_key, true },
	{ "listen_port", parse_listen_port, true },
	{ "fwmark", parse_fwmark, true },
	{ "public_key", parse_public_key, true },
	{ "preshared_key", parse_preshared_key, true },
	{ "endpoint", parse_endpoint, true },
	{ "last_handshake_time_sec", parse_handshake_sec, true },
	{ "last_handshake_time_nsec", parse_handshake_nsec, true },
	{ "rx_bytes", parse_rx_bytes, true },
	{ "tx_bytes", parse_tx_bytes, true },
	{ "persistent_keepalive_interval", parse_keepalive, true },
	{ "allowed_ip", parse_allowed_ip, true },
	{ "errno", parse_errno, false },
};
/* clang-format on */

/* Keys that we do not know are skipped; the number ends an answer. */
static bool
parse_line(struct parser *p, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len);
	size_t key_len = equals != NULL ? (size_t) (equals - line) : 0;

	if (key_len == 0 || len > WEFT_NL_LIMIT_UAPI_LINE || p->have_errno)
		return false;
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (strlen(keys[i].key) == key_len && memcmp(keys[i].key, line, key_len) == 0)
			return (!keys[i].device || p->dev != NULL) &&
			       keys[i].func(p, equals + 1, len - key_len - 1);
	}
	return true;
}

enum weft_nl_uapi_status
weft_nl_uapi_parse(struct weft_nl_wg_device *dev, const char *text, size_t len, int *ret_errno)
{
	struct parser p = { .dev = dev };
	const char *pos = text;
	const char *end = text + len;

	for (;;) {
		const char *newline = pos < end ? memchr(pos, '\n', (size_t) (end - pos)) : NULL;

		if (newline == NULL)
			return WEFT_NL_UAPI_MALFORMED;
		if (newline == pos)
			break;
		if (!parse_line(&p, pos, (size_t) (newline - pos)))
			return WEFT_NL_UAPI_MALFORMED;
		pos = newline + 1;
	}
	if (!p.have_errno || pos + 1 != end)
		return WEFT_NL_UAPI_MALFORMED;
	if (p.err == 0)
		return WEFT_NL_UAPI_OK;
	*ret_errno = p.err;
	return WEFT_NL_UAPI_REFUSED;
}
