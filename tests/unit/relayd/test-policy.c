/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every form of address that a client could try. */
#include "relayd/policy.h"

#include <glib.h>

#include <string.h>

static struct weft_address
address(const char *text)
{
	struct weft_address a;

	g_assert_true(weft_address_parse(&a, text, strlen(text)));
	return a;
}

static void
rule(bool (*add)(struct relay_policy *, const struct weft_prefix *),
     struct relay_policy *p,
     const char *text)
{
	struct weft_prefix prefix;

	g_assert_true(weft_prefix_parse(&prefix, text, strlen(text), false));
	g_assert_true(add(p, &prefix));
}

static enum relay_verdict
check(const struct relay_policy *p, const char *text)
{
	struct weft_address a = address(text);

	return relay_policy_check(p, &a);
}

static const struct {
	const char *peer;
	enum relay_verdict verdict;
} defaults[] = {
	{ "8.8.8.8", RELAY_PEER_ALLOWED },
	{ "203.0.113.7", RELAY_PEER_ALLOWED },
	{ "2606:4700::1111", RELAY_PEER_ALLOWED },
	{ "172.15.255.255", RELAY_PEER_ALLOWED },
	{ "172.32.0.0", RELAY_PEER_ALLOWED },
	{ "100.63.255.255", RELAY_PEER_ALLOWED },
	{ "100.128.0.0", RELAY_PEER_ALLOWED },
	/* unspecified, "this network" */
	{ "0.0.0.0", RELAY_PEER_DENIED_CLASS },
	{ "0.1.2.3", RELAY_PEER_DENIED_CLASS },
	{ "::", RELAY_PEER_DENIED_CLASS },
	/* loopback */
	{ "127.0.0.1", RELAY_PEER_DENIED_CLASS },
	{ "127.255.255.254", RELAY_PEER_DENIED_CLASS },
	{ "::1", RELAY_PEER_DENIED_CLASS },
	/* link-local, with the cloud's metadata service */
	{ "169.254.169.254", RELAY_PEER_DENIED_CLASS },
	{ "fe80::1", RELAY_PEER_DENIED_CLASS },
	{ "febf::1", RELAY_PEER_DENIED_CLASS },
	/* multicast and broadcast */
	{ "224.0.0.1", RELAY_PEER_DENIED_CLASS },
	{ "239.255.255.255", RELAY_PEER_DENIED_CLASS },
	{ "255.255.255.255", RELAY_PEER_DENIED_CLASS },
	{ "240.0.0.1", RELAY_PEER_DENIED_CLASS },
	{ "ff02::1", RELAY_PEER_DENIED_CLASS },
	/* private */
	{ "10.0.0.1", RELAY_PEER_DENIED_CLASS },
	{ "172.16.0.1", RELAY_PEER_DENIED_CLASS },
	{ "172.31.255.255", RELAY_PEER_DENIED_CLASS },
	{ "192.168.1.1", RELAY_PEER_DENIED_CLASS },
	{ "fc00::1", RELAY_PEER_DENIED_CLASS },
	{ "fd12:3456::1", RELAY_PEER_DENIED_CLASS },
	/* carrier-grade NAT, and our own overlay */
	{ "100.64.0.1", RELAY_PEER_DENIED_CLASS },
	{ "100.127.255.255", RELAY_PEER_DENIED_CLASS },
	/* other notations of IPv4: of anything */
	{ "::ffff:127.0.0.1", RELAY_PEER_DENIED_TRANSLATED },
	{ "::ffff:8.8.8.8", RELAY_PEER_DENIED_TRANSLATED },
	{ "::ffff:10.0.0.1", RELAY_PEER_DENIED_TRANSLATED },
	{ "::127.0.0.1", RELAY_PEER_DENIED_TRANSLATED },
	{ "64:ff9b::7f00:1", RELAY_PEER_DENIED_TRANSLATED },
	{ "64:ff9b::808:808", RELAY_PEER_DENIED_TRANSLATED },
	{ "2002:7f00:1::", RELAY_PEER_DENIED_TRANSLATED },
	{ "2002:a00:1::1", RELAY_PEER_DENIED_TRANSLATED },
	/* the server itself */
	{ "198.51.100.1", RELAY_PEER_DENIED_OWN },
	{ "2001:db8::5", RELAY_PEER_DENIED_OWN },
};

static void
test_defaults(void)
{
	struct relay_policy p = { 0 };
	struct weft_address own4 = address("198.51.100.1"), own6 = address("2001:db8::5");

	g_assert_true(relay_policy_own(&p, &own4));
	g_assert_true(relay_policy_own(&p, &own6));
	for (size_t i = 0; i < G_N_ELEMENTS(defaults); i++) {
		g_test_message("%s", defaults[i].peer);
		g_assert_cmpint(check(&p, defaults[i].peer), ==, defaults[i].verdict);
	}
	relay_policy_clear(&p);
}

/* With translated notations let in, they are judged as what they stand for. */
static void
test_translated_forms_are_judged_as_ipv4(void)
{
	static const char *const forms[] = { "::ffff:%s", "::%s", "64:ff9b::%s" };
	static const struct {
		const char *v4;
		enum relay_verdict verdict;
	} rows[] = {
		{ "127.0.0.1", RELAY_PEER_DENIED_CLASS },
		{ "10.9.8.7", RELAY_PEER_DENIED_CLASS },
		{ "169.254.169.254", RELAY_PEER_DENIED_CLASS },
		{ "224.0.0.1", RELAY_PEER_DENIED_CLASS },
		{ "100.64.0.1", RELAY_PEER_DENIED_CLASS },
		{ "198.51.100.1", RELAY_PEER_DENIED_OWN },
		{ "8.8.4.4", RELAY_PEER_DENIED_RULE },
		{ "8.8.8.8", RELAY_PEER_ALLOWED },
	};
	struct relay_policy p = { .allow_translated = true };
	struct weft_address own = address("198.51.100.1");

	g_assert_true(relay_policy_own(&p, &own));
	rule(relay_policy_deny, &p, "8.8.4.0/24");
	for (size_t f = 0; f < G_N_ELEMENTS(forms); f++)
		for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
			g_auto(GStrv) halves = g_strsplit(forms[f], "%s", 2);
			g_autofree char *text = g_strconcat(halves[0], rows[i].v4, halves[1], NULL);

			g_test_message("%s", text);
			g_assert_cmpint(check(&p, text), ==, rows[i].verdict);
		}
	g_assert_cmpint(check(&p, "2002:7f00:1::"), ==, RELAY_PEER_DENIED_CLASS);
	g_assert_cmpint(check(&p, "2002:808:808::1"), ==, RELAY_PEER_ALLOWED);
	relay_policy_clear(&p);
}

static void
test_each_switch_opens_its_class_only(void)
{
	static const char *const peers[] = { "127.0.0.1", "169.254.1.1", "10.0.0.1", "100.64.0.1" };

	for (size_t on = 0; on < G_N_ELEMENTS(peers); on++) {
		struct relay_policy p = { .allow_loopback = on == 0,
					  .allow_link_local = on == 1,
					  .allow_private = on == 2,
					  .allow_cgnat = on == 3 };

		for (size_t i = 0; i < G_N_ELEMENTS(peers); i++)
			g_assert_cmpint(check(&p, peers[i]), ==,
					i == on ? RELAY_PEER_ALLOWED : RELAY_PEER_DENIED_CLASS);
	}
}

static void
test_allow_wins_over_deny(void)
{
	struct relay_policy p = { 0 };

	rule(relay_policy_allow, &p, "10.1.0.0/16");
	rule(relay_policy_deny, &p, "10.0.0.0/8");
	rule(relay_policy_deny, &p, "8.8.8.0/24");
	g_assert_cmpint(check(&p, "10.1.2.3"), ==, RELAY_PEER_ALLOWED);
	g_assert_cmpint(check(&p, "10.2.2.3"), ==, RELAY_PEER_DENIED_RULE);
	g_assert_cmpint(check(&p, "8.8.8.8"), ==, RELAY_PEER_DENIED_RULE);
	g_assert_cmpint(check(&p, "8.8.9.8"), ==, RELAY_PEER_ALLOWED);
	relay_policy_clear(&p);
}

/* An address of the server is refused even where a rule lets its network in. */
static void
test_own_addresses_are_refused_before_rules(void)
{
	struct relay_policy p = { 0 };
	struct weft_address own = address("10.1.0.1");

	g_assert_true(relay_policy_own(&p, &own));
	rule(relay_policy_allow, &p, "10.1.0.0/16");
	g_assert_cmpint(check(&p, "10.1.0.1"), ==, RELAY_PEER_DENIED_OWN);
	p.allow_own = true;
	g_assert_cmpint(check(&p, "10.1.0.1"), ==, RELAY_PEER_ALLOWED);
	relay_policy_clear(&p);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/relayd/policy/defaults", test_defaults);
	g_test_add_func("/relayd/policy/translated-forms-are-judged-as-ipv4",
			test_translated_forms_are_judged_as_ipv4);
	g_test_add_func("/relayd/policy/each-switch-opens-its-class-only",
			test_each_switch_opens_its_class_only);
	g_test_add_func("/relayd/policy/allow-wins-over-deny", test_allow_wins_over_deny);
	g_test_add_func("/relayd/policy/own-addresses-are-refused-before-rules",
			test_own_addresses_are_refused_before_rules);
	return g_test_run();
}
