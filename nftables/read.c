/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/read.h"

#include "nftables/attrs.h"
#include "nftables/error.h"
#include "nftables/limits.h"
#include "nftables/model-private.h"
#include "nftables/read-elements.h"
#include "nftables/read-table.h"
#include "nftables/signature.h"
#include "nftables/skeleton.h"

#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/rule.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/* One reading in progress. */
struct reader {
	WeftNftSocket *socket;
	const struct weft_nft_config *config;
	WeftNftModel *model;
	GHashTable *counters; /* name -> index into the model's counters + 1 */
	GHashTable *rules;    /* chain -> GString of signatures; also of those without rules */
	GHashTable *base;     /* the same as it should be */
	unsigned sets;        /* seen as they should be */
	unsigned objects;     /* of the current dump, against flooding */
	unsigned set;         /* whose elements are being read */
	char *why;            /* the first thing that is not as this room writes it */
};

void
weft_nft_state_clear(struct weft_nft_state *state)
{
	g_clear_pointer(&state->model, weft_nft_model_unref);
	g_clear_pointer(&state->why, g_free);
}

static G_GNUC_PRINTF(2, 3) void alter(struct reader *r, const char *format, ...)
{
	va_list args;

	if (r->why != NULL)
		return;
	va_start(args, format);
	r->why = g_strdup_vprintf(format, args);
	va_end(args);
}

static GString *
chain_rules(GHashTable *chains, const char *name)
{
	GString *rules = g_hash_table_lookup(chains, name);

	if (rules == NULL) {
		rules = g_string_new(NULL);
		g_hash_table_insert(chains, g_strdup(name), rules);
	}
	return rules;
}

/* A chain begins with what it hangs on, so that one text says all. */
static void
describe_chain(GHashTable *chains,
	       const char *name,
	       bool base,
	       uint32_t hook,
	       int32_t priority,
	       uint32_t policy)
{
	GString *text = chain_rules(chains, name);

	if (base)
		g_string_printf(text, "hook %u priority %d policy %u ", hook, priority, policy);
	else
		g_string_assign(text, "plain ");
}

static bool
flooded(struct reader *r)
{
	return ++r->objects > WEFT_NFT_LIMIT_OBJECTS;
}

static bool
is_ours(const struct reader *r, const struct weft_nft_attrs *attrs, unsigned table_attr)
{
	const char *table = weft_nft_attr_string(attrs, table_attr);

	return attrs->family == NFPROTO_INET && table != NULL &&
	       strcmp(table, r->config->table) == 0;
}

static bool
on_chain(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct reader *r = user;
	struct weft_nft_attrs attrs, hook;
	const char *name, *type;
	bool base;

	if (!weft_nft_attrs_of_message(&attrs, msg))
		return weft_nft_malformed(error, "chain");
	if (!is_ours(r, &attrs, NFTA_CHAIN_TABLE))
		return true;
	name = weft_nft_attr_string(&attrs, NFTA_CHAIN_NAME);
	if (name == NULL)
		return weft_nft_malformed(error, "chain");
	type = weft_nft_attr_string(&attrs, NFTA_CHAIN_TYPE);
	base = attrs.at[NFTA_CHAIN_HOOK] != NULL;
	weft_nft_attrs_of_nest(&hook, attrs.at[NFTA_CHAIN_HOOK]);
	describe_chain(r->rules, name, base, weft_nft_attr_u32(&hook, NFTA_HOOK_HOOKNUM, 0),
		       (int32_t) weft_nft_attr_u32(&hook, NFTA_HOOK_PRIORITY, 0),
		       weft_nft_attr_u32(&attrs, NFTA_CHAIN_POLICY, NF_ACCEPT));
	if (base && (type == NULL || strcmp(type, "filter") != 0))
		alter(r, "chain %s has another type", name);
	if (flooded(r))
		alter(r, "too many chains");
	return true;
}

static bool
on_rule(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct reader *r = user;
	struct weft_nft_attrs attrs;
	const char *chain;

	if (!weft_nft_attrs_of_message(&attrs, msg))
		return weft_nft_malformed(error, "rule");
	if (!is_ours(r, &attrs, NFTA_RULE_TABLE) || r->why != NULL)
		return true;
	chain = weft_nft_attr_string(&attrs, NFTA_RULE_CHAIN);
	if (chain == NULL)
		return weft_nft_malformed(error, "rule");
	weft_nft_signature(chain_rules(r->rules, chain), attrs.at[NFTA_RULE_EXPRESSIONS]);
	if (flooded(r))
		alter(r, "too many rules");
	return true;
}

static void
free_text(void *text)
{
	g_string_free(text, TRUE);
}

/* What chains and rules should be. */
static GHashTable *
expected_rules(const struct weft_nft_config *config)
{
	GHashTable *expected = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_text);
	g_autoptr(GArray) chains = weft_nft_skeleton_chains(config);
	g_autoptr(GPtrArray) rules = weft_nft_skeleton_rules(config);

	for (size_t i = 0; i < chains->len; i++) {
		const struct weft_nft_chain *c = &g_array_index(chains, struct weft_nft_chain, i);

		describe_chain(expected, c->name, c->base, c->hook, c->priority, c->policy);
	}
	for (size_t i = 0; i < rules->len; i++) {
		const char *chain = nftnl_rule_get_str(rules->pdata[i], NFTNL_RULE_CHAIN);

		weft_nft_signature_of_rule(chain_rules(expected, chain), rules->pdata[i]);
	}
	return expected;
}

static void
compare_rules(struct reader *r)
{
	g_autoptr(GHashTable) expected = expected_rules(r->config);
	GHashTableIter iter;
	void *name, *text;

	g_hash_table_iter_init(&iter, expected);
	while (g_hash_table_iter_next(&iter, &name, &text)) {
		GString *found = g_hash_table_lookup(r->rules, name);

		if (found == NULL)
			alter(r, "chain %s is missing", (const char *) name);
		else if (!g_string_equal(found, text))
			alter(r, "chain %s differs", (const char *) name);
	}
	if (g_hash_table_size(r->rules) != g_hash_table_size(expected))
		alter(r, "there is a chain of somebody else");
}

static bool
is_skeleton_counter(const char *name)
{
	for (size_t i = 0; weft_nft_skeleton_counters[i] != NULL; i++) {
		if (strcmp(weft_nft_skeleton_counters[i], name) == 0)
			return true;
	}
	return false;
}

static bool
on_counter(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct reader *r = user;
	struct weft_nft_attrs attrs;
	const char *name;
	char *kept;

	if (!weft_nft_attrs_of_message(&attrs, msg))
		return weft_nft_malformed(error, "counter");
	if (!is_ours(r, &attrs, NFTA_OBJ_TABLE))
		return true;
	name = weft_nft_attr_string(&attrs, NFTA_OBJ_NAME);
	if (name == NULL)
		return weft_nft_malformed(error, "counter");
	if (flooded(r))
		alter(r, "too many objects");
	else if (weft_nft_attr_u32(&attrs, NFTA_OBJ_TYPE, 0) != NFT_OBJECT_COUNTER)
		alter(r, "object %s is no counter", name);
	if (r->why != NULL || is_skeleton_counter(name) || g_hash_table_contains(r->counters, name))
		return true;
	kept = g_strdup(name);
	g_ptr_array_add(r->model->counters, kept);
	g_hash_table_insert(r->counters, kept, GUINT_TO_POINTER(r->model->counters->len));
	return true;
}

static void
check_set(struct reader *r, const struct weft_nft_attrs *attrs, const char *name)
{
	char wanted[WEFT_NFT_SET_NAME_SIZE];

	for (unsigned i = 0; i < WEFT_NFT_SET_COUNT; i++) {
		struct weft_nft_set_form form = weft_nft_skeleton_set(i);

		if (strcmp(weft_nft_set_name(i, wanted), name) != 0 ||
		    !weft_nft_skeleton_has_set(r->config, i))
			continue;
		if (weft_nft_attr_u32(attrs, NFTA_SET_FLAGS, 0) != form.flags ||
		    weft_nft_attr_u32(attrs, NFTA_SET_KEY_LEN, 0) != form.key_len ||
		    weft_nft_attr_u32(attrs, NFTA_SET_OBJ_TYPE, 0) != NFT_OBJECT_COUNTER)
			alter(r, "set %s differs", name);
		r->sets++;
		return;
	}
	alter(r, "set %s is of somebody else", name);
}

static bool
on_set(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct reader *r = user;
	struct weft_nft_attrs attrs;
	const char *name;

	if (!weft_nft_attrs_of_message(&attrs, msg))
		return weft_nft_malformed(error, "set");
	if (!is_ours(r, &attrs, NFTA_SET_TABLE))
		return true;
	name = weft_nft_attr_string(&attrs, NFTA_SET_NAME);
	if (name == NULL)
		return weft_nft_malformed(error, "set");
	check_set(r, &attrs, name);
	return true;
}

static bool
on_elements(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct reader *r = user;
	char name[WEFT_NFT_SET_NAME_SIZE];

	switch (weft_nft_parse_elements(msg, r->config->table, r->set, r->counters,
					r->model->elements[r->set])) {
	case WEFT_NFT_PARSED_OK:
		return true;
	case WEFT_NFT_PARSED_ODD:
		alter(r, "set %s has an element of somebody else", weft_nft_set_name(r->set, name));
		return true;
	case WEFT_NFT_PARSED_MALFORMED:
		break;
	}
	return weft_nft_malformed(error, "set element");
}

static bool
read_elements(struct reader *r, GError **error)
{
	struct weft_nft_request request = {
		.type = NFT_MSG_GETSETELEM, .flags = NLM_F_DUMP, .reply = on_elements, .user = r
	};
	char name[WEFT_NFT_SET_NAME_SIZE];

	for (r->set = 0; r->set < WEFT_NFT_SET_COUNT && r->why == NULL; r->set++) {
		if (!weft_nft_skeleton_has_set(r->config, r->set))
			continue;
		if (!weft_nft_ask(r->socket, request, NFTA_SET_ELEM_LIST_TABLE, r->config->table,
				  weft_nft_set_name(r->set, name), error)) {
			g_prefix_error(error, "elements of %s: ", name);
			return false;
		}
	}
	return true;
}

static unsigned
expected_sets(const struct weft_nft_config *config)
{
	unsigned n = 0;

	for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++)
		n += weft_nft_skeleton_has_set(config, set);
	return n;
}

static bool
read_parts(struct reader *r, GError **error)
{
	static const struct {
		uint16_t type;
		uint16_t table_attr; /* 0: this dump has no filter */
		WeftNftReplyFunc reply;
		const char *what;
	} parts[] = {
		{ NFT_MSG_GETCHAIN, 0, on_chain, "chains" },
		{ NFT_MSG_GETRULE, NFTA_RULE_TABLE, on_rule, "rules" },
		{ NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, on_counter, "counters" },
		{ NFT_MSG_GETSET, NFTA_SET_TABLE, on_set, "sets" },
	};
	size_t before;

	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
		struct weft_nft_request request = { .type = parts[i].type,
						    .flags = NLM_F_DUMP,
						    .reply = parts[i].reply,
						    .user = r };

		r->objects = 0;
		if (!weft_nft_ask(r->socket, request, parts[i].table_attr, r->config->table, NULL,
				  error)) {
			g_prefix_error(error, "%s: ", parts[i].what);
			return false;
		}
	}
	compare_rules(r);
	if (r->sets != expected_sets(r->config))
		alter(r, "a set is missing");
	if (r->why != NULL)
		return true;
	if (!read_elements(r, error))
		return false;
	before = r->model->counters->len;
	weft_nft_model_finish(r->model);
	/* Every policy's counter is there for an element. */
	if (r->model->counters->len != before)
		alter(r, "there is a counter of somebody else");
	return true;
}

static bool
read_once(WeftNftSocket *s,
	  const struct weft_nft_config *config,
	  struct weft_nft_state *state,
	  GError **error)
{
	struct weft_nft_mark mark = { 0 };
	g_autoptr(GHashTable) counters = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) rules =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_text);
	struct reader r = { .socket = s, .config = config, .counters = counters, .rules = rules };
	bool ok;

	if (!weft_nft_read_table(s, config->table, &mark, error))
		return false;
	state->found = WEFT_NFT_FOUND_NOTHING;
	if (!mark.found)
		return true;
	r.model = weft_nft_model_new(config);
	if (mark.flags != 0)
		alter(&r, "the table has flags %#x", mark.flags);
	ok = read_parts(&r, error);
	state->found = r.why == NULL ? WEFT_NFT_FOUND_INTACT : WEFT_NFT_FOUND_ALTERED;
	if (ok && r.why == NULL)
		state->model = g_steal_pointer(&r.model);
	else
		weft_nft_model_unref(r.model);
	state->why = r.why;
	if (!ok)
		g_prefix_error(error, "table inet %s: read ", config->table);
	return ok;
}

bool
weft_nft_read(WeftNftSocket *s,
	      const struct weft_nft_config *config,
	      struct weft_nft_state *ret,
	      GError **error)
{
	for (unsigned tries = 0; tries < WEFT_NFT_TRIES; tries++) {
		struct weft_nft_state state = { 0 };
		GError *inner = NULL;
		uint32_t after;

		if (!weft_nft_socket_generation(s, &state.generation, error))
			return false;
		if (!read_once(s, config, &state, &inner)) {
			weft_nft_state_clear(&state);
			/* What was there a moment ago is gone: as good as interrupted. */
			if (g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INTERRUPTED) ||
			    g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_NOT_FOUND)) {
				g_error_free(inner);
				continue;
			}
			g_propagate_error(error, inner);
			return false;
		}
		if (!weft_nft_socket_generation(s, &after, error)) {
			weft_nft_state_clear(&state);
			return false;
		}
		if (after == state.generation) {
			*ret = state;
			return true;
		}
		weft_nft_state_clear(&state);
	}
	g_set_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INTERRUPTED,
		    "table inet %s: read: the ruleset kept changing", config->table);
	return false;
}
