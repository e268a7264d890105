/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Candidate lines and credentials: tables, and everything that official clients were recorded to
 * signal (tests/vectors/signal.json). */
#include "agent/ice/candidate.h"

#include "base/env.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#include <string.h>

#define CID "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct {
	const char *line;
	enum ice_line_status status;
} lines[] = {
	{ "3418105078 1 udp 2130706431 192.0.2.10 51820 typ host cid " CID, ICE_LINE_OK },
	{ "a=candidate:1 1 UDP 1 2001:db8::1 9 typ srflx raddr :: rport 9", ICE_LINE_OK },
	{ "candidate:1 1 Udp 4294967295 10.0.0.1 65535 typ prflx", ICE_LINE_OK },
	{ "1 1 udp 1 10.0.0.1 9 typ relay raddr 0.0.0.0 rport 0", ICE_LINE_OK },
	{ "1 1 udp 1 10.0.0.1 9 typ srflx raddr x.local rport 1", ICE_LINE_OK },
	{ "1 1 udp 1 10.0.0.1 9 typ host generation 0 network-cost 10", ICE_LINE_OK },
	{ "1 1 udp 1 10.0.0.1 9 typ host cid short", ICE_LINE_OK },
	{ "1 1 udp 1 169.254.1.1 9 typ host", ICE_LINE_OK },
	/* Well-formed, not for us. */
	{ "1 1 tcp 1 10.0.0.1 9 typ host tcptype active", ICE_LINE_UNUSABLE },
	{ "1 2 udp 1 10.0.0.1 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 10.0.0.1 0 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 0.0.0.0 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 127.0.0.1 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 224.0.0.1 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 255.255.255.255 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 :: 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 ::1 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 fe80::1 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 ::ffff:10.0.0.1 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 64:ff9b::a00:1 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 3d4f8a66-3d5c.local 9 typ host", ICE_LINE_UNUSABLE },
	{ "1 1 udp 1 10.0.0.1 9 typ other", ICE_LINE_UNUSABLE },
	/* No candidate lines. */
	{ "", ICE_LINE_MALFORMED },
	{ " ", ICE_LINE_MALFORMED },
	{ "1", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 typ", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 host", ICE_LINE_MALFORMED },
	{ "1 0 udp 1 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 257 udp 1 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 01 udp 1 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 0 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 4294967296 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp -1 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 65536 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9x typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.01 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 fe80::1%eth0 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 typ host raddr", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 typ host raddr 1.1.1.1 raddr 1.1.1.1", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 typ host rport 65536", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 typ host ufrag a:b", ICE_LINE_MALFORMED },
	{ "a-b 1 udp 1 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "123456789012345678901234567890123 1 udp 1 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 typ host\r\n", ICE_LINE_MALFORMED },
	{ "1\t1 udp 1 10.0.0.1 9 typ host", ICE_LINE_MALFORMED },
	{ "1 1 udp 1 10.0.0.1 9 typ host name \xc3\xa4", ICE_LINE_MALFORMED },
};

static void
test_lines(void)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(lines); i++) {
		struct ice_candidate c;
		g_autofree char *exact = g_memdup2(lines[i].line, MAX(strlen(lines[i].line), 1));

		g_test_message("%s", lines[i].line);
		g_assert_cmpint(ice_candidate_parse(&c, exact, strlen(lines[i].line)), ==,
				lines[i].status);
	}
}

static void
test_limits(void)
{
	g_autofree char *long_line = g_strnfill(ICE_LINE_MAX + 1, '1');
	struct ice_candidate c = { 0 };
	char out[ICE_LINE_MAX];

	g_assert_cmpint(ice_candidate_parse(&c, long_line, ICE_LINE_MAX + 1), ==,
			ICE_LINE_MALFORMED);
	g_assert_cmpint(ice_candidate_parse(&c, "1 1 udp 1 10.0.0.1 9 typ host\0x", 31), ==,
			ICE_LINE_MALFORMED);
	g_assert_cmpint(ice_candidate_parse(&c, lines[0].line, strlen(lines[0].line)), ==,
			ICE_LINE_OK);
	g_assert_cmpuint(ice_candidate_format(&c, out, 20), ==, 0);
	g_assert_cmpuint(ice_candidate_format(&c, out, sizeof(out)), ==, strlen(lines[0].line));
	g_assert_cmpstr(out, ==, lines[0].line);
}

/* Foundation and priority as NetBird has them. */
static void
test_made(void)
{
	struct weft_env_fake env;
	struct ice_candidate c = {
		.endpoint = { weft_address_v4(0xcb007109), 40001 },
		.related = { { .family = WEFT_FAMILY_IPV4 }, 51820 },
		.type = ICE_SRFLX,
		.priority = ice_priority(ICE_SRFLX, ICE_LOCAL_PREFERENCE),
	};
	char out[ICE_LINE_MAX];

	ice_candidate_set_foundation(&c);
	g_assert_cmpuint(ice_candidate_format(&c, out, sizeof(out)), >, 0);
	g_assert_cmpstr(out, ==,
			"1489293557 1 udp 1694498815 203.0.113.9 40001 typ srflx "
			"raddr 0.0.0.0 rport 51820");
	g_assert_cmpuint(ice_priority(ICE_HOST, ICE_LOCAL_PREFERENCE), ==, 2130706431);
	g_assert_cmpuint(ice_priority(ICE_RELAY, ICE_LOCAL_PREFERENCE), ==, 16777215);
	g_assert_cmpuint(ice_pair_priority(2, 1), ==, (UINT64_C(1) << 32) + 5);
	g_assert_cmpuint(ice_pair_priority(1, 2), ==, (UINT64_C(1) << 32) + 4);
	weft_env_fake_init(&env, 1);
	ice_candidate_set_cid(&c, &env.env);
	g_assert_cmpuint(strlen(c.cid), ==, ICE_CID_LEN);
}

static void
test_credentials(void)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "zUmWBjCfKZRkaNYd:vTpgvwwgbJdwVTpdAFMbbywaKaVTMBgm", true },
		{ "abcd:1234567890123456789012", true },
		{ ":", false },
		{ "", false },
		{ "abcd", false },
		{ "abc:1234567890123456789012", false },
		{ "abcd:123456789012345678901", false },
		{ "abcd:1234567890123456789012:", false },
		{ "ab cd:1234567890123456789012", false },
		{ "abcd:12345678901234567890\n1", false },
		{ "123456789012345678901234567890123:1234567890123456789012", false },
	};
	struct ice_credentials c, again;
	char text[ICE_CREDENTIALS_TEXT_SIZE];
	struct weft_env_fake env;
	size_t i, len;

	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		g_assert_cmpint(ice_credentials_parse(&c, cases[i].text, strlen(cases[i].text)), ==,
				cases[i].ok);
	weft_env_fake_init(&env, 1);
	ice_credentials_generate(&c, &env.env);
	g_assert_cmpuint(strlen(c.ufrag), ==, 16);
	g_assert_cmpuint(strlen(c.pwd), ==, 32);
	g_assert_cmpuint(strspn(c.pwd, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), ==,
			 32);
	len = ice_credentials_format(&c, text);
	g_assert_true(ice_credentials_parse(&again, text, len));
	g_assert_true(ice_credentials_equal(&c, &again));
}

/* The text of `payload: "..."`. */
static char *
payload(const char *decoded)
{
	const char *start = strstr(decoded, "payload: \""), *end;

	if (start == NULL)
		return NULL;
	start += strlen("payload: \"");
	end = strchr(start, '"');
	g_assert_nonnull(end);
	return g_strndup(start, (gsize) (end - start));
}

static void
test_recorded(void)
{
	const char *top = g_getenv("top_srcdir");
	g_autofree char *path =
		g_build_filename(top != NULL ? top : ".", "tests", "vectors", "signal.json", NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonArray *vectors;
	guint i, n_lines = 0, n_offers = 0;

	g_assert_true(json_parser_load_from_file(parser, path, NULL));
	vectors = json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)),
					       "vectors");
	for (i = 0; i < json_array_get_length(vectors); i++) {
		JsonObject *o = json_array_get_object_element(vectors, i);
		const char *decoded = json_object_get_string_member_with_default(o, "decoded", "");
		g_autofree char *text = payload(decoded);
		char out[ICE_LINE_MAX], credentials[ICE_CREDENTIALS_TEXT_SIZE];
		struct ice_credentials creds;
		struct ice_candidate c, again;

		if (text == NULL)
			continue;
		if (strstr(decoded, "type: CANDIDATE") == NULL) {
			if (strcmp(text, ":") == 0)
				continue;
			g_assert_true(ice_credentials_parse(&creds, text, strlen(text)));
			(void) ice_credentials_format(&creds, credentials);
			g_assert_cmpstr(credentials, ==, text);
			n_offers++;
			continue;
		}
		g_assert_cmpint(ice_candidate_parse(&c, text, strlen(text)), ==, ICE_LINE_OK);
		g_assert_cmpuint(ice_candidate_format(&c, out, sizeof(out)), ==, strlen(text));
		g_assert_cmpstr(out, ==, text);
		g_assert_cmpuint(c.priority, ==, ice_priority(c.type, ICE_LOCAL_PREFERENCE));
		again = c;
		ice_candidate_set_foundation(&again);
		g_assert_cmpstr(again.foundation, ==, c.foundation);
		n_lines++;
	}
	g_assert_cmpuint(n_lines, ==, 28);
	g_assert_cmpuint(n_offers, >, 10);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/candidate/lines", test_lines);
	g_test_add_func("/candidate/limits", test_limits);
	g_test_add_func("/candidate/made", test_made);
	g_test_add_func("/candidate/credentials", test_credentials);
	g_test_add_func("/candidate/recorded", test_recorded);
	return g_test_run();
}
