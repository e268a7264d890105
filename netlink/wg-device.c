/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/error.h"
#include "netlink/wg.h"

#include <string.h>

struct weft_nl_wg_device *
weft_nl_wg_device_new(const char *name)
{
	struct weft_nl_wg_device *dev = g_new0(struct weft_nl_wg_device, 1);

	g_strlcpy(dev->name, name, sizeof dev->name);
	return dev;
}

static void
peer_clear(struct weft_nl_wg_peer *peer)
{
	weft_key_wipe(&peer->preshared_key);
	g_free(peer->allowed);
	peer->allowed = NULL;
	peer->n_allowed = 0;
}

void
weft_nl_wg_device_clear(struct weft_nl_wg_device *dev)
{
	for (size_t i = 0; i < dev->n_peers; i++)
		peer_clear(&dev->peers[i]);
	g_free(dev->peers);
	weft_wipe(dev, sizeof *dev);
}

void
weft_nl_wg_device_free(struct weft_nl_wg_device *dev)
{
	if (dev == NULL)
		return;
	weft_nl_wg_device_clear(dev);
	g_free(dev);
}

/* realloc() would leave a copy of the preshared keys behind. */
static void
grow_peers(struct weft_nl_wg_device *dev)
{
	size_t size = MAX(16, dev->peers_size * 2);
	struct weft_nl_wg_peer *peers = g_new(struct weft_nl_wg_peer, size);

	if (dev->n_peers > 0) {
		memcpy(peers, dev->peers, dev->n_peers * sizeof *peers);
		weft_wipe(dev->peers, dev->n_peers * sizeof *peers);
	}
	g_free(dev->peers);
	dev->peers = peers;
	dev->peers_size = size;
}

struct weft_nl_wg_peer *
weft_nl_wg_device_add_peer(struct weft_nl_wg_device *dev, const struct weft_key *public_key)
{
	struct weft_nl_wg_peer *peer;

	if (dev->n_peers == dev->peers_size)
		grow_peers(dev);
	peer = &dev->peers[dev->n_peers++];
	memset(peer, 0, sizeof *peer);
	peer->public_key = *public_key;
	dev->normalised = false;
	return peer;
}

/* Room grows by doubling when the number is a power of two; there is more than that after some were
 * taken out, never less. */
void
weft_nl_wg_peer_allow(struct weft_nl_wg_peer *peer, const struct weft_prefix *prefix)
{
	size_t n = peer->n_allowed;

	if ((n & (n - 1)) == 0)
		peer->allowed = g_renew(struct weft_prefix, peer->allowed, n == 0 ? 1 : 2 * n);
	peer->allowed[n] = weft_prefix_mask(prefix);
	peer->n_allowed = n + 1;
}

const struct weft_nl_wg_peer *
weft_nl_wg_device_find(const struct weft_nl_wg_device *dev, const struct weft_key *public_key)
{
	size_t low = 0;
	size_t high = dev->n_peers;

	g_return_val_if_fail(dev->normalised, NULL);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = memcmp(&dev->peers[middle].public_key, public_key, sizeof *public_key);

		if (c == 0)
			return &dev->peers[middle];
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
weft_nl_wg_device_is_blank(const struct weft_nl_wg_device *dev)
{
	return weft_key_is_zero(&dev->private_key) && dev->n_peers == 0;
}

static int
compare_peers(const void *a, const void *b)
{
	const struct weft_nl_wg_peer *x = a;
	const struct weft_nl_wg_peer *y = b;

	return memcmp(&x->public_key, &y->public_key, sizeof x->public_key);
}

static int
compare_prefixes(const void *a, const void *b)
{
	return weft_prefix_compare(a, b);
}

/* Dumps of what we applied come in order already. */
static bool
is_sorted(const void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	const uint8_t *p = base;

	for (size_t i = 1; i < n; i++) {
		if (compare(p + (i - 1) * size, p + i * size) > 0)
			return false;
	}
	return true;
}

static void
sort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	if (!is_sorted(base, n, size, compare))
		qsort(base, n, size, compare);
}

void
weft_nl_wg_device_sort(struct weft_nl_wg_device *dev)
{
	for (size_t i = 0; i < dev->n_peers; i++) {
		struct weft_nl_wg_peer *peer = &dev->peers[i];

		sort(peer->allowed, peer->n_allowed, sizeof *peer->allowed, compare_prefixes);
	}
	sort(dev->peers, dev->n_peers, sizeof *dev->peers, compare_peers);
	dev->normalised = true;
}

/* --- normalising a desired device */

static G_GNUC_PRINTF(4, 5) void report(GPtrArray *problems,
				       const struct weft_nl_wg_peer *peer,
				       enum weft_nl_error code,
				       const char *format,
				       ...)
{
	struct weft_key_text key;
	GError *e;
	va_list args;

	if (problems == NULL)
		return;
	va_start(args, format);
	e = g_error_new_valist(WEFT_NL_ERROR, (gint) code, format, args);
	va_end(args);
	key = weft_key_to_text(&peer->public_key);
	g_prefix_error(&e, "peer ...%s: ", key.s + WEFT_KEY_TEXT_LEN - 8);
	g_ptr_array_add(problems, e);
}

static guint
key_hash(const void *p)
{
	return (guint) weft_key_hash(p);
}

static gboolean
key_equal(const void *a, const void *b)
{
	return memcmp(a, b, WEFT_KEY_LEN) == 0;
}

static guint
prefix_hash(const void *p)
{
	const struct weft_prefix *prefix = p;
	uint32_t words[4];
	uint32_t h = prefix->bits * 31U + prefix->addr.family;

	memcpy(words, prefix->addr.b, sizeof words);
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		h = (h ^ words[i]) * 0x9e3779b1U;
	return h ^ h >> 15;
}

static gboolean
prefix_equal(const void *a, const void *b)
{
	return weft_prefix_equal(a, b);
}

/* The peer is impossible as a whole. @seen: keys of the later peers. */
static bool
peer_is_refused(const struct weft_nl_wg_device *dev,
		const struct weft_nl_wg_peer *peer,
		GHashTable *seen,
		GPtrArray *problems)
{
	if (weft_key_is_zero(&peer->public_key)) {
		report(problems, peer, WEFT_NL_ERROR_INVALID, "the public key is zero");
		return true;
	}
	if (!weft_key_is_zero(&dev->private_key) &&
	    weft_key_equal(&peer->public_key, &dev->public_key)) {
		report(problems, peer, WEFT_NL_ERROR_INVALID, "it is our own key");
		return true;
	}
	if (g_hash_table_contains(seen, &peer->public_key)) {
		report(problems, peer, WEFT_NL_ERROR_CONFLICT,
		       "it is listed twice; the later entry is used");
		return true;
	}
	return false;
}

static void
check_endpoint(struct weft_nl_wg_peer *peer, GPtrArray *problems)
{
	if (peer->endpoint_mode == WEFT_NL_WG_ENDPOINT_KEEP)
		return;
	if (peer->endpoint.port != 0 && weft_address_bits(&peer->endpoint.addr) != 0)
		return;
	report(problems, peer, WEFT_NL_ERROR_INVALID, "the endpoint lacks an address or a port");
	peer->endpoint_mode = WEFT_NL_WG_ENDPOINT_KEEP;
}

/* Takes allowed ips out that are impossible, listed twice, or claimed by a later peer.
 * @owners: prefix -> public key of the later peers and of this one so far. */
static void
check_allowed(struct weft_nl_wg_peer *peer, GHashTable *owners, GPtrArray *problems)
{
	size_t n = 0;

	for (size_t i = 0; i < peer->n_allowed; i++) {
		struct weft_prefix *p = &peer->allowed[i];
		uint8_t bits = weft_address_bits(&p->addr);
		const struct weft_key *owner;
		char text[WEFT_PREFIX_TEXT_SIZE];

		if (bits == 0 || p->bits > bits) {
			report(problems, peer, WEFT_NL_ERROR_INVALID,
			       "an allowed ip has the prefix length %u", p->bits);
			continue;
		}
		*p = weft_prefix_mask(p);
		owner = g_hash_table_lookup(owners, p);
		if (owner == NULL) {
			peer->allowed[n++] = *p;
			g_hash_table_insert(owners, &peer->allowed[n - 1], &peer->public_key);
		} else if (owner != &peer->public_key) {
			struct weft_key_text key = weft_key_to_text(owner);

			report(problems, peer, WEFT_NL_ERROR_CONFLICT,
			       "allowed ip %s belongs to the later peer ...%s",
			       weft_prefix_format(p, text), key.s + WEFT_KEY_TEXT_LEN - 8);
		}
	}
	peer->n_allowed = n;
}

void
weft_nl_wg_device_normalise(struct weft_nl_wg_device *dev, GPtrArray *problems)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(key_hash, key_equal);
	g_autoptr(GHashTable) owners = g_hash_table_new(prefix_hash, prefix_equal);
	size_t n = 0;

	if (!weft_key_is_zero(&dev->private_key))
		weft_key_public(&dev->public_key, &dev->private_key);
	/* Backwards, because the later one wins; refused ones are emptied, removed below. */
	for (size_t i = dev->n_peers; i-- > 0;) {
		struct weft_nl_wg_peer *peer = &dev->peers[i];

		if (peer_is_refused(dev, peer, seen, problems)) {
			peer_clear(peer);
			memset(peer, 0, sizeof *peer);
			continue;
		}
		g_hash_table_add(seen, &peer->public_key);
		check_endpoint(peer, problems);
		check_allowed(peer, owners, problems);
	}
	for (size_t i = 0; i < dev->n_peers; i++) {
		if (!weft_key_is_zero(&dev->peers[i].public_key))
			dev->peers[n++] = dev->peers[i];
	}
	if (n < dev->n_peers)
		weft_wipe(dev->peers + n, (dev->n_peers - n) * sizeof *dev->peers);
	dev->n_peers = n;
	weft_nl_wg_device_sort(dev);
}
