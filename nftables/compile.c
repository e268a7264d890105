/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules into set elements.
 *
 * Whatever a rule says about protocols and ports is one interval of the line of all (protocol,
 * port), 24 bits long: everything, whole protocols, or ports of one protocol. The rules of one
 * direction, family and action are sorted by prefix, wider ones first, and walked with the stack of
 * the prefixes around the current one. An interval that lies within what the same or a wider prefix
 * says already is left out. Exact tuples go to hash sets and may overlap with others there; what
 * goes to interval sets is cut down by what wider prefixes put there, so that no two elements of
 * one set overlap. */
#include "nftables/error.h"
#include "nftables/model-private.h"

#include <netinet/in.h>
#include <string.h>

#define LINE_END       0xffffffU
#define PROTOCOL_OF(x) ((uint8_t) ((x) >> 16))
#define PORT_OF(x)     ((uint16_t) (x))

struct span {
	uint32_t first, last; /* on the line of protocols and ports */
};

struct item {
	uint8_t addr[16];
	uint8_t bits;
	struct span span;
	uint32_t counter;
	size_t rule;
};

/* One prefix around the current one. */
struct frame {
	uint8_t addr[16];
	uint8_t bits;
	GArray *said;     /* struct span, disjoint, joined, sorted: all that it says */
	GArray *boxes[2]; /* struct span, disjoint, sorted: what it put into the interval sets */
};

struct compiler {
	WeftNftModel *model;
	GArray *refusals;
	enum weft_family family;
	struct weft_nft_set_id id; /* of the current group; shape unused */
	GPtrArray *stack;          /* struct frame */
	GHashTable *policies;      /* struct weft_nft_policy -> index + 1 */
};

static void
frame_free(void *data)
{
	struct frame *f = data;

	g_array_unref(f->said);
	g_array_unref(f->boxes[0]);
	g_array_unref(f->boxes[1]);
	g_free(f);
}

static struct frame *
frame_new(const struct item *item)
{
	struct frame *f = g_new0(struct frame, 1);

	memcpy(f->addr, item->addr, sizeof f->addr);
	f->bits = item->bits;
	f->said = g_array_new(FALSE, FALSE, sizeof(struct span));
	f->boxes[0] = g_array_new(FALSE, FALSE, sizeof(struct span));
	f->boxes[1] = g_array_new(FALSE, FALSE, sizeof(struct span));
	return f;
}

static unsigned
max_bits(const struct compiler *c)
{
	return WEFT_NFT_KEY_ADDRESS_LEN(c->family) * 8;
}

static bool
is_whole(struct span span)
{
	return PORT_OF(span.first) == 0 && PORT_OF(span.last) == UINT16_MAX;
}

/* The last span that begins at or before @at, or -1. */
static ssize_t
span_before(const GArray *spans, uint32_t at)
{
	const struct span *s = (const void *) spans->data;
	size_t low = 0, high = spans->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s[middle].first <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return (ssize_t) low - 1;
}

static bool
covers(const GArray *spans, struct span span)
{
	ssize_t i = span_before(spans, span.first);

	return i >= 0 && g_array_index(spans, struct span, i).last >= span.last;
}

/* Adds a span that begins at or after all others begin. */
static void
say(GArray *said, struct span span)
{
	struct span *last = said->len > 0 ? &g_array_index(said, struct span, said->len - 1) : NULL;

	if (last != NULL && span.first <= last->last + 1)
		last->last = MAX(last->last, span.last);
	else
		g_array_append_val(said, span);
}

/* Replaces @pieces by what @taken leaves of them. */
static void
subtract(GArray *pieces, const GArray *taken)
{
	g_autoptr(GArray) left = NULL;

	if (taken->len == 0)
		return;
	left = g_array_new(FALSE, FALSE, sizeof(struct span));
	for (size_t i = 0; i < pieces->len; i++) {
		struct span rest = g_array_index(pieces, struct span, i);
		ssize_t before = span_before(taken, rest.first);

		for (size_t k = (size_t) MAX(before, 0); k < taken->len; k++) {
			struct span hole = g_array_index(taken, struct span, k);

			if (hole.first > rest.last)
				break;
			if (hole.last < rest.first)
				continue;
			if (hole.first > rest.first) {
				struct span head = { rest.first, hole.first - 1 };

				g_array_append_val(left, head);
			}
			rest.first = hole.last + 1;
			if (rest.first > rest.last)
				break;
		}
		if (rest.first <= rest.last)
			g_array_append_val(left, rest);
	}
	g_array_set_size(pieces, 0);
	if (left->len > 0)
		g_array_append_vals(pieces, left->data, left->len);
}

static void
refuse(struct compiler *c, size_t rule, enum weft_nft_defect defect)
{
	struct weft_nft_refusal refusal = { .rule = rule, .defect = defect };

	if (c->refusals != NULL)
		g_array_append_val(c->refusals, refusal);
}

static void
put_port(struct compiler *c, uint8_t *key, uint16_t port)
{
	key[WEFT_NFT_KEY_PORT(c->family)] = (uint8_t) (port >> 8);
	key[WEFT_NFT_KEY_PORT(c->family) + 1] = (uint8_t) port;
}

static enum weft_nft_shape
shape_of(const struct compiler *c, const struct item *item, struct span span)
{
	bool host = item->bits == max_bits(c);

	if (is_whole(span)) {
		if (!host)
			return WEFT_NFT_RANGE_PROTOCOL;
		if (span.first == 0 && span.last == LINE_END)
			return WEFT_NFT_HOST;
		return WEFT_NFT_HOST_PROTOCOL; /* of a host only one whole protocol, or all */
	}
	return host && span.first == span.last ? WEFT_NFT_HOST_PORT : WEFT_NFT_RANGE_PORT;
}

static void
last_address(uint8_t *addr, unsigned bits, unsigned total)
{
	for (unsigned i = bits; i < total; i++)
		addr[i / 8] |= (uint8_t) (0x80 >> i % 8);
}

static void
emit(struct compiler *c, const struct item *item, struct span span)
{
	struct weft_nft_set_id id = c->id;
	struct weft_nft_element e = { .counter = item->counter };
	unsigned protocol = WEFT_NFT_KEY_PROTOCOL(c->family);

	id.shape = shape_of(c, item, span);
	memcpy(e.key, item->addr, WEFT_NFT_KEY_ADDRESS_LEN(c->family));
	memcpy(e.end, e.key, sizeof e.end);
	last_address(e.end, item->bits, max_bits(c));
	if (id.shape != WEFT_NFT_HOST) {
		e.key[protocol] = PROTOCOL_OF(span.first);
		e.end[protocol] = PROTOCOL_OF(span.last);
	}
	if (id.shape == WEFT_NFT_HOST_PORT || id.shape == WEFT_NFT_RANGE_PORT) {
		put_port(c, e.key, PORT_OF(span.first));
		put_port(c, e.end, PORT_OF(span.last));
	}
	g_array_append_val(c->model->elements[weft_nft_set_index(id)], e);
}

/* An interval for one of the two interval sets: what wider prefixes and what came before at this
 * prefix leave of it. */
static bool
emit_range(struct compiler *c, const struct item *item, struct span span, struct frame *own)
{
	unsigned kind = !is_whole(span);
	struct weft_nft_set_id id = c->id;
	g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(struct span));
	GArray *set;

	g_array_append_val(pieces, span);
	for (size_t i = 0; i < c->stack->len; i++)
		subtract(pieces, ((struct frame *) c->stack->pdata[i])->boxes[kind]);
	subtract(pieces, own->boxes[kind]);
	id.shape = kind == 0 ? WEFT_NFT_RANGE_PROTOCOL : WEFT_NFT_RANGE_PORT;
	set = c->model->elements[weft_nft_set_index(id)];
	if (set->len + pieces->len > WEFT_NFT_LIMIT_BOXES) {
		refuse(c, item->rule, WEFT_NFT_DEFECT_TOO_COMPLEX);
		return false;
	}
	for (size_t i = 0; i < pieces->len; i++) {
		struct span piece = g_array_index(pieces, struct span, i);

		emit(c, item, piece);
		g_array_append_val(own->boxes[kind], piece);
	}
	return true;
}

static bool
said_by_wider(const struct compiler *c, struct span span)
{
	for (size_t i = 0; i < c->stack->len; i++) {
		if (covers(((struct frame *) c->stack->pdata[i])->said, span))
			return true;
	}
	return false;
}

static bool
same_prefix(const struct item *a, const struct item *b)
{
	return a->bits == b->bits && memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

static bool
is_inside(const struct frame *outer, const struct item *item)
{
	unsigned whole = outer->bits / 8, rest = outer->bits % 8;

	if (outer->bits > item->bits || memcmp(outer->addr, item->addr, whole) != 0)
		return false;
	return rest == 0 || (outer->addr[whole] ^ item->addr[whole]) >> (8 - rest) == 0;
}

/* Neighbouring port ranges of one policy are one; single ports stay exact. */
static size_t
join(const struct item *items, size_t i, size_t n, struct span *span)
{
	while (i + 1 < n && !is_whole(*span) && span->first != span->last &&
	       items[i + 1].counter == items[i].counter &&
	       items[i + 1].span.first != items[i + 1].span.last &&
	       items[i + 1].span.first <= span->last + 1 &&
	       PROTOCOL_OF(items[i + 1].span.first) == PROTOCOL_OF(span->first)) {
		i++;
		span->last = MAX(span->last, items[i].span.last);
	}
	return i;
}

/* All items of one prefix, sorted by where their spans begin, longer ones first. Those that overlap
 * in part are port ranges: whatever is wider begins at port 0. */
static void
compile_prefix(struct compiler *c, const struct item *items, size_t n)
{
	struct frame *own = frame_new(items);

	for (size_t i = 0; i < n; i++) {
		const struct item *item = &items[i];
		struct span span = item->span;
		enum weft_nft_shape shape;

		if (covers(own->said, span) || said_by_wider(c, span))
			continue;
		i = join(items, i, n, &span);
		shape = shape_of(c, item, span);
		if (shape == WEFT_NFT_RANGE_PROTOCOL || shape == WEFT_NFT_RANGE_PORT) {
			if (!emit_range(c, item, span, own))
				continue;
		} else {
			emit(c, item, span);
		}
		say(own->said, span);
	}
	if (items->bits < max_bits(c))
		g_ptr_array_add(c->stack, own);
	else
		frame_free(own);
}

static int
compare_items(const void *a, const void *b, void *counters)
{
	const struct item *x = a, *y = b;
	const char *const *names = counters;
	int order = memcmp(x->addr, y->addr, sizeof x->addr);

	if (order != 0)
		return order;
	if (x->bits != y->bits)
		return x->bits < y->bits ? -1 : 1;
	if (x->span.first != y->span.first)
		return x->span.first < y->span.first ? -1 : 1;
	if (x->span.last != y->span.last)
		return x->span.last > y->span.last ? -1 : 1;
	return x->counter == y->counter ? 0 : strcmp(names[x->counter], names[y->counter]);
}

static void
compile_group(struct compiler *c, GArray *group)
{
	const struct item *items = (const void *) group->data;

	g_qsort_with_data(group->data, (int) group->len, sizeof(struct item), compare_items,
			  c->model->counters->pdata);
	for (size_t i = 0, end; i < group->len; i = end) {
		for (end = i + 1; end < group->len && same_prefix(&items[i], &items[end]);)
			end++;
		while (c->stack->len > 0 &&
		       !is_inside(c->stack->pdata[c->stack->len - 1], &items[i]))
			g_ptr_array_set_size(c->stack, (int) c->stack->len - 1);
		compile_prefix(c, &items[i], end - i);
	}
	g_ptr_array_set_size(c->stack, 0);
}

static unsigned
hash_policy(const void *data)
{
	const struct weft_nft_policy *policy = data;
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < policy->len; i++)
		h = (h ^ policy->b[i]) * 16777619U;
	return h;
}

static gboolean
policies_equal(const void *a, const void *b)
{
	return weft_nft_policy_compare(a, b) == 0;
}

/* The index of the policy's counter; rules of one policy tend to follow each other. */
static uint32_t
intern(struct compiler *c, const struct weft_nft_policy *policy)
{
	uintptr_t index = (uintptr_t) g_hash_table_lookup(c->policies, policy);
	char name[WEFT_NFT_COUNTER_NAME_SIZE];

	if (index == 0) {
		g_ptr_array_add(c->model->counters,
				g_strdup(weft_nft_policy_counter(policy, name)));
		index = c->model->counters->len;
		/* The rules outlive the compiler. */
		g_hash_table_insert(c->policies, (void *) policy, (void *) index);
	}
	return (uint32_t) (index - 1);
}

static struct span
span_of(const struct weft_nft_rule *rule)
{
	uint32_t protocol = (uint32_t) rule->protocol & 0xff;

	if (rule->protocol == WEFT_NFT_PROTOCOL_ALL)
		return (struct span){ 0, LINE_END };
	if (rule->protocol == WEFT_NFT_PROTOCOL_ICMP)
		protocol = rule->remote.addr.family == WEFT_FAMILY_IPV4 ? IPPROTO_ICMP
									: IPPROTO_ICMPV6;
	if (rule->has_ports)
		return (struct span){ protocol << 16 | rule->port_first,
				      protocol << 16 | rule->port_last };
	return (struct span){ protocol << 16, protocol << 16 | 0xffff };
}

/* A group is what shares sets: direction, family and action. */
#define GROUP_COUNT (WEFT_NFT_SET_COUNT / WEFT_NFT_SHAPE_COUNT_)

static void
sort_in(struct compiler *c, GArray *groups[], const struct weft_nft_rule *rule, size_t index)
{
	struct weft_nft_set_id id = { .direction = rule->direction,
				      .family = rule->remote.addr.family,
				      .action = rule->action };
	struct item item = { .bits = rule->remote.bits, .span = span_of(rule), .rule = index };

	memcpy(item.addr, rule->remote.addr.b, WEFT_NFT_KEY_ADDRESS_LEN(id.family));
	item.counter = intern(c, &rule->policy);
	g_array_append_val(groups[weft_nft_set_index(id) / WEFT_NFT_SHAPE_COUNT_], item);
}

WeftNftModel *
weft_nft_compile(const struct weft_nft_config *config,
		 const struct weft_nft_rule *rules,
		 size_t n,
		 GArray *refusals,
		 GError **error)
{
	g_autoptr(WeftNftModel) model = NULL;
	g_autoptr(GHashTable) policies = g_hash_table_new(hash_policy, policies_equal);
	g_autoptr(GPtrArray) stack = g_ptr_array_new_with_free_func(frame_free);
	struct compiler c = { .refusals = refusals, .stack = stack, .policies = policies };
	GArray *groups[GROUP_COUNT];

	if (!weft_nft_config_check(config, error))
		return NULL;
	if (n > WEFT_NFT_LIMIT_RULES) {
		g_set_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INVALID,
			    "%zu rules are more than the %u that one table takes", n,
			    WEFT_NFT_LIMIT_RULES);
		return NULL;
	}
	c.model = model = weft_nft_model_new(config);
	for (unsigned i = 0; i < GROUP_COUNT; i++)
		groups[i] = g_array_new(FALSE, FALSE, sizeof(struct item));
	for (size_t i = 0; i < n; i++) {
		enum weft_nft_defect defect = weft_nft_rule_check(&rules[i]);

		if (defect != WEFT_NFT_DEFECT_NONE)
			refuse(&c, i, defect);
		else if (rules[i].direction == WEFT_NFT_IN || config->filter_output)
			sort_in(&c, groups, &rules[i], i);
	}
	for (unsigned i = 0; i < GROUP_COUNT; i++) {
		c.id = weft_nft_set_id(i * WEFT_NFT_SHAPE_COUNT_);
		c.family = c.id.family;
		compile_group(&c, groups[i]);
		g_array_unref(groups[i]);
	}
	weft_nft_model_finish(model);
	return g_steal_pointer(&model);
}
