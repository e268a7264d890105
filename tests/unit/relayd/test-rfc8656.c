/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One test per rule of RFC 8656 sections 7 to 12 that a server has to keep, named after it. */
#include "tests/unit/relayd/rig.h"

#define PEER "192.0.2.200:7000"

/* --- 7.2 Receiving an Allocate request --- */

static void
rule_7_2_1_must_be_authenticated(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	g_assert_cmpint(rig_send(rig, &b), ==, 401);
	g_assert_true(weft_stun_has(&rig->answer, WEFT_STUN_HAS_REALM | WEFT_STUN_HAS_NONCE |
							  WEFT_STUN_HAS_PASSWORD_ALGORITHMS));
	g_assert_cmpmem(rig->answer.realm.p, rig->answer.realm.len, RIG_REALM, 11);
	g_assert_cmpint(rig->opened, ==, 0);
	b = rig_allocate_begin(rig);
	g_assert_cmpint(rig_send_as(rig, &b, "u", "wrong"), ==, 401);
	b = rig_allocate_begin(rig);
	g_assert_cmpint(rig_send_as(rig, &b, "nobody", "p"), ==, 401);
	rig_free(rig);
}

static void
rule_7_2_2_five_tuple_in_use_is_437(void)
{
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_allocate(rig), ==, 437);
	rig_client(rig, "192.0.2.10:5001");
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_free(rig);
}

static void
rule_7_2_2_retransmission_gets_the_same_answer(void)
{
	struct rig *rig = rig_new();
	struct weft_endpoint first;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	first = rig->answer.relayed;
	g_assert_cmpint(rig_deliver(rig), ==, 0);
	g_assert_true(weft_endpoint_equal(&rig->answer.relayed, &first));
	g_assert_cmpint(rig->opened, ==, 1);
	rig_free(rig);
}

static void
rule_7_2_3_transport_is_required(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_ALLOCATE);

	g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	b = rig_begin(rig, WEFT_STUN_ALLOCATE);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_TRANSPORT, 6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 442);
	rig_free(rig);
}

static void
rule_7_2_4_dont_fragment_is_understood(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put_flag(&b, WEFT_STUN_ATTR_DONT_FRAGMENT);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	rig_free(rig);
}

static void
rule_7_2_unknown_attributes_are_420(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put_u32(&b, 0x7abc, 0);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 420);
	g_assert_cmpmem(rig->answer.unknown_attributes.p, rig->answer.unknown_attributes.len,
			"\x7a\xbc", 2);
	rig_free(rig);
}

static void
rule_7_2_5_token_excludes_others(void)
{
	static const uint16_t with[] = { WEFT_STUN_ATTR_EVEN_PORT,
					 WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
					 WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY };
	struct rig *rig = rig_new();

	for (size_t i = 0; i < G_N_ELEMENTS(with); i++) {
		struct weft_stun_builder b = rig_allocate_begin(rig);

		weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, "12345678", 8);
		if (i == 0)
			weft_stun_put(&b, with[i], "", 1);
		else
			weft_stun_put_octet(&b, with[i], WEFT_STUN_IPV6);
		g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	}
	rig_free(rig);
}

static void
rule_7_2_5_unknown_token_is_508(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, "12345678", 8);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 508);
	g_assert_cmpuint(atomic_load(&rig->shared->allocations), ==, 0);
	rig_free(rig);
}

static void
rule_7_2_6_both_family_attributes_are_400(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, WEFT_STUN_IPV4);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	rig_free(rig);
}

static void
rule_7_2_7_family_is_honoured_or_440(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	g_assert_cmpint(rig->answer.relayed.addr.family, ==, WEFT_FAMILY_IPV6);
	rig_client(rig, "192.0.2.10:5001");
	b = rig_allocate_begin(rig);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 3);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 440);
	rig->settings->n_addresses6 = 0;
	b = rig_allocate_begin(rig);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 440);
	rig->settings->n_addresses4 = 0;
	g_assert_cmpint(rig_allocate(rig), ==, 440);
	rig_free(rig);
}

static void
rule_7_2_8_even_port(void)
{
	struct rig *rig = rig_new();

	for (uint16_t i = 0; i < 20; i++) {
		struct weft_stun_builder b = rig_allocate_begin(rig);

		rig->flow.client.port = 6000 + i;
		b = rig_allocate_begin(rig);
		weft_stun_put(&b, WEFT_STUN_ATTR_EVEN_PORT, "", 1);
		g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
		g_assert_cmpuint(rig->answer.relayed.port % 2, ==, 0);
		g_assert_false(weft_stun_has(&rig->answer, WEFT_STUN_HAS_RESERVATION_TOKEN));
	}
	rig_free(rig);
}

static void
rule_7_2_8_reservation_gives_the_next_port(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);
	uint8_t r = 0x80, token[8];
	uint16_t port;

	weft_stun_put(&b, WEFT_STUN_ATTR_EVEN_PORT, &r, 1);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	g_assert_true(weft_stun_has(&rig->answer, WEFT_STUN_HAS_RESERVATION_TOKEN));
	memcpy(token, rig->answer.reservation_token, 8);
	port = rig->answer.relayed.port;
	g_assert_cmpuint(port % 2, ==, 0);
	/* Another user cannot have it. */
	rig_client(rig, "192.0.2.11:5000");
	b = rig_allocate_begin(rig);
	weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, token, 8);
	g_assert_cmpint(rig_send_as(rig, &b, "other", "q"), ==, 508);
	b = rig_allocate_begin(rig);
	weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, token, 8);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	g_assert_cmpuint(rig->answer.relayed.port, ==, port + 1);
	/* Only once. */
	rig_client(rig, "192.0.2.12:5000");
	b = rig_allocate_begin(rig);
	weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, token, 8);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 508);
	rig_free(rig);
}

static void
rule_7_2_8_reservation_ends_after_30_s(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);
	uint8_t r = 0x80, token[8];

	weft_stun_put(&b, WEFT_STUN_ATTR_EVEN_PORT, &r, 1);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	memcpy(token, rig->answer.reservation_token, 8);
	rig_advance(rig, 29);
	g_assert_cmpint(rig->closed, ==, 0);
	rig_advance(rig, 2);
	g_assert_cmpint(rig->closed, ==, 1);
	rig_client(rig, "192.0.2.11:5000");
	b = rig_allocate_begin(rig);
	weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, token, 8);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 508);
	rig_free(rig);
}

static void
rule_7_2_8_reservation_with_additional_family_is_400(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);
	uint8_t r = 0x80;

	weft_stun_put(&b, WEFT_STUN_ATTR_EVEN_PORT, &r, 1);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	rig_free(rig);
}

static void
rule_7_2_9_dual_allocation(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	g_assert_cmpint(rig->answer.relayed.addr.family, ==, WEFT_FAMILY_IPV4);
	g_assert_cmpint(rig->answer.relayed_other.addr.family, ==, WEFT_FAMILY_IPV6);
	g_assert_false(weft_stun_has(&rig->answer, WEFT_STUN_HAS_ADDRESS_ERROR));
	g_assert_cmpint(rig->watched, ==, 2);
	rig_free(rig);
}

static void
rule_7_2_9_additional_ipv4_is_400(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV4);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	rig_free(rig);
}

static void
rule_7_2_9_half_of_a_dual_allocation_is_told(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	rig->settings->n_addresses6 = 0;
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	g_assert_cmpint(rig->answer.relayed.addr.family, ==, WEFT_FAMILY_IPV4);
	g_assert_cmpuint(rig->answer.address_error_family, ==, WEFT_STUN_IPV6);
	g_assert_cmpuint(rig->answer.address_error_code, ==, 440);
	rig_free(rig);
}

static void
rule_7_2_10_quota_is_486(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b;

	rig->settings->allocations_per_user = 2;
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_client(rig, "192.0.2.10:5001");
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_client(rig, "192.0.2.10:5002");
	g_assert_cmpint(rig_allocate(rig), ==, 486);
	b = rig_allocate_begin(rig);
	g_assert_cmpint(rig_send_as(rig, &b, "other", "q"), ==, 0);
	rig_client(rig, "192.0.2.10:5001");
	g_assert_cmpint(rig_refresh(rig, 0), ==, 0);
	rig_client(rig, "192.0.2.10:5003");
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_free(rig);
}

static void
rule_7_2_capacity_is_508(void)
{
	struct rig *rig = rig_new_sized(2);

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_client(rig, "192.0.2.10:5001");
	rig->refuse_open = EMFILE;
	g_assert_cmpint(rig_allocate(rig), ==, 508);
	rig->refuse_open = 0;
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_client(rig, "192.0.2.10:5002");
	g_assert_cmpint(rig_allocate(rig), ==, 508);
	atomic_store(&rig->shared->draining, true);
	rig_client(rig, "192.0.2.10:5000");
	g_assert_cmpint(rig_refresh(rig, 0), ==, 0);
	g_assert_cmpint(rig_allocate(rig), ==, 508);
	rig_free(rig);
}

static void
rule_7_2_ports_come_from_the_range(void)
{
	struct rig *rig = rig_new();

	rig->settings->port_first = 50000;
	rig->settings->port_last = 50003;
	for (uint16_t i = 0; i < 5; i++) {
		rig->flow.client.port = 6000 + i;
		g_assert_cmpint(rig_allocate(rig), ==, i < 4 ? 0 : 508);
		if (i < 4) {
			g_assert_cmpuint(rig->answer.relayed.port, >=, 50000);
			g_assert_cmpuint(rig->answer.relayed.port, <=, 50003);
		}
	}
	rig_free(rig);
}

static void
rule_7_2_lifetime_is_bounded(void)
{
	static const struct {
		uint32_t asked, granted;
	} rows[] = { { 0, 600 },     { 1, 600 },     { 599, 600 },        { 601, 601 },
		     { 3600, 3600 }, { 3601, 3600 }, { UINT32_MAX, 3600 } };
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpuint(rig->answer.lifetime_s, ==, 600);
	for (uint16_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_stun_builder b;

		rig->flow.client.port = 6000 + i;
		b = rig_allocate_begin(rig);
		weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, rows[i].asked);
		g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
		g_assert_cmpuint(rig->answer.lifetime_s, ==, rows[i].granted);
	}
	rig_free(rig);
}

/* --- 7.3: what the answer has --- */

static void
rule_7_3_success_has_what_it_must_and_no_more(void)
{
	struct rig *rig = rig_new();
	struct weft_endpoint client = rig_endpoint("192.0.2.10:5000");

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmphex(rig->answer.has, ==,
			WEFT_STUN_HAS_RELAYED | WEFT_STUN_HAS_LIFETIME | WEFT_STUN_HAS_XOR_MAPPED |
				WEFT_STUN_HAS_INTEGRITY);
	g_assert_true(weft_endpoint_equal(&rig->answer.mapped, &client));
	/* The address behind 1:1 NAT, not the one that is bound. */
	g_assert_cmphex(weft_address_v4_host_order(&rig->answer.relayed.addr), ==, 0xcb007101);
	rig_free(rig);
}

/* --- 8.2 Receiving a Refresh request --- */

static void
rule_8_2_without_allocation_is_437(void)
{
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_refresh(rig, 600), ==, 437);
	g_assert_cmpint(rig_refresh(rig, 0), ==, 437);
	rig_free(rig);
}

static void
rule_8_2_other_user_is_441(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	b = rig_begin(rig, WEFT_STUN_REFRESH);
	g_assert_cmpint(rig_send_as(rig, &b, "other", "q"), ==, 441);
	b = rig_begin(rig, WEFT_STUN_CREATE_PERMISSION);
	g_assert_cmpint(rig_send_as(rig, &b, "other", "q"), ==, 441);
	b = rig_begin(rig, WEFT_STUN_CHANNEL_BIND);
	g_assert_cmpint(rig_send_as(rig, &b, "other", "q"), ==, 441);
	rig_free(rig);
}

static void
rule_8_2_zero_deletes(void)
{
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_refresh(rig, 0), ==, 0);
	g_assert_cmpuint(rig->answer.lifetime_s, ==, 0);
	g_assert_cmpint(rig->closed, ==, 1);
	g_assert_cmpuint(rig_alloc(rig), ==, RELAY_NONE);
	/* A client that starts again on the same 5-tuple gets on. */
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_free(rig);
}

static void
rule_8_2_lifetime_is_extended(void)
{
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_advance(rig, 599);
	g_assert_cmpint(rig_refresh(rig, 700), ==, 0);
	g_assert_cmpuint(rig->answer.lifetime_s, ==, 700);
	rig_advance(rig, 699);
	g_assert_cmpuint(rig_alloc(rig), !=, RELAY_NONE);
	rig_advance(rig, 1);
	g_assert_cmpuint(rig_alloc(rig), ==, RELAY_NONE);
	g_assert_cmpint(rig->closed, ==, 1);
	rig_free(rig);
}

static void
rule_8_2_family_mismatch_is_443(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	b = rig_begin(rig, WEFT_STUN_REFRESH);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 443);
	b = rig_begin(rig, WEFT_STUN_REFRESH);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, WEFT_STUN_IPV4);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	rig_free(rig);
}

static void
rule_8_2_one_family_of_a_dual_allocation_can_go(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_allocate_begin(rig);

	weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	b = rig_begin(rig, WEFT_STUN_REFRESH);
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, 0);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, WEFT_STUN_IPV4);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	g_assert_cmpint(rig->closed, ==, 1);
	g_assert_cmpint(rig_permission(rig, "192.0.2.200:1"), ==, 443);
	g_assert_cmpint(rig_permission(rig, "[2001:db8:9::1]:1"), ==, 0);
	g_assert_cmpint(rig_refresh(rig, 0), ==, 0);
	g_assert_cmpint(rig->closed, ==, 2);
	rig_free(rig);
}

/* --- 10.2 Receiving a CreatePermission request --- */

static void
rule_10_2_peer_is_required(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	b = rig_begin(rig, WEFT_STUN_CREATE_PERMISSION);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	rig_free(rig);
}

static void
rule_10_2_family_mismatch_is_443(void)
{
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_permission(rig, "[2001:db8:9::1]:7000"), ==, 443);
	rig_free(rig);
}

static void
rule_10_2_policy_is_403_and_all_or_none(void)
{
	struct rig *rig = rig_new();
	struct weft_endpoint good = rig_endpoint(PEER), bad = rig_endpoint("127.0.0.1:1");
	struct weft_stun_builder b;
	struct relay_end peer = relay_end_from(&good);

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	b = rig_begin(rig, WEFT_STUN_CREATE_PERMISSION);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &good);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &bad);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 403);
	g_assert_false(relay_permission_has(rig->core->tables, rig_alloc(rig), peer.addr));
	rig_free(rig);
}

static void
rule_10_2_several_peers_at_once(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	b = rig_begin(rig, WEFT_STUN_CREATE_PERMISSION);
	for (uint32_t i = 1; i <= WEFT_STUN_PEERS_MAX; i++) {
		struct weft_endpoint e = { .addr = weft_address_v4(0xc0000200 + i), .port = 1 };

		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	}
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 0);
	for (uint32_t i = 1; i <= WEFT_STUN_PEERS_MAX; i++) {
		struct weft_endpoint e = { .addr = weft_address_v4(0xc0000200 + i) };
		struct relay_end end = relay_end_from(&e);

		g_assert_true(relay_permission_has(rig->core->tables, rig_alloc(rig), end.addr));
	}
	rig_free(rig);
}

static void
rule_9_permission_lasts_300_s_and_is_refreshed(void)
{
	struct rig *rig = rig_new();
	struct relay_hop hop;
	bool df = false;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	rig_advance(rig, 299);
	g_assert_cmpint(rig_indication(rig, PEER, "x", &hop, &df), ==, RELAY_ROUTE_OK);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	rig_advance(rig, 299);
	g_assert_cmpint(rig_indication(rig, PEER, "x", &hop, &df), ==, RELAY_ROUTE_OK);
	rig_advance(rig, 1);
	g_assert_cmpint(rig_indication(rig, PEER, "x", &hop, &df), ==, RELAY_ROUTE_NO_PERMISSION);
	rig_free(rig);
}

static void
rule_9_permission_is_for_all_ports_of_an_address(void)
{
	struct rig *rig = rig_new();
	struct weft_endpoint other = rig_endpoint("192.0.2.200:9"),
			     stranger = rig_endpoint("192.0.2.201:7000");
	struct relay_end end = relay_end_from(&other), no = relay_end_from(&stranger);
	struct relay_hop hop;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	g_assert_cmpint(relay_route_peer(rig->core->tables, rig_alloc(rig), RELAY_V4, &end, &hop),
			==, RELAY_ROUTE_OK);
	g_assert_cmpint(relay_route_peer(rig->core->tables, rig_alloc(rig), RELAY_V4, &no, &hop),
			==, RELAY_ROUTE_NO_PERMISSION);
	rig_free(rig);
}

/* --- 11 Send and Data --- */

static void
rule_11_2_send_needs_peer_and_data(void)
{
	struct rig *rig = rig_new();
	struct relay_hop hop;
	bool df = false;

	g_assert_cmpint(rig_indication(rig, PEER, "x", &hop, &df), ==, RELAY_ROUTE_NO_ALLOCATION);
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	g_assert_cmpint(rig_indication(rig, NULL, "x", &hop, &df), ==, RELAY_ROUTE_MALFORMED);
	g_assert_cmpint(rig_indication(rig, PEER, NULL, &hop, &df), ==, RELAY_ROUTE_MALFORMED);
	g_assert_cmpint(rig_indication(rig, PEER, "", &hop, &df), ==, RELAY_ROUTE_OK);
	g_assert_cmpuint(hop.len, ==, 0);
	rig_free(rig);
}

static void
rule_11_2_send_needs_a_permission(void)
{
	struct rig *rig = rig_new();
	struct relay_hop hop;
	bool df = false;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_indication(rig, PEER, "x", &hop, &df), ==, RELAY_ROUTE_NO_PERMISSION);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	g_assert_cmpint(rig_indication(rig, PEER, "hello", &hop, &df), ==, RELAY_ROUTE_OK);
	g_assert_cmpmem(rig->request + hop.offset, hop.len, "hello", 5);
	g_assert_cmpuint(hop.peer.port, ==, 7000);
	g_assert_false(df);
	df = true;
	g_assert_cmpint(rig_indication(rig, PEER, "hello", &hop, &df), ==, RELAY_ROUTE_OK);
	g_assert_true(df);
	rig_free(rig);
}

static void
rule_11_3_data_indication(void)
{
	static const uint8_t id[12] = "abcdefghijkl";
	uint8_t out[RELAY_DATA_HEADER_MAX + 8];
	struct weft_endpoint e = rig_endpoint("[2001:db8:9::1]:7000");
	struct relay_end peer = relay_end_from(&e);
	struct weft_stun_message m;
	size_t n = relay_data_header(out, id, &peer, 5);

	memcpy(out + n, "hello\0\0\0", 8);
	g_assert_cmpint(weft_stun_parse(&m, out, n + 8), ==, WEFT_STUN_OK);
	g_assert_cmpint(m.class, ==, WEFT_STUN_INDICATION);
	g_assert_cmpint(m.method, ==, WEFT_STUN_DATA);
	g_assert_cmpuint(m.wire_len, ==, n + 8);
	g_assert_true(weft_endpoint_equal(&m.peers[0], &e));
	g_assert_cmpmem(m.data.p, m.data.len, "hello", 5);
}

static void
rule_11_5_icmp_is_told_to_who_has_a_permission(void)
{
	struct rig *rig = rig_new();
	struct weft_endpoint e = rig_endpoint(PEER);
	struct relay_end peer = relay_end_from(&e);
	size_t n;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	n = relay_core_icmp(rig->core, rig_alloc(rig), &peer, 3, 3, 0, rig->out);
	g_assert_cmpuint(n, ==, 0);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	n = relay_core_icmp(rig->core, rig_alloc(rig), &peer, 3, 4, 1400, rig->out);
	g_assert_cmpint(weft_stun_parse(&rig->answer, rig->out, n), ==, WEFT_STUN_OK);
	g_assert_cmpint(rig->answer.method, ==, WEFT_STUN_DATA);
	g_assert_cmpuint(rig->answer.icmp_type, ==, 3);
	g_assert_cmpuint(rig->answer.icmp_code, ==, 4);
	g_assert_cmpmem(rig->answer.icmp_data.p, 4, "\0\0\x05\x78", 4);
	g_assert_true(weft_endpoint_equal(&rig->answer.peers[0], &e));
	g_assert_false(weft_stun_has(&rig->answer, WEFT_STUN_HAS_DATA));
	rig_free(rig);
}

/* --- 12 Channels --- */

static void
rule_12_2_number_and_peer_are_required(void)
{
	static const uint16_t numbers[] = { 0, 0x3fff, 0x8000, 0xffff };
	struct rig *rig = rig_new();
	struct weft_endpoint e = rig_endpoint(PEER);
	struct weft_stun_builder b;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	b = rig_begin(rig, WEFT_STUN_CHANNEL_BIND);
	weft_stun_put_channel(&b, 0x4000);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	b = rig_begin(rig, WEFT_STUN_CHANNEL_BIND);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	g_assert_cmpint(rig_send_signed(rig, &b), ==, 400);
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		g_assert_cmpint(rig_bind(rig, numbers[i], PEER), ==, 400);
	g_assert_cmpint(rig_bind(rig, 0x4000, PEER), ==, 0);
	rig_free(rig);
}

static void
rule_12_2_number_and_peer_are_bound_one_to_one(void)
{
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4000, PEER), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4000, PEER), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4000, "192.0.2.200:7001"), ==, 400);
	g_assert_cmpint(rig_bind(rig, 0x4001, PEER), ==, 400);
	g_assert_cmpint(rig_bind(rig, 0x4001, "192.0.2.200:7001"), ==, 0);
	rig_free(rig);
}

static void
rule_12_2_family_and_policy(void)
{
	struct rig *rig = rig_new();

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4000, "[2001:db8:9::1]:7000"), ==, 443);
	g_assert_cmpint(rig_bind(rig, 0x4000, "10.1.1.1:7000"), ==, 403);
	rig_free(rig);
}

static void
rule_12_2_binding_installs_a_permission(void)
{
	struct rig *rig = rig_new();
	struct relay_hop hop;
	bool df = false;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4000, PEER), ==, 0);
	g_assert_cmpint(rig_indication(rig, PEER, "x", &hop, &df), ==, RELAY_ROUTE_OK);
	g_assert_cmpint(rig_channel_data(rig, 0x4000, "hello", &hop), ==, RELAY_ROUTE_OK);
	g_assert_cmpmem(rig->request + hop.offset, hop.len, "hello", 5);
	rig_free(rig);
}

static void
rule_12_2_binding_lasts_600_s(void)
{
	struct rig *rig = rig_new();
	struct relay_hop hop;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_refresh(rig, 3600), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4000, PEER), ==, 0);
	rig_advance(rig, 299);
	g_assert_cmpint(rig_channel_data(rig, 0x4000, "x", &hop), ==, RELAY_ROUTE_OK);
	/* The channel outlives the permission that came with it. */
	rig_advance(rig, 1);
	g_assert_cmpint(rig_channel_data(rig, 0x4000, "x", &hop), ==, RELAY_ROUTE_NO_PERMISSION);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	g_assert_cmpint(rig_channel_data(rig, 0x4000, "x", &hop), ==, RELAY_ROUTE_OK);
	rig_advance(rig, 299);
	g_assert_cmpint(rig_permission(rig, PEER), ==, 0);
	rig_advance(rig, 1);
	g_assert_cmpint(rig_channel_data(rig, 0x4000, "x", &hop), ==, RELAY_ROUTE_NO_CHANNEL);
	/* Then number and peer are free for others. */
	g_assert_cmpint(rig_bind(rig, 0x4000, "192.0.2.201:1"), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4001, PEER), ==, 0);
	rig_free(rig);
}

static void
rule_12_6_unbound_channel_is_discarded(void)
{
	struct rig *rig = rig_new();
	struct relay_hop hop;

	g_assert_cmpint(rig_channel_data(rig, 0x4000, "x", &hop), ==, RELAY_ROUTE_NO_ALLOCATION);
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_channel_data(rig, 0x4000, "x", &hop), ==, RELAY_ROUTE_NO_CHANNEL);
	rig_free(rig);
}

static void
rule_12_6_length_must_fit(void)
{
	struct rig *rig = rig_new();
	struct relay_hop hop;
	static const uint8_t cut[] = { 0x40, 0, 0, 5, 'a', 'b' };
	static const uint8_t padded[] = { 0x40, 0, 0, 1, 'a', 0, 0, 0 };

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4000, PEER), ==, 0);
	g_assert_cmpint(relay_route_channel(rig->core->tables, &rig->flow, cut, sizeof(cut), &hop),
			==, RELAY_ROUTE_MALFORMED);
	g_assert_cmpint(
		relay_route_channel(rig->core->tables, &rig->flow, padded, sizeof(padded), &hop),
		==, RELAY_ROUTE_OK);
	g_assert_cmpuint(hop.len, ==, 1);
	rig_free(rig);
}

static void
rule_12_7_bound_peer_comes_by_channel(void)
{
	struct rig *rig = rig_new();
	struct weft_endpoint e = rig_endpoint(PEER), f = rig_endpoint("192.0.2.200:9");
	struct relay_end bound = relay_end_from(&e), unbound = relay_end_from(&f);
	struct relay_hop hop;

	g_assert_cmpint(rig_allocate(rig), ==, 0);
	g_assert_cmpint(rig_bind(rig, 0x4abc, PEER), ==, 0);
	g_assert_cmpint(relay_route_peer(rig->core->tables, rig_alloc(rig), RELAY_V4, &bound, &hop),
			==, RELAY_ROUTE_OK);
	g_assert_cmphex(hop.channel, ==, 0x4abc);
	g_assert_cmpint(
		relay_route_peer(rig->core->tables, rig_alloc(rig), RELAY_V4, &unbound, &hop), ==,
		RELAY_ROUTE_OK);
	g_assert_cmphex(hop.channel, ==, 0);
	rig_free(rig);
}

#define RULE(f)                                                                                    \
	{                                                                                          \
		"/relayd/rfc8656/" #f, f                                                           \
	}

static const struct {
	const char *name;
	void (*run)(void);
} rules[] = {
	RULE(rule_7_2_1_must_be_authenticated),
	RULE(rule_7_2_2_five_tuple_in_use_is_437),
	RULE(rule_7_2_2_retransmission_gets_the_same_answer),
	RULE(rule_7_2_3_transport_is_required),
	RULE(rule_7_2_4_dont_fragment_is_understood),
	RULE(rule_7_2_unknown_attributes_are_420),
	RULE(rule_7_2_5_token_excludes_others),
	RULE(rule_7_2_5_unknown_token_is_508),
	RULE(rule_7_2_6_both_family_attributes_are_400),
	RULE(rule_7_2_7_family_is_honoured_or_440),
	RULE(rule_7_2_8_even_port),
	RULE(rule_7_2_8_reservation_gives_the_next_port),
	RULE(rule_7_2_8_reservation_ends_after_30_s),
	RULE(rule_7_2_8_reservation_with_additional_family_is_400),
	RULE(rule_7_2_9_dual_allocation),
	RULE(rule_7_2_9_additional_ipv4_is_400),
	RULE(rule_7_2_9_half_of_a_dual_allocation_is_told),
	RULE(rule_7_2_10_quota_is_486),
	RULE(rule_7_2_capacity_is_508),
	RULE(rule_7_2_ports_come_from_the_range),
	RULE(rule_7_2_lifetime_is_bounded),
	RULE(rule_7_3_success_has_what_it_must_and_no_more),
	RULE(rule_8_2_without_allocation_is_437),
	RULE(rule_8_2_other_user_is_441),
	RULE(rule_8_2_zero_deletes),
	RULE(rule_8_2_lifetime_is_extended),
	RULE(rule_8_2_family_mismatch_is_443),
	RULE(rule_8_2_one_family_of_a_dual_allocation_can_go),
	RULE(rule_9_permission_lasts_300_s_and_is_refreshed),
	RULE(rule_9_permission_is_for_all_ports_of_an_address),
	RULE(rule_10_2_peer_is_required),
	RULE(rule_10_2_family_mismatch_is_443),
	RULE(rule_10_2_policy_is_403_and_all_or_none),
	RULE(rule_10_2_several_peers_at_once),
	RULE(rule_11_2_send_needs_peer_and_data),
	RULE(rule_11_2_send_needs_a_permission),
	RULE(rule_11_3_data_indication),
	RULE(rule_11_5_icmp_is_told_to_who_has_a_permission),
	RULE(rule_12_2_number_and_peer_are_required),
	RULE(rule_12_2_number_and_peer_are_bound_one_to_one),
	RULE(rule_12_2_family_and_policy),
	RULE(rule_12_2_binding_installs_a_permission),
	RULE(rule_12_2_binding_lasts_600_s),
	RULE(rule_12_6_unbound_channel_is_discarded),
	RULE(rule_12_6_length_must_fit),
	RULE(rule_12_7_bound_peer_comes_by_channel),
};

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
		g_test_add_func(rules[i].name, rules[i].run);
	return g_test_run();
}
