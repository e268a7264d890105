/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/diff-private.h"

#include <string.h>

/* A peer that loses allowed ips. Whether the loss is real shows when all gains are known: what
 * another peer gains, it takes away by itself. */
struct loser {
	const struct weft_nl_wg_peer *want;
	const struct weft_nl_wg_peer *have;
	struct weft_nl_wg_change change; /* what else is to be changed; flags 0: nothing */
};

struct peers {
	struct weft_nl_diff *d;
	GArray *losers;     /* struct loser */
	GHashTable *gained; /* prefixes that some peer gains; made when somebody loses */
};

static const struct weft_prefix *
keep_prefixes(struct weft_nl_diff *d, const struct weft_prefix *p, size_t n)
{
	struct weft_prefix *copy = g_memdup2(p, n * sizeof *p);

	if (copy != NULL)
		g_ptr_array_add(d->ops->pool, copy);
	return copy;
}

static void
append_change(struct weft_nl_diff *d,
	      enum weft_nl_op_kind kind,
	      const struct weft_nl_wg_change *change)
{
	weft_nl_ops_append(d->ops, kind)->change = *change;
}

static void
add_peer(struct weft_nl_diff *d, const struct weft_nl_wg_peer *want)
{
	struct weft_nl_wg_change c = { .public_key = want->public_key,
				       .flags = WEFT_NL_WG_CHANGE_REPLACE_ALLOWED,
				       .preshared_key = want->preshared_key,
				       .endpoint = want->endpoint,
				       .keepalive_s = want->keepalive_s,
				       .n_allowed = want->n_allowed };

	if (!weft_key_is_zero(&want->preshared_key))
		c.flags |= WEFT_NL_WG_CHANGE_PRESHARED_KEY;
	if (want->endpoint_mode != WEFT_NL_WG_ENDPOINT_KEEP)
		c.flags |= WEFT_NL_WG_CHANGE_ENDPOINT;
	if (want->keepalive_s != 0)
		c.flags |= WEFT_NL_WG_CHANGE_KEEPALIVE;
	c.allowed = keep_prefixes(d, want->allowed, want->n_allowed);
	append_change(d, WEFT_NL_OP_WG_PEER, &c);
	weft_key_wipe(&c.preshared_key);
}

static bool
endpoint_differs(const struct weft_nl_wg_peer *want, const struct weft_nl_wg_peer *have)
{
	switch ((enum weft_nl_wg_endpoint_mode) want->endpoint_mode) {
	case WEFT_NL_WG_ENDPOINT_INITIAL:
		return have->endpoint.addr.family == WEFT_FAMILY_NONE;
	case WEFT_NL_WG_ENDPOINT_EXACT:
		return !weft_endpoint_equal(&want->endpoint, &have->endpoint);
	case WEFT_NL_WG_ENDPOINT_KEEP:
	case WEFT_NL_WG_ENDPOINT_MODE_COUNT_:
		break;
	}
	return false;
}

static struct weft_nl_wg_change
change_of_fields(const struct weft_nl_wg_peer *want, const struct weft_nl_wg_peer *have)
{
	struct weft_nl_wg_change c = { .public_key = want->public_key };

	if (!weft_key_equal(&want->preshared_key, &have->preshared_key)) {
		c.flags |= WEFT_NL_WG_CHANGE_PRESHARED_KEY;
		c.preshared_key = want->preshared_key;
	}
	if (endpoint_differs(want, have)) {
		c.flags |= WEFT_NL_WG_CHANGE_ENDPOINT;
		c.endpoint = want->endpoint;
	}
	if (want->keepalive_s != have->keepalive_s) {
		c.flags |= WEFT_NL_WG_CHANGE_KEEPALIVE;
		c.keepalive_s = want->keepalive_s;
	}
	return c;
}

/* Walks two sorted arrays; calls for what is only in @a. Returns how many. */
static size_t
only_in(const struct weft_prefix *a,
	size_t n_a,
	const struct weft_prefix *b,
	size_t n_b,
	struct weft_prefix *ret)
{
	size_t j = 0;
	size_t n = 0;

	for (size_t i = 0; i < n_a; i++) {
		while (j < n_b && weft_prefix_compare(&b[j], &a[i]) < 0)
			j++;
		if (j < n_b && weft_prefix_equal(&b[j], &a[i]))
			continue;
		if (ret != NULL)
			ret[n] = a[i];
		n++;
	}
	return n;
}

static bool
same_allowed(const struct weft_nl_wg_peer *a, const struct weft_nl_wg_peer *b)
{
	if (a->n_allowed != b->n_allowed)
		return false;
	for (size_t i = 0; i < a->n_allowed; i++) {
		if (!weft_prefix_equal(&a->allowed[i], &b->allowed[i]))
			return false;
	}
	return true;
}

static void
change_peer(struct peers *p, const struct weft_nl_wg_peer *want, const struct weft_nl_wg_peer *have)
{
	struct weft_nl_wg_change c = change_of_fields(want, have);
	size_t lost = 0;

	if (!same_allowed(want, have)) {
		struct weft_prefix *gained = g_new(struct weft_prefix, want->n_allowed + 1);

		g_ptr_array_add(p->d->ops->pool, gained);
		c.allowed = gained;
		c.n_allowed = only_in(want->allowed, want->n_allowed, have->allowed,
				      have->n_allowed, gained);
		lost = only_in(have->allowed, have->n_allowed, want->allowed, want->n_allowed,
			       NULL);
	}
	if (lost > 0) {
		const struct loser loser = { want, have, c };

		g_array_append_vals(p->losers, &loser, 1);
	} else if (c.flags != 0 || c.n_allowed > 0) {
		c.flags |= WEFT_NL_WG_CHANGE_UPDATE_ONLY;
		append_change(p->d, WEFT_NL_OP_WG_PEER, &c);
	}
	weft_key_wipe(&c.preshared_key);
}

static void
remove_peer(struct weft_nl_diff *d, const struct weft_nl_wg_peer *have)
{
	const struct weft_nl_wg_change c = { .public_key = have->public_key,
					     .flags = WEFT_NL_WG_CHANGE_REMOVE };

	append_change(d, WEFT_NL_OP_WG_PEER_REMOVE, &c);
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

static void
collect_gains(struct peers *p, const struct weft_nl_wg_change *c)
{
	for (size_t i = 0; i < c->n_allowed; i++)
		g_hash_table_add(p->gained, (void *) &c->allowed[i]);
}

/* How many of the lost allowed ips nobody else gains. */
static size_t
really_lost(const struct peers *p, const struct loser *l, const struct weft_prefix *lost, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!g_hash_table_contains(p->gained, &lost[i]))
			count++;
	}
	return count;
}

static void
settle_loser(struct peers *p, struct loser *l)
{
	const struct weft_nl_wg_peer *want = l->want;
	g_autofree struct weft_prefix *lost = g_new(struct weft_prefix, l->have->n_allowed);
	size_t n =
		only_in(l->have->allowed, l->have->n_allowed, want->allowed, want->n_allowed, lost);
	size_t real = really_lost(p, l, lost, n);
	struct weft_nl_wg_change *c = &l->change;
	bool changed = c->flags != 0 || c->n_allowed > 0;
	struct weft_nl_wg_change shrink = {
		.public_key = want->public_key,
		.flags = WEFT_NL_WG_CHANGE_REPLACE_ALLOWED | WEFT_NL_WG_CHANGE_UPDATE_ONLY,
		.n_allowed = want->n_allowed,
	};

	c->flags |= WEFT_NL_WG_CHANGE_UPDATE_ONLY;
	if (real > 0 && (!changed || real < n)) {
		/* Later than the gains of others, so that what moves is never nobody's. */
		shrink.allowed = keep_prefixes(p->d, want->allowed, want->n_allowed);
		append_change(p->d, WEFT_NL_OP_WG_PEER_SHRINK, &shrink);
	} else if (real > 0) {
		c->flags |= WEFT_NL_WG_CHANGE_REPLACE_ALLOWED;
		c->allowed = keep_prefixes(p->d, want->allowed, want->n_allowed);
		c->n_allowed = want->n_allowed;
	}
	if (changed)
		append_change(p->d, WEFT_NL_OP_WG_PEER, c);
}

static void
settle_losers(struct peers *p)
{
	const GArray *ops = p->d->ops->ops;
	g_autoptr(GHashTable) gained = g_hash_table_new(prefix_hash, prefix_equal);

	p->gained = gained;
	for (guint i = 0; i < ops->len; i++) {
		const struct weft_nl_op *op = &g_array_index(ops, struct weft_nl_op, i);

		if (op->kind == WEFT_NL_OP_WG_PEER)
			collect_gains(p, &op->change);
	}
	for (guint i = 0; i < p->losers->len; i++)
		collect_gains(p, &g_array_index(p->losers, struct loser, i).change);
	for (guint i = 0; i < p->losers->len; i++)
		settle_loser(p, &g_array_index(p->losers, struct loser, i));
	weft_wipe(p->losers->data, p->losers->len * sizeof(struct loser));
}

void
weft_nl_diff_peers(struct weft_nl_diff *d)
{
	const struct weft_nl_wg_device *want = &d->desired->wg;
	const struct weft_nl_wg_device *have = &d->dumped->wg;
	g_autoptr(GArray) losers = g_array_new(FALSE, FALSE, sizeof(struct loser));
	struct peers p = { .d = d, .losers = losers };
	size_t i = 0;
	size_t j = 0;

	while (i < want->n_peers || j < have->n_peers) {
		int c = i == want->n_peers ? 1
			: j == have->n_peers
				? -1
				: memcmp(&want->peers[i].public_key, &have->peers[j].public_key,
					 sizeof(struct weft_key));

		if (c < 0)
			add_peer(d, &want->peers[i++]);
		else if (c > 0)
			remove_peer(d, &have->peers[j++]);
		else
			change_peer(&p, &want->peers[i++], &have->peers[j++]);
	}
	if (losers->len > 0)
		settle_losers(&p);
}
