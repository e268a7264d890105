/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the calls of the families make of the kernel's answers. */
#include "fake.h"

#include "netlink/error.h"
#include "netlink/ifaddr.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "netlink/wg-kernel.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

typedef bool (*Call)(WeftNlSocket *s, GError **error);

static const struct weft_nl_link link0 = { .ifindex = 7, .name = "weft0" };

static bool
call_link_get(WeftNlSocket *s, GError **error)
{
	struct weft_nl_link link;

	return weft_nl_link_get(s, "weft0", &link, error);
}

static bool
call_link_create(WeftNlSocket *s, GError **error)
{
	return weft_nl_link_create(s, "weft0", "wireguard", error);
}

static bool
call_link_delete(WeftNlSocket *s, GError **error)
{
	return weft_nl_link_delete(s, &link0, error);
}

static bool
call_link_mtu(WeftNlSocket *s, GError **error)
{
	return weft_nl_link_set_mtu(s, &link0, 1280, error);
}

static bool
call_link_up(WeftNlSocket *s, GError **error)
{
	return weft_nl_link_set_up(s, &link0, true, error);
}

static bool
call_link_alias(WeftNlSocket *s, GError **error)
{
	return weft_nl_link_set_alias(s, &link0, "weft", error);
}

static bool
call_addr_add(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_addr a = { .prefix = fake_prefix("10.9.0.1/16"), .ifindex = 7 };

	return weft_nl_addr_add(s, &a, error);
}

static bool
call_addr_delete(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_addr a = { .prefix = fake_prefix("fd09::1/64"), .ifindex = 7 };

	return weft_nl_addr_delete(s, &a, error);
}

static struct weft_nl_route
a_route(void)
{
	return (struct weft_nl_route){ .dst = fake_prefix("10.0.0.0/8"), .ifindex = 7 };
}

static bool
call_route_add(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_route r = a_route();

	return weft_nl_route_add(s, &r, error);
}

static bool
call_route_replace(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_route r = a_route();

	return weft_nl_route_replace(s, &r, error);
}

static bool
call_route_delete(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_route r = a_route();

	return weft_nl_route_delete(s, &r, error);
}

static bool
call_route_ask(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_route_query q = { .dst = fake_address("10.0.0.1") };
	struct weft_nl_route_answer a;

	return weft_nl_route_ask(s, &q, &a, error);
}

static bool
call_rule_add(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_rule r = weft_nl_rule_init(WEFT_FAMILY_IPV4, 5740, 5745);

	return weft_nl_rule_add(s, &r, error);
}

static bool
call_rule_delete(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_rule r = weft_nl_rule_init(WEFT_FAMILY_IPV6, 5740, 5745);

	return weft_nl_rule_delete(s, &r, error);
}

static bool
has_array(GArray *array)
{
	bool ok = array != NULL;

	g_clear_pointer(&array, g_array_unref);
	return ok;
}

static bool
call_link_dump(WeftNlSocket *s, GError **error)
{
	return has_array(weft_nl_link_dump(s, error));
}

static bool
call_addr_dump(WeftNlSocket *s, GError **error)
{
	return has_array(weft_nl_addr_dump(s, 7, error));
}

static bool
call_route_dump(WeftNlSocket *s, GError **error)
{
	const struct weft_nl_route_filter f = { .family = WEFT_FAMILY_IPV4 };

	return has_array(weft_nl_route_dump(s, &f, error));
}

static bool
call_rule_dump(WeftNlSocket *s, GError **error)
{
	return has_array(weft_nl_rule_dump(s, error));
}

static const struct {
	Call call;
	const char *prefix;
	uint16_t reply; /* the message that a dump brings, or 0 */
} calls[] = {
	{ call_link_get, "link weft0: ", 0 },
	{ call_link_create, "link weft0: create of kind wireguard: ", 0 },
	{ call_link_delete, "link weft0: delete: ", 0 },
	{ call_link_mtu, "link weft0: set mtu 1280: ", 0 },
	{ call_link_up, "link weft0: set up: ", 0 },
	{ call_link_alias, "link weft0: set alias 'weft': ", 0 },
	{ call_addr_add, "add address 10.9.0.1/16: ", 0 },
	{ call_addr_delete, "delete address fd09::1/64: ", 0 },
	{ call_route_add, "add route 10.0.0.0/8: ", 0 },
	{ call_route_replace, "replace route 10.0.0.0/8: ", 0 },
	{ call_route_delete, "delete route 10.0.0.0/8: ", 0 },
	{ call_route_ask, "route to 10.0.0.1: ", 0 },
	{ call_rule_add, "add rule 5740 (table 5745): ", 0 },
	{ call_rule_delete, "delete rule 5740 (table 5745): ", 0 },
	{ call_link_dump, "dump links: ", RTM_NEWLINK },
	{ call_addr_dump, "dump addresses: ", RTM_NEWADDR },
	{ call_route_dump, "dump routes: ", RTM_NEWROUTE },
	{ call_rule_dump, "dump rules: ", RTM_NEWRULE },
};

/* What each call does with each kind of failure: the code, and a text that says what was tried. */
static void
test_every_call_reports_every_failure(void)
{
	static const int errors[] = { EPERM, EBUSY, ENOBUFS, EOPNOTSUPP };

	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(errors); k++) {
			struct fake *f = fake_new();
			WeftNlSocket *s = fake_socket(f, WEFT_NL_BUS_ROUTE);
			g_autoptr(GError) error = NULL;
			g_autofree char *message =
				g_strdup_printf("%sRTNETLINK: why", calls[i].prefix);

			fake_refuse(f, errors[k], "why");
			g_assert_false(calls[i].call(s, &error));
			g_assert_error(error, WEFT_NL_ERROR,
				       (gint) weft_nl_error_from_errno(errors[k]));
			g_assert_true(g_str_has_prefix(error->message, message));
			weft_nl_socket_free(s);
			fake_free(f);
		}
	}
}

static void
test_every_call_survives_silence_and_nonsense(void)
{
	static const uint8_t noise[64] = { 64, 0, 0, 0, 0xff, 0xff, 1, 2, 3 };

	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
		struct fake *f = fake_new();
		WeftNlSocket *s = fake_socket(f, WEFT_NL_BUS_ROUTE);
		g_autoptr(GError) error = NULL;

		g_assert_false(calls[i].call(s, &error));
		g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_TIMEOUT);
		g_clear_error(&error);
		fake_raw(f, noise, sizeof noise);
		g_assert_false(calls[i].call(s, &error));
		g_assert_nonnull(error);
		g_clear_error(&error);
		if (calls[i].reply != 0) {
			/* An address family we know, but nothing behind it. */
			const uint8_t stub[4] = { calls[i].reply == RTM_NEWLINK ? 0 : 2 };

			fake_reply(f, calls[i].reply, NLM_F_MULTI, stub, sizeof stub);
			fake_done(f, 0);
			g_assert_false(calls[i].call(s, &error));
			g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_PROTOCOL);
		}
		weft_nl_socket_free(s);
		fake_free(f);
	}
}

static void
test_impossible_requests_never_reach_the_kernel(void)
{
	struct fake *f = fake_new();
	WeftNlSocket *s = fake_socket(f, WEFT_NL_BUS_ROUTE);
	struct weft_nl_addr addr = { .prefix = fake_prefix("10.9.0.1/16"), .ifindex = 7 };
	struct weft_nl_route route = a_route();
	struct weft_nl_rule rule = weft_nl_rule_init(WEFT_FAMILY_IPV4, 1, 2);
	struct weft_nl_link link;
	GError *e[8] = { NULL };

	addr.prefix.bits = 33;
	g_assert_false(weft_nl_addr_add(s, &addr, &e[0]));
	addr.prefix.bits = 16;
	addr.ifindex = 0;
	g_assert_false(weft_nl_addr_delete(s, &addr, &e[1]));
	route.dst.bits = 33;
	g_assert_false(weft_nl_route_add(s, &route, &e[2]));
	route = a_route();
	route.gateway = fake_address("fd09::1");
	g_assert_false(weft_nl_route_replace(s, &route, &e[3]));
	route = a_route();
	route.ifindex = 0;
	g_assert_false(weft_nl_route_delete(s, &route, &e[4]));
	rule.src = fake_prefix("fd09::/64");
	g_assert_false(weft_nl_rule_add(s, &rule, &e[5]));
	g_assert_false(weft_nl_link_set_mtu(s, &link0, 67, &e[6]));
	g_assert_false(weft_nl_link_get(s, "sixteen-letters-", &link, &e[7]));
	for (size_t i = 0; i < G_N_ELEMENTS(e); i++) {
		g_assert_error(e[i], WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID);
		g_clear_error(&e[i]);
	}
	g_assert_cmpuint(f->sent->len, ==, 0);
	weft_nl_socket_free(s);
	fake_free(f);
}

/* --- the kernel's WireGuard */

static WeftNlWg *
open_kernel(struct fake *generic, struct fake *route)
{
	g_autoptr(GByteArray) a = g_byte_array_new();
	const struct genlmsghdr header = { .cmd = CTRL_CMD_NEWFAMILY };
	const uint16_t family = 33;
	g_autoptr(GError) error = NULL;
	WeftNlWg *wg;

	g_byte_array_append(a, (const void *) &header, sizeof header);
	fake_put(a, CTRL_ATTR_FAMILY_ID, &family, sizeof family);
	fake_reply(generic, GENL_ID_CTRL, 0, a->data, a->len);
	fake_ack(generic);
	wg = weft_nl_wg_kernel_new(fake_socket(generic, WEFT_NL_BUS_GENERIC),
				   fake_socket(route, WEFT_NL_BUS_ROUTE), &error);
	g_assert_no_error(error);
	return wg;
}

static void
test_a_kernel_without_wireguard_is_told_apart(void)
{
	static const struct {
		int err;
		enum weft_nl_error code;
	} rows[] = { { ENOENT, WEFT_NL_ERROR_UNSUPPORTED }, { EPERM, WEFT_NL_ERROR_PERMISSION } };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct fake *generic = fake_new();
		struct fake *route = fake_new();
		g_autoptr(GError) error = NULL;

		fake_refuse(generic, rows[i].err, NULL);
		g_assert_null(weft_nl_wg_kernel_new(fake_socket(generic, WEFT_NL_BUS_GENERIC),
						    fake_socket(route, WEFT_NL_BUS_ROUTE), &error));
		g_assert_error(error, WEFT_NL_ERROR, (gint) rows[i].code);
		fake_free(generic);
		fake_free(route);
	}
}

static void
test_errors_of_wireguard(void)
{
	struct fake *generic = fake_new();
	struct fake *route = fake_new();
	WeftNlWg *wg = open_kernel(generic, route);
	const struct weft_nl_wg_set set = { .flags = WEFT_NL_WG_SET_LISTEN_PORT, .listen_port = 5 };
	GError *e[4] = { NULL };

	fake_refuse(generic, EADDRINUSE, NULL);
	g_assert_false(weft_nl_wg_set(wg, "weft0", &set, &e[0]));
	g_assert_error(e[0], WEFT_NL_ERROR, WEFT_NL_ERROR_BUSY);
	g_assert_cmpstr(e[0]->message, ==,
			"link weft0: set device: WIREGUARD: Address already in use");
	fake_refuse(generic, EOPNOTSUPP, NULL);
	g_assert_null(weft_nl_wg_get(wg, "eth0", &e[1]));
	g_assert_error(e[1], WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND);
	fake_reply(generic, 33, NLM_F_MULTI, "", 1);
	fake_done(generic, 0);
	g_assert_null(weft_nl_wg_get(wg, "weft0", &e[2]));
	g_assert_error(e[2], WEFT_NL_ERROR, WEFT_NL_ERROR_PROTOCOL);
	g_assert_false(weft_nl_wg_set(wg, "a/b", &set, &e[3]));
	g_assert_error(e[3], WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID);
	for (size_t i = 0; i < G_N_ELEMENTS(e); i++)
		g_clear_error(&e[i]);
	weft_nl_wg_free(wg);
	fake_free(generic);
	fake_free(route);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
#define ADD(path, func) g_test_add_func("/netlink/calls/" path, func)
	ADD("every-call-reports-every-failure", test_every_call_reports_every_failure);
	ADD("every-call-survives-nonsense", test_every_call_survives_silence_and_nonsense);
	ADD("impossible-requests", test_impossible_requests_never_reach_the_kernel);
	ADD("a-kernel-without-wireguard", test_a_kernel_without_wireguard_is_told_apart);
	ADD("errors-of-wireguard", test_errors_of_wireguard);
	return g_test_run();
}
