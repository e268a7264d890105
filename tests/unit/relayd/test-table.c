/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/relayd/rig.h"

/* Tables have no pointers: a copy elsewhere forwards as the original did. */
static void
test_a_copy_forwards(void)
{
	struct rig *rig = rig_new();
	struct weft_endpoint e = rig_endpoint("192.0.2.200:7000");
	struct relay_end peer = relay_end_from(&e);
	struct relay_tables *copy;
	struct relay_hop hop;
	size_t bytes = relay_tables_bytes(64);
	void *memory;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	for (uint16_t i = 0; i < 30; i++) {
		g_autofree char *text = g_strdup_printf("192.0.2.200:%u", 7000u + i);

		g_assert_cmpint(rig_bind(rig, (uint16_t) (0x4000 + i), text), ==, 0);
	}
	memory = g_malloc(bytes + 4096);
	copy = memcpy((char *) memory + 64, rig->memory, bytes);
	memset(rig->memory, 0xa5, bytes);

	for (uint16_t i = 0; i < 30; i++) {
		uint8_t data[] = { 0x40, (uint8_t) i, 0, 2, 'h', 'i' };

		g_assert_cmpint(relay_route_channel(copy, &rig->flow, data, sizeof(data), &hop), ==,
				RELAY_ROUTE_OK);
		g_assert_cmpuint(hop.peer.port, ==, 7000u + i);
		peer.port = (uint16_t) (7000 + i);
		g_assert_cmpint(relay_route_peer(copy, hop.alloc, RELAY_V4, &peer, &hop), ==,
				RELAY_ROUTE_OK);
		g_assert_cmphex(hop.channel, ==, 0x4000u + i);
	}
	memcpy(rig->memory, copy, bytes);
	g_free(memory);
	rig_free(rig);
}

static struct relay_flow
flow_of(uint32_t i)
{
	struct weft_endpoint e = { .addr = weft_address_v4(0xc6120000 + i / 1000),
				   .port = (uint16_t) (1024 + i % 1000) };

	return (struct relay_flow){ .client = relay_end_from(&e) };
}

#define MANY 10000

static void
test_ten_thousand_expire_on_time(void)
{
	static const uint64_t seed[2] = { 1, 2 };
	void *memory = g_malloc0(relay_tables_bytes(MANY));
	struct relay_tables *t = relay_tables_init(memory, MANY, seed);
	uint32_t *ends = g_new0(uint32_t, MANY), gone = 0, index;
	g_autoptr(GRand) rand = g_rand_new_with_seed(3);

	for (uint32_t i = 0; i < MANY; i++) {
		struct relay_flow flow = flow_of(i);

		ends[i] = (uint32_t) g_rand_int_range(rand, 2, 3600);
		g_assert_cmpuint(relay_alloc_add(t, &flow, ends[i]), ==, i);
	}
	g_assert_cmpuint(relay_alloc_add(t, &(struct relay_flow){ 0 }, 9), ==, RELAY_NONE);
	for (uint32_t i = 0; i < MANY; i += 3) {
		ends[i] = ends[i] + 700; /* refreshed */
		relay_alloc_extend(t, i, ends[i]);
	}
	for (uint32_t now = 1; now <= 4400; now += 1 + now % 3) {
		uint32_t last = t->wheel_at;

		while ((index = relay_tables_expired(t, now)) != RELAY_NONE) {
			g_assert_cmpuint(ends[index], <=, now);
			g_assert_cmpuint(ends[index], >=, last);
			relay_alloc_remove(t, index);
			ends[index] = 0;
			gone++;
		}
		if (now % 100 == 0)
			for (uint32_t i = 0; i < MANY; i++)
				g_assert_true(ends[i] == 0 || ends[i] > now);
	}
	g_assert_cmpuint(gone, ==, MANY);
	g_assert_cmpuint(t->used, ==, 0);
	g_free(ends);
	g_free(memory);
}

static void
test_find_add_and_remove_at_random(void)
{
	static const uint64_t seed[2] = { 3, 4 };
	enum { SIZE = 200, FLOWS = 400 };
	void *memory = g_malloc0(relay_tables_bytes(SIZE));
	struct relay_tables *t = relay_tables_init(memory, SIZE, seed);
	uint32_t where[FLOWS], used = 0;
	g_autoptr(GRand) rand = g_rand_new_with_seed(5);

	for (int i = 0; i < FLOWS; i++)
		where[i] = RELAY_NONE;
	for (int round = 0; round < 50000; round++) {
		uint32_t i = (uint32_t) g_rand_int_range(rand, 0, FLOWS);
		struct relay_flow flow = flow_of(i);

		g_assert_cmpuint(relay_alloc_find(t, &flow), ==, where[i]);
		if (where[i] != RELAY_NONE) {
			relay_alloc_remove(t, where[i]);
			where[i] = RELAY_NONE;
			used--;
		} else if (used < SIZE) {
			where[i] = relay_alloc_add(t, &flow, 1000);
			g_assert_cmpuint(where[i], !=, RELAY_NONE);
			used++;
		}
	}
	g_free(memory);
}

static void
test_many_permissions_and_channels(void)
{
	struct rig *rig = rig_new_sized(4);
	uint32_t permissions, channels;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	for (uint32_t i = 0; i <= RELAY_CHANNELS_MAX + 10; i++) {
		struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_CHANNEL_BIND);
		struct weft_endpoint e = { .addr = weft_address_v4(0x08080000 + i), .port = 1 };
		int code;

		weft_stun_put_channel(&b, (uint16_t) (0x4000 + i));
		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
		code = rig_send_signed(rig, &b);
		g_assert_true(code == 0 || (code == 508 && i >= RELAY_CHANNELS_MAX - 7));
	}
	relay_alloc_count(rig->core->tables, rig_alloc(rig), &permissions, &channels);
	g_assert_cmpuint(channels, >=, RELAY_CHANNELS_MAX - 7);
	g_assert_cmpuint(channels, <=, RELAY_CHANNELS_MAX + 7);
	/* What is released comes back to the pool. */
	for (int i = 0; i < 100; i++) {
		g_assert_cmpint(rig_refresh(rig, 0), ==, 0);
		g_assert_cmpint(rig_allocate(rig), ==, 0);
		for (uint16_t k = 0; k < 50; k++) {
			g_autofree char *text = g_strdup_printf("8.8.8.%u:5", k + 1u);

			g_assert_cmpint(rig_bind(rig, (uint16_t) (0x4000 + k), text), ==, 0);
		}
	}
	rig_free(rig);
}

static void
test_ends_of_both_families(void)
{
	static const struct {
		const char *text;
		enum relay_family family;
	} rows[] = { { "192.0.2.1:5", RELAY_V4 }, { "[2001:db8::1]:65535", RELAY_V6 } };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_endpoint e = rig_endpoint(rows[i].text), back;
		struct relay_end end = relay_end_from(&e);

		back = relay_end_to(&end);
		g_assert_true(weft_endpoint_equal(&back, &e));
		g_assert_cmpint(relay_end_family(&end), ==, rows[i].family);
	}
}

static void
test_ports_are_taken_once(void)
{
	struct relay_ports *p = g_new0(struct relay_ports, 1);
	struct weft_env_fake env;
	bool seen[65536] = { false };

	weft_env_fake_init(&env, 1);
	for (int i = 0; i < 100; i++) {
		uint16_t port = relay_ports_take(p, &env.env, 50000, 50099, false, false);

		g_assert_cmpuint(port, >=, 50000);
		g_assert_cmpuint(port, <=, 50099);
		g_assert_false(seen[port]);
		seen[port] = true;
	}
	g_assert_cmpuint(relay_ports_take(p, &env.env, 50000, 50099, false, false), ==, 0);
	relay_ports_give(p, 50042);
	g_assert_cmpuint(relay_ports_take(p, &env.env, 50000, 50099, true, true), ==, 0);
	g_assert_cmpuint(relay_ports_take(p, &env.env, 50000, 50099, true, false), ==, 50042);
	g_assert_cmpuint(relay_ports_take(p, &env.env, 65535, 65535, false, true), ==, 0);
	g_assert_cmpuint(relay_ports_take(p, &env.env, 65535, 65535, false, false), ==, 65535);
	g_free(p);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/relayd/table/a-copy-forwards", test_a_copy_forwards);
	g_test_add_func("/relayd/table/ten-thousand-expire-on-time",
			test_ten_thousand_expire_on_time);
	g_test_add_func("/relayd/table/find-add-and-remove-at-random",
			test_find_add_and_remove_at_random);
	g_test_add_func("/relayd/table/many-permissions-and-channels",
			test_many_permissions_and_channels);
	g_test_add_func("/relayd/table/ends-of-both-families", test_ends_of_both_families);
	g_test_add_func("/relayd/table/ports-are-taken-once", test_ports_are_taken_once);
	return g_test_run();
}
