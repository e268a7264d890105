/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the benchmark measures of netlink/:
 *   nl-bench setconf LINK FILE   as wg(8) setconf, from the same file
 *   nl-bench dump LINK           as wg(8) show LINK dump, the same text
 *   nl-bench diff PEERS ROUNDS   microseconds of the median difference of two states of so many
 *                                peers, two allowed ips each, with one change */
#include "base/env.h"
#include "base/hash.h"
#include "netlink/diff.h"
#include "netlink/wg-kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
die(const char *what)
{
	fprintf(stderr, "nl-bench: %s\n", what);
	exit(1);
}

/* --- setconf */

struct conf {
	struct weft_nl_wg_set set;
	GArray *changes;    /* struct weft_nl_wg_change */
	GPtrArray *allowed; /* GArray of each change */
};

static void
read_allowed(struct conf *c, char *value)
{
	GArray *prefixes = g_array_new(FALSE, FALSE, sizeof(struct weft_prefix));
	struct weft_nl_wg_change *change =
		&g_array_index(c->changes, struct weft_nl_wg_change, c->changes->len - 1);
	char *rest = NULL;

	for (char *p = strtok_r(value, ", ", &rest); p != NULL; p = strtok_r(NULL, ", ", &rest)) {
		struct weft_prefix prefix;

		if (!weft_prefix_parse(&prefix, p, strlen(p), true))
			die(p);
		g_array_append_val(prefixes, prefix);
	}
	change->allowed = (const void *) prefixes->data;
	change->n_allowed = prefixes->len;
	g_ptr_array_add(c->allowed, prefixes);
}

static void
read_line(struct conf *c, const char *key, char *value)
{
	struct weft_nl_wg_change *change =
		c->changes->len == 0
			? NULL
			: &g_array_index(c->changes, struct weft_nl_wg_change, c->changes->len - 1);

	if (strcmp(key, "PrivateKey") == 0) {
		c->set.flags |= WEFT_NL_WG_SET_PRIVATE_KEY;
		if (!weft_key_from_text(&c->set.private_key, value, strlen(value)))
			die(value);
	} else if (change != NULL && strcmp(key, "PublicKey") == 0) {
		if (!weft_key_from_text(&change->public_key, value, strlen(value)))
			die(value);
	} else if (change != NULL && strcmp(key, "Endpoint") == 0) {
		change->flags |= WEFT_NL_WG_CHANGE_ENDPOINT;
		if (!weft_endpoint_parse(&change->endpoint, value, strlen(value)))
			die(value);
	} else if (change != NULL && strcmp(key, "AllowedIPs") == 0) {
		read_allowed(c, value);
	} else {
		die(key);
	}
}

static void
read_conf(struct conf *c, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (f == NULL)
		die(path);
	while (getline(&line, &size, f) > 0) {
		char *equals = strchr(line, '=');

		if (strncmp(line, "[Peer]", 6) == 0) {
			const struct weft_nl_wg_change change = {
				.flags = WEFT_NL_WG_CHANGE_REPLACE_ALLOWED,
			};

			g_array_append_val(c->changes, change);
		} else if (equals != NULL) {
			*equals = '\0';
			read_line(c, g_strstrip(line), g_strstrip(equals + 1));
		}
	}
	free(line);
	fclose(f);
}

static void
do_setconf(WeftNlWg *wg, const char *link, const char *path)
{
	struct conf c = { .changes = g_array_new(FALSE, TRUE, sizeof(struct weft_nl_wg_change)),
			  .allowed = g_ptr_array_new() };
	g_autoptr(GError) error = NULL;

	read_conf(&c, path);
	c.set.flags |= WEFT_NL_WG_SET_REPLACE_PEERS;
	c.set.changes = (const void *) c.changes->data;
	c.set.n_changes = c.changes->len;
	if (!weft_nl_wg_set(wg, link, &c.set, &error))
		die(error->message);
}

/* --- dump */

static void
print_peer(const struct weft_nl_wg_peer *p)
{
	const struct weft_key_text key = weft_key_to_text(&p->public_key);
	const struct weft_key_text psk = weft_key_to_text(&p->preshared_key);
	char text[WEFT_ENDPOINT_TEXT_SIZE];

	printf("%s\t%s\t%s\t", key.s, weft_key_is_zero(&p->preshared_key) ? "(none)" : psk.s,
	       p->endpoint.port != 0 ? weft_endpoint_format(&p->endpoint, text) : "(none)");
	for (size_t i = 0; i < p->n_allowed; i++)
		printf("%s%s", i > 0 ? "," : "", weft_prefix_format(&p->allowed[i], text));
	printf("%s\t%" G_GINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t",
	       p->n_allowed == 0 ? "(none)" : "", p->last_handshake_us / 1000000, p->rx_bytes,
	       p->tx_bytes);
	if (p->keepalive_s != 0)
		printf("%u\n", p->keepalive_s);
	else
		puts("off");
}

static void
do_dump(WeftNlWg *wg, const char *link)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_get(wg, link, &error);

	if (dev == NULL)
		die(error->message);
	printf("%s\t%s\t%u\t0x%x\n", weft_key_to_text(&dev->private_key).s,
	       weft_key_to_text(&dev->public_key).s, dev->listen_port, dev->fwmark);
	for (size_t i = 0; i < dev->n_peers; i++)
		print_peer(&dev->peers[i]);
}

/* --- diff */

static struct weft_nl_state *
make_state(uint32_t peers)
{
	struct weft_nl_state *s = weft_nl_state_new("weft0");

	for (uint32_t i = 0; i < peers; i++) {
		struct weft_key key = { .b = { (uint8_t) i, (uint8_t) (i >> 8), 1 } };
		struct weft_nl_wg_peer *peer;
		struct weft_prefix p = { .addr = weft_address_v4(0x0a000000 + i), .bits = 32 };

		weft_sha256(key.b, key.b, sizeof key.b);
		peer = weft_nl_wg_device_add_peer(&s->wg, &key);
		weft_nl_wg_peer_allow(peer, &p);
		p.addr = weft_address_v6(
			(const uint8_t[16]){ 0xfd, 9, [14] = (uint8_t) (i >> 8), (uint8_t) i });
		p.bits = 128;
		weft_nl_wg_peer_allow(peer, &p);
	}
	weft_nl_state_normalise(s, NULL);
	return s;
}

static int
compare_times(const void *a, const void *b)
{
	const int64_t *x = a;
	const int64_t *y = b;

	return (*x > *y) - (*x < *y);
}

static void
do_diff(uint32_t peers, unsigned rounds)
{
	g_autoptr(WeftNlState) desired = make_state(peers);
	g_autoptr(WeftNlState) dumped = make_state(peers);
	g_autofree int64_t *times = g_new(int64_t, rounds);

	dumped->link.ifindex = 7;
	dumped->link.flags = 1; /* IFF_UP */
	g_strlcpy(dumped->link.alias, WEFT_NL_LINK_MARK, sizeof dumped->link.alias);
	desired->wg.peers[peers / 2].keepalive_s = 25;
	for (unsigned i = 0; i < rounds; i++) {
		int64_t start = g_get_monotonic_time();
		g_autoptr(WeftNlOps) ops = weft_nl_diff(desired, dumped, NULL);

		if (weft_nl_ops_count(ops) != 1)
			die("not one operation");
		times[i] = g_get_monotonic_time() - start;
	}
	qsort(times, rounds, sizeof *times, compare_times);
	printf("%" G_GINT64_FORMAT "\n", times[rounds / 2]);
}

int
main(int argc, char **argv)
{
	g_autoptr(WeftNlWg) wg = NULL;
	g_autoptr(GError) error = NULL;

	if (!weft_crypto_init())
		die("no randomness");
	if (argc == 4 && strcmp(argv[1], "diff") == 0) {
		do_diff((uint32_t) atoi(argv[2]), (unsigned) atoi(argv[3]));
		return 0;
	}
	wg = weft_nl_wg_kernel_open(weft_env_system(), &error);
	if (wg == NULL)
		die(error->message);
	if (argc == 4 && strcmp(argv[1], "setconf") == 0)
		do_setconf(wg, argv[2], argv[3]);
	else if (argc == 3 && strcmp(argv[1], "dump") == 0)
		do_dump(wg, argv[2]);
	else
		die("setconf LINK FILE, dump LINK, diff PEERS ROUNDS");
	return 0;
}
