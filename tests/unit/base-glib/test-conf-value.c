/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/conf.h"

#include "tests/unit/base-glib/sample-conf.h"

static void
test_values(void)
{
	static const struct {
		const char *line; /* "group key = value" */
		bool good;
	} rows[] = {
		{ "a string = hello", true },
		{ "a string =", true },
		{ "a string = 12345678901", false },
		{ "a string = with\\ttab", false },
		{ "a string = bad\\q", false },
		{ "a string = \xff\xfe", false },
		{ "a bool = YES", true },
		{ "a bool = off", true },
		{ "a bool = 2", false },
		{ "a bool =", false },
		{ "a int = -3", true },
		{ "a int = 9", true },
		{ "a int = 10", false },
		{ "a int = -4", false },
		{ "a int = 5x", false },
		{ "a int = 99999999999999999999", false },
		{ "a duration = 1h", true },
		{ "a duration = 1min30s", true },
		{ "a duration = 1min 30s", true },
		{ "a duration = 500ms", false },
		{ "a duration = 61min", false },
		{ "a duration = 30", false },
		{ "a duration = 30s1min", false },
		{ "a duration = 1s1s", false },
		{ "a duration = -1s", false },
		{ "a duration = 99999999999999d", false },
		{ "a size = 1M", true },
		{ "a size = 1MiB", true },
		{ "a size = 1 K", true },
		{ "a size = 1024B", true },
		{ "a size = 2M", false },
		{ "a size = 1KB", false },
		{ "a size = 0", false },
		{ "a size = 99999999999T", false },
		{ "a port = 65535", true },
		{ "a port = 0", false },
		{ "a port = 65536", false },
		{ "a port = +1", false },
		{ "a ports = 49152-65535", true },
		{ "a ports = 2-3", true },
		{ "a ports = 3-2", false },
		{ "a ports = 5", false },
		{ "a ports = 1-2-3", false },
		{ "a ports = 0-9", false },
		{ "a address = 192.0.2.1", true },
		{ "a address = 2001:db8::1", true },
		{ "a address =", true },
		{ "a address = 192.0.2.01", false },
		{ "a address = host", false },
		{ "a address = 192.0.2.1 192.0.2.2", false },
		{ "a addresses = 192.0.2.1, ::1", true },
		{ "a addresses = ::1 ::1", false },
		{ "b endpoints = 192.0.2.1:80 [::]:81", true },
		{ "b endpoints =", false },
		{ "b endpoints = [::]:1 [::]:2 [::]:3", false },
		{ "b endpoints = [::]:1 [0::0]:1", false },
		{ "b endpoints = [::]", false },
		{ "b endpoints = localhost:80", false },
		{ "b prefix = 10.0.0.0/8", true },
		{ "b prefix = 10.0.0.1", true },
		{ "b prefix = 10.0.0.1/8", false },
		{ "b prefix = 10.0.0.0/33", false },
		{ "b prefixes = 10.0.0.0/8,2001:db8::/32", true },
		{ "b prefixes = 10.0.0.0/8, x", false },
		{ "b path = /etc/x", true },
		{ "b path = etc/x", false },
		{ "b url = http://h:1/p", true },
		{ "b url = HTTPS://h", true },
		{ "b url = http://u:p@h/", true },
		{ "b url = http://u:p@x@h/", false },
		{ "b url =", true },
		{ "b url = http:", false },
		{ "b url = http://", false },
		{ "b url = http:///p", false },
		{ "b url = http://h:99999", false },
		{ "b url = ftp://h", false },
		{ "b url = http://h h", false },
		{ "b url = h", false },
		{ "b urls = stun:h:3478 turn:h?transport=udp postgresql://a,b:5432/x", true },
		{ "b urls = stun:h :x", false },
		{ "b enum = RED", true },
		{ "b enum = blue", false },
		{ "b strings = a b,c", true },
		{ "b even = ab", true },
		{ "b even = abc", false },
		{ "c secret-file = relative", false },
		{ "c secret-file = /nonexistent/secret", false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text =
			g_strdup_printf("[%c]\n%s\n", rows[i].line[0], rows[i].line + 2);
		g_autoptr(GError) error = NULL;
		g_autoptr(WeftConf) conf = sample_load(text, true, &error);

		g_test_message("%s: %s", rows[i].line, error != NULL ? error->message : "good");
		g_assert_true((conf != NULL) == rows[i].good);
		g_assert_true((conf != NULL) == (error == NULL));
		if (error != NULL)
			g_assert_true(g_utf8_validate(error->message, -1, NULL));
	}
}

static void
test_getters(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf =
		sample_load("[a]\nbool=on\nduration=90s\nports=7-9\naddress=::1\n"
			    "size=2K\n[b]\nendpoints=192.0.2.1:5, [::1]:6\n"
			    "prefixes=10.0.0.0/8\nstrings = p, q\nurls=stun:h\n",
			    true, &error);
	uint16_t low, high;
	size_t n;

	g_assert_no_error(error);
	g_assert_true(weft_conf_bool(conf, K_BOOL));
	g_assert_cmpint(weft_conf_int(conf, K_DURATION), ==, 90000000);
	g_assert_cmpint(weft_conf_int(conf, K_SIZE), ==, 2048);
	g_assert_cmpint(weft_conf_int(conf, K_INT), ==, 5);
	g_assert_cmpint(weft_conf_int(conf, K_ENUM), ==, 1);
	g_assert_cmpint(weft_conf_int(conf, K_PORT), ==, 0);
	g_assert_false(weft_conf_is_set(conf, K_PORT));
	g_assert_cmpstr(weft_conf_string(conf, K_STRING), ==, "x");
	g_assert_null(weft_conf_string(conf, K_URL));
	g_assert_true(weft_conf_ports(conf, K_PORTS, &low, &high));
	g_assert_cmpuint(low, ==, 7);
	g_assert_cmpuint(high, ==, 9);
	g_assert_cmpuint(weft_conf_address(conf, K_ADDRESS)->b[15], ==, 1);
	g_assert_null(weft_conf_prefix(conf, K_PREFIX));
	g_assert_cmpuint(weft_conf_endpoints(conf, K_ENDPOINTS, &n)[1].port, ==, 6);
	g_assert_cmpuint(n, ==, 2);
	g_assert_cmpuint(weft_conf_prefixes(conf, K_PREFIXES, &n)[0].bits, ==, 8);
	g_assert_null(weft_conf_addresses(conf, K_ADDRESSES, &n));
	g_assert_cmpuint(n, ==, 0);
	g_assert_cmpstr(weft_conf_strings(conf, K_STRINGS)[1], ==, "q");
	g_assert_null(weft_conf_strings(conf, K_STRINGS)[2]);
	g_assert_cmpstr(weft_conf_strings(conf, K_URLS)[0], ==, "stun:h");
	g_assert_cmpstr(weft_conf_origin(conf, K_BOOL), ==, "FILE");
	g_assert_cmpstr(weft_conf_origin(conf, K_INT), ==, "default");
	g_assert_cmpstr(weft_conf_origin(conf, K_PORT), ==, "unset");
}

static void
test_urls_lose_their_passwords(void)
{
	static const struct {
		const char *url, *shown;
	} rows[] = {
		{ "postgresql://u:p@h/d", "postgresql://u:***@h/d" },
		{ "postgresql://u@h/d", "postgresql://u@h/d" },
		{ "postgresql://u:p@x@h/d", "postgresql://u:***@h/d" },
		{ "postgresql://u:p/q@h/d", "postgresql://u:***@h/d" },
		{ "postgresql:///d?user=u&password=p&x=y",
		  "postgresql:///d?user=u&password=***&x=y" },
		{ "http://h/a@b", "http://h/a@b" },
		{ "http://h:80/a@b", "http://h:80/a@b" },
		{ "text?x://password=p", "text?x://password=p" },
		{ "stun:h:3478", "stun:h:3478" },
		{ "plain", "plain" },
		{ "http://h:80/x?a", "http://h:80/x?a" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *shown = weft_conf_redact_url(rows[i].url);
		g_assert_cmpstr(shown, ==, rows[i].shown);
	}
}

static void
test_units(void)
{
	static const struct {
		int64_t us;
		const char *text;
	} durations[] = { { 0, "0" },
			  { 1, "1us" },
			  { 1500, "1500us" },
			  { 2000, "2ms" },
			  { 90000000, "90s" },
			  { 120000000, "2min" },
			  { 5400000000, "90min" },
			  { WEFT_CONF_DAY(14), "14d" } };
	static const struct {
		int64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0" }, { 1000, "1000" }, { 1024, "1K" }, { 3 << 20, "3M" } };

	for (size_t i = 0; i < G_N_ELEMENTS(durations); i++) {
		g_autofree char *text = weft_conf_format_duration(durations[i].us);
		int64_t back;

		g_assert_cmpstr(text, ==, durations[i].text);
		g_assert_true(weft_conf_parse_duration(&back, text));
		g_assert_cmpint(back, ==, durations[i].us);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autofree char *text = weft_conf_format_size(sizes[i].bytes);
		int64_t back;

		g_assert_cmpstr(text, ==, sizes[i].text);
		g_assert_true(weft_conf_parse_size(&back, text));
		g_assert_cmpint(back, ==, sizes[i].bytes);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/conf-value/values", test_values);
	g_test_add_func("/base-glib/conf-value/getters", test_getters);
	g_test_add_func("/base-glib/conf-value/urls-lose-their-passwords",
			test_urls_lose_their_passwords);
	g_test_add_func("/base-glib/conf-value/units", test_units);
	return g_test_run();
}
