/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the writer puts into messages is read by a decoder of the test's own that knows the format
 * from the kernel's header, and applied to a model. */
#include "fake.h"

#include "netlink/limits.h"
#include "netlink/wg-genl.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <string.h>

static uint32_t
attr_u32(const struct nlattr *a)
{
	return mnl_attr_get_u32(a);
}

static struct weft_prefix
decode_allowed(const struct nlattr *nest)
{
	const struct nlattr *a;
	struct weft_prefix p = { 0 };

	mnl_attr_for_each_nested (a, nest) {
		switch (mnl_attr_get_type(a)) {
		case WGALLOWEDIP_A_FAMILY:
			p.addr.family = mnl_attr_get_u16(a) == AF_INET ? WEFT_FAMILY_IPV4
								       : WEFT_FAMILY_IPV6;
			break;
		case WGALLOWEDIP_A_IPADDR:
			memcpy(p.addr.b, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
			break;
		case WGALLOWEDIP_A_CIDR_MASK:
			p.bits = mnl_attr_get_u8(a);
			break;
		default:
			g_assert_not_reached();
		}
	}
	return p;
}

/* Fills @c, whose allowed ips are collected in @pool. */
static void
decode_peer(const struct nlattr *nest, struct weft_nl_wg_change *c, GArray *pool)
{
	const struct nlattr *a;
	const struct nlattr *ip;
	uint32_t flags = 0;

	mnl_attr_for_each_nested (a, nest) {
		const void *p = mnl_attr_get_payload(a);

		switch (mnl_attr_get_type(a)) {
		case WGPEER_A_PUBLIC_KEY:
			memcpy(&c->public_key, p, WEFT_KEY_LEN);
			break;
		case WGPEER_A_PRESHARED_KEY:
			memcpy(&c->preshared_key, p, WEFT_KEY_LEN);
			c->flags |= WEFT_NL_WG_CHANGE_PRESHARED_KEY;
			break;
		case WGPEER_A_FLAGS:
			flags = attr_u32(a);
			break;
		case WGPEER_A_ENDPOINT:
			g_assert_true(weft_endpoint_from_sockaddr(&c->endpoint, p,
								  mnl_attr_get_payload_len(a)));
			c->flags |= WEFT_NL_WG_CHANGE_ENDPOINT;
			break;
		case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
			c->keepalive_s = mnl_attr_get_u16(a);
			c->flags |= WEFT_NL_WG_CHANGE_KEEPALIVE;
			break;
		case WGPEER_A_ALLOWEDIPS:
			mnl_attr_for_each_nested (ip, a) {
				struct weft_prefix prefix = decode_allowed(ip);

				g_array_append_val(pool, prefix);
			}
			break;
		default:
			g_assert_not_reached();
		}
	}
	if ((flags & WGPEER_F_REMOVE_ME) != 0)
		c->flags |= WEFT_NL_WG_CHANGE_REMOVE;
	if ((flags & WGPEER_F_UPDATE_ONLY) != 0)
		c->flags |= WEFT_NL_WG_CHANGE_UPDATE_ONLY;
	if ((flags & WGPEER_F_REPLACE_ALLOWEDIPS) != 0)
		c->flags |= WEFT_NL_WG_CHANGE_REPLACE_ALLOWED;
	c->allowed = (const void *) pool->data;
	c->n_allowed = pool->len;
}

static void
apply_one(struct weft_nl_wg_device *dev, const struct nlattr *nest)
{
	g_autoptr(GArray) pool = g_array_new(FALSE, FALSE, sizeof(struct weft_prefix));
	struct weft_nl_wg_change c = { 0 };
	const struct weft_nl_wg_set set = { .changes = &c, .n_changes = 1 };

	decode_peer(nest, &c, pool);
	fake_wg_apply(dev, &set);
}

/* As the kernel would. */
static void
apply_message(struct weft_nl_wg_device *dev, const struct nlmsghdr *msg)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(msg);
	struct weft_nl_wg_set set = { 0 };
	const struct nlattr *peers = NULL;
	const struct nlattr *a;

	g_assert_cmpuint(header->cmd, ==, WG_CMD_SET_DEVICE);
	mnl_attr_for_each (a, msg, sizeof *header) {
		switch (mnl_attr_get_type(a)) {
		case WGDEVICE_A_IFNAME:
			g_assert_cmpstr(mnl_attr_get_str(a), ==, "weft0");
			break;
		case WGDEVICE_A_PRIVATE_KEY:
			set.flags |= WEFT_NL_WG_SET_PRIVATE_KEY;
			memcpy(&set.private_key, mnl_attr_get_payload(a), WEFT_KEY_LEN);
			break;
		case WGDEVICE_A_LISTEN_PORT:
			set.flags |= WEFT_NL_WG_SET_LISTEN_PORT;
			set.listen_port = mnl_attr_get_u16(a);
			break;
		case WGDEVICE_A_FWMARK:
			set.flags |= WEFT_NL_WG_SET_FWMARK;
			set.fwmark = attr_u32(a);
			break;
		case WGDEVICE_A_FLAGS:
			g_assert_cmpuint(attr_u32(a), ==, WGDEVICE_F_REPLACE_PEERS);
			set.flags |= WEFT_NL_WG_SET_REPLACE_PEERS;
			break;
		case WGDEVICE_A_PEERS:
			peers = a;
			break;
		default:
			g_assert_not_reached();
		}
	}
	fake_wg_apply(dev, &set);
	if (peers == NULL)
		return;
	mnl_attr_for_each_nested (a, peers)
		apply_one(dev, a);
}

/* Writes @set in messages of @size octets and applies them. Returns how many it took. */
static unsigned
round_trip(struct weft_nl_wg_device *dev, const struct weft_nl_wg_set *set, size_t size)
{
	struct weft_nl_wg_writer w = { .family = 33, .name = "weft0", .set = set };
	g_autofree void *buf = g_malloc(size);
	enum weft_nl_wg_written written;
	unsigned n = 0;

	do {
		const struct nlmsghdr *msg = buf;

		memset(buf, 0xee, size);
		written = weft_nl_wg_write(&w, buf, size);
		g_assert_cmpint(written, !=, WEFT_NL_WG_WRITTEN_ERROR);
		g_assert_cmpuint(msg->nlmsg_len, <=, size);
		g_assert_cmpuint(msg->nlmsg_type, ==, 33);
		apply_message(dev, msg);
		n++;
	} while (written == WEFT_NL_WG_WRITTEN_FULL);
	return n;
}

static void
assert_same(const struct weft_nl_wg_device *a, const struct weft_nl_wg_device *b)
{
	g_assert_true(weft_key_equal(&a->private_key, &b->private_key));
	g_assert_cmpuint(a->listen_port, ==, b->listen_port);
	g_assert_cmpuint(a->fwmark, ==, b->fwmark);
	g_assert_cmpuint(a->n_peers, ==, b->n_peers);
	for (size_t i = 0; i < a->n_peers; i++) {
		const struct weft_nl_wg_peer *p = &a->peers[i];
		const struct weft_nl_wg_peer *q = &b->peers[i];

		g_assert_true(weft_key_equal(&p->public_key, &q->public_key));
		g_assert_true(weft_key_equal(&p->preshared_key, &q->preshared_key));
		g_assert_true(weft_endpoint_equal(&p->endpoint, &q->endpoint));
		g_assert_cmpuint(p->keepalive_s, ==, q->keepalive_s);
		g_assert_cmpuint(p->n_allowed, ==, q->n_allowed);
		for (size_t k = 0; k < p->n_allowed; k++)
			g_assert_true(weft_prefix_equal(&p->allowed[k], &q->allowed[k]));
	}
}

static struct weft_nl_wg_change
random_change(GArray *pool, uint32_t key)
{
	static const struct weft_endpoint v4 = { { { 192, 0, 2, 1 }, WEFT_FAMILY_IPV4 }, 51820 };
	static const struct weft_endpoint v6 = { { { 0xfd, 9 }, WEFT_FAMILY_IPV6 }, 7 };
	struct weft_nl_wg_change c = { .public_key = fake_key(key) };
	guint n = g_test_rand_int_range(0, 10) == 0 ? 300 : (guint) g_test_rand_int_range(0, 4);
	guint first = pool->len;

	if (g_test_rand_int_range(0, 5) == 0) {
		c.flags = WEFT_NL_WG_CHANGE_REMOVE;
		return c;
	}
	c.flags = (uint32_t) g_test_rand_int() &
		  (WEFT_NL_WG_CHANGE_REPLACE_ALLOWED | WEFT_NL_WG_CHANGE_UPDATE_ONLY |
		   WEFT_NL_WG_CHANGE_PRESHARED_KEY | WEFT_NL_WG_CHANGE_ENDPOINT |
		   WEFT_NL_WG_CHANGE_KEEPALIVE);
	c.preshared_key = fake_key(key + 1000);
	c.endpoint = g_test_rand_bit() ? v4 : v6;
	c.keepalive_s = (uint16_t) g_test_rand_int();
	for (guint i = 0; i < n; i++) {
		struct weft_prefix p = { .bits = 32 };

		p.addr.family = g_test_rand_bit() ? WEFT_FAMILY_IPV4 : WEFT_FAMILY_IPV6;
		p.addr.b[2] = (uint8_t) g_test_rand_int_range(0, 4);
		p.addr.b[3] = (uint8_t) g_test_rand_int();
		g_array_append_val(pool, p);
	}
	c.allowed = &g_array_index(pool, struct weft_prefix, first);
	c.n_allowed = n;
	return c;
}

static void
test_any_request_survives_any_message_size(void)
{
	for (unsigned round = 0; round < 150; round++) {
		g_autoptr(GArray) pool =
			g_array_sized_new(FALSE, TRUE, sizeof(struct weft_prefix), 40000);
		struct weft_nl_wg_change changes[40];
		struct weft_nl_wg_set set = {
			.flags = (uint32_t) g_test_rand_int() & 15,
			.private_key = fake_key(9),
			.listen_port = 1,
			.fwmark = 2,
			.changes = changes,
			.n_changes = (size_t) g_test_rand_int_range(0, G_N_ELEMENTS(changes)),
		};
		g_autoptr(WeftNlWgDevice) expected = weft_nl_wg_device_new("weft0");
		g_autoptr(WeftNlWgDevice) got = weft_nl_wg_device_new("weft0");
		size_t size = (size_t) g_test_rand_int_range(256, 4000);

		for (size_t i = 0; i < set.n_changes; i++)
			changes[i] = random_change(pool, (uint32_t) g_test_rand_int_range(0, 20));
		fake_wg_apply(expected, &set);
		(void) round_trip(got, &set, size);
		assert_same(expected, got);
	}
}

/* Thousands of peers, and hundreds of allowed ips of one. */
static void
test_large_requests_take_few_messages(void)
{
	enum { PEERS = 5000 };
	g_autofree struct weft_nl_wg_change *changes = g_new0(struct weft_nl_wg_change, PEERS);
	g_autofree struct weft_prefix *pool = g_new0(struct weft_prefix, 2 * PEERS);
	const struct weft_nl_wg_set set = { .changes = changes, .n_changes = PEERS };
	const struct weft_nl_wg_set one = { .changes = changes, .n_changes = 1 };
	g_autoptr(WeftNlWgDevice) got = weft_nl_wg_device_new("weft0");

	for (uint32_t i = 0; i < 2 * PEERS; i++)
		pool[i] = (struct weft_prefix){
			.addr = weft_address_v4(0x0a000000 + i),
			.bits = 32,
		};
	for (uint32_t i = 0; i < PEERS; i++)
		changes[i] = (struct weft_nl_wg_change){ .public_key = fake_key(i),
							 .allowed = &pool[2 * i],
							 .n_allowed = 2 };
	{
		struct weft_nl_wg_writer w = { .family = 33, .name = "weft0", .set = &set };
		g_autofree void *buf = g_malloc(WEFT_NL_SEND_SIZE);
		unsigned n = 1;

		while (weft_nl_wg_write(&w, buf, WEFT_NL_SEND_SIZE) == WEFT_NL_WG_WRITTEN_FULL)
			n++;
		g_assert_cmpuint(n, <=, 15);
	}
	changes[0].n_allowed = 900;
	changes[0].flags = WEFT_NL_WG_CHANGE_REPLACE_ALLOWED;
	g_assert_cmpuint(round_trip(got, &one, 8192), >, 1);
	g_assert_cmpuint(got->peers[0].n_allowed, ==, 900);
}

static void
test_a_buffer_without_room_for_a_peer_is_an_error(void)
{
	const struct weft_nl_wg_change change = { .public_key = fake_key(1) };
	const struct weft_nl_wg_set set = { .changes = &change, .n_changes = 1 };
	struct weft_nl_wg_writer w = { .family = 33, .name = "weft0", .set = &set };
	uint8_t buf[64] __attribute__((aligned(4)));

	g_assert_cmpint(weft_nl_wg_write(&w, buf, sizeof buf), ==, WEFT_NL_WG_WRITTEN_ERROR);
}

/* --- reading */

static GByteArray *
device_message(void)
{
	GByteArray *a = g_byte_array_new();
	const struct nlmsghdr header = { .nlmsg_type = 33 };
	const struct genlmsghdr genl = { .cmd = WG_CMD_GET_DEVICE, .version = 1 };

	g_byte_array_append(a, (const void *) &header, sizeof header);
	g_byte_array_append(a, (const void *) &genl, sizeof genl);
	return a;
}

static bool
read_message(struct weft_nl_wg_device *dev, GByteArray *a)
{
	struct nlmsghdr *header = (void *) a->data;

	header->nlmsg_len = a->len;
	return weft_nl_wg_read(dev, header);
}

static void
put_peer(GByteArray *a, const struct weft_key *key, const char *const *allowed, size_t n)
{
	struct fake_nest peer = fake_nest(a, 0);
	struct fake_nest ips;

	fake_put(a, WGPEER_A_PUBLIC_KEY, key, sizeof *key);
	ips = fake_nest(a, WGPEER_A_ALLOWEDIPS);
	for (size_t i = 0; i < n; i++) {
		struct fake_nest ip = fake_nest(a, 0);
		struct weft_prefix p = fake_prefix(allowed[i]);
		uint16_t family = p.addr.family == WEFT_FAMILY_IPV4 ? AF_INET : AF_INET6;

		fake_put(a, WGALLOWEDIP_A_FAMILY, &family, sizeof family);
		fake_put(a, WGALLOWEDIP_A_IPADDR, p.addr.b, family == AF_INET ? 4 : 16);
		fake_put(a, WGALLOWEDIP_A_CIDR_MASK, &p.bits, 1);
		fake_nest_end(a, ip);
	}
	fake_nest_end(a, ips);
	fake_nest_end(a, peer);
}

static void
test_a_peer_that_continues_in_the_next_message_is_one(void)
{
	static const char *const first[] = { "10.9.0.1/32", "fd09::/64" };
	static const char *const rest[] = { "10.9.0.2/32" };
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	const struct weft_key a = fake_key(1);
	const struct weft_key b = fake_key(2);

	for (unsigned i = 0; i < 2; i++) {
		g_autoptr(GByteArray) msg = device_message();
		struct fake_nest peers = fake_nest(msg, WGDEVICE_A_PEERS);

		if (i == 0) {
			put_peer(msg, &a, first, 1);
			put_peer(msg, &b, first, 2);
		} else {
			put_peer(msg, &b, rest, 1);
		}
		fake_nest_end(msg, peers);
		g_assert_true(read_message(dev, msg));
	}
	g_assert_cmpuint(dev->n_peers, ==, 2);
	g_assert_cmpuint(dev->peers[0].n_allowed, ==, 1);
	g_assert_cmpuint(dev->peers[1].n_allowed, ==, 3);
}

static void
test_malformed_devices_are_refused(void)
{
	static const struct {
		uint16_t type;
		uint16_t len;
	} rows[] = {
		{ WGDEVICE_A_IFINDEX, 3 },     { WGDEVICE_A_PRIVATE_KEY, 31 },
		{ WGDEVICE_A_PUBLIC_KEY, 33 }, { WGDEVICE_A_LISTEN_PORT, 4 },
		{ WGDEVICE_A_FWMARK, 2 },      { WGDEVICE_A_IFNAME, 0 },
		{ WGDEVICE_A_PEERS, 3 },       { WGDEVICE_A_PEERS, 8 },
	};
	static const uint8_t junk[64] = { 8, 0, 0, 0, 1, 2, 3, 4 };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
		g_autoptr(GByteArray) msg = device_message();

		fake_put(msg, rows[i].type, junk, rows[i].len);
		g_assert_false(read_message(dev, msg));
	}
	for (unsigned twice = 0; twice < 2; twice++) {
		g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
		g_autoptr(GByteArray) msg = device_message();

		for (unsigned i = 0; i <= twice; i++)
			fake_put_u32(msg, WGDEVICE_A_FWMARK, 1);
		fake_put_u32(msg, 99, 1); /* unknown: skipped */
		g_assert_cmpint(read_message(dev, msg), ==, !twice);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
#define ADD(path, func) g_test_add_func("/netlink/wg-genl/" path, func)
	ADD("any-request-survives-any-message-size", test_any_request_survives_any_message_size);
	ADD("large-requests-take-few-messages", test_large_requests_take_few_messages);
	ADD("a-buffer-without-room", test_a_buffer_without_room_for_a_peer_is_an_error);
	ADD("a-peer-that-continues-is-one", test_a_peer_that_continues_in_the_next_message_is_one);
	ADD("malformed-devices-are-refused", test_malformed_devices_are_refused);
	return g_test_run();
}
