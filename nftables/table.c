/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/table.h"

#include "nftables/error.h"
#include "nftables/read.h"
#include "nftables/write.h"

#include <string.h>

struct weft_nft_table {
	WeftNftSocket *socket;
	struct weft_nft_config config;
	WeftNftModel *wanted;  /* applied last; NULL: nothing was */
	bool known;            /* the next two are true of the kernel at that generation */
	WeftNftModel *current; /* NULL: no table, or one to be rebuilt */
	uint32_t generation;
	char *why; /* of the last reading; NULL: nothing */
};

/* clang-format off */
static const char *const found_names[WEFT_NFT_FOUND_COUNT_] = {
	[WEFT_NFT_FOUND_NOTHING] = "nothing",
	[WEFT_NFT_FOUND_INTACT] = "intact",
	[WEFT_NFT_FOUND_ALTERED] = "altered",
};
/* clang-format on */

const char *
weft_nft_found_name(enum weft_nft_found found)
{
	return (unsigned) found < WEFT_NFT_FOUND_COUNT_ ? found_names[found] : "unknown";
}

WeftNftTable *
weft_nft_table_new(WeftNftSocket *socket, const struct weft_nft_config *config)
{
	WeftNftTable *t = g_new0(WeftNftTable, 1);

	t->socket = socket;
	t->config = *config;
	return t;
}

void
weft_nft_table_free(WeftNftTable *t)
{
	if (t == NULL)
		return;
	weft_nft_model_unref(t->wanted);
	weft_nft_model_unref(t->current);
	weft_nft_socket_free(t->socket);
	g_free(t->why);
	g_free(t);
}

uint32_t
weft_nft_table_port_id(const WeftNftTable *t)
{
	return weft_nft_socket_port_id(t->socket);
}

const WeftNftModel *
weft_nft_table_current(const WeftNftTable *t)
{
	return t->known ? t->current : NULL;
}

const char *
weft_nft_table_why(const WeftNftTable *t)
{
	return t->why == NULL ? "" : t->why;
}

static void
set_current(WeftNftTable *t, bool known, const WeftNftModel *model, uint32_t generation)
{
	WeftNftModel *kept = model == NULL ? NULL : weft_nft_model_ref(model);

	weft_nft_model_unref(t->current);
	t->current = kept;
	t->known = known;
	t->generation = generation;
}

bool
weft_nft_table_read(WeftNftTable *t, enum weft_nft_found *ret_found, GError **error)
{
	struct weft_nft_state state = { 0 };

	set_current(t, false, NULL, 0);
	g_clear_pointer(&t->why, g_free);
	if (!weft_nft_read(t->socket, &t->config, &state, error))
		return false;
	set_current(t, true, state.model, state.generation);
	t->why = g_steal_pointer(&state.why);
	if (ret_found != NULL)
		*ret_found = state.found;
	weft_nft_state_clear(&state);
	return true;
}

void
weft_nft_applied_clear(struct weft_nft_applied *applied)
{
	g_clear_pointer(&applied->revoked, weft_nft_diff_free);
}

/* The kernel counts its transactions, leaving out 0. */
static uint32_t
next_generation(uint32_t generation)
{
	return generation + 1 == 0 ? 1 : generation + 1;
}

/* Sends a transaction that holds for the known generation only. */
static bool
commit(WeftNftTable *t, WeftNftBatch *batch, const WeftNftModel *result, GError **error)
{
	uint32_t generation = t->generation;

	weft_nft_batch_require_generation(batch, generation);
	if (!weft_nft_socket_commit(t->socket, batch, error)) {
		/* Refused: all is as before. Interrupted or unanswered: unknown. */
		t->known = false;
		g_prefix_error(error, "table inet %s: ", t->config.table);
		return false;
	}
	set_current(t, true, result, next_generation(generation));
	return true;
}

static void
count_changes(const WeftNftDiff *diff, const WeftNftModel *model, struct weft_nft_applied *applied)
{
	size_t n;
	const struct weft_nft_change *changes = weft_nft_diff_changes(diff, &n);

	applied->added = applied->deleted = 0;
	applied->rebuilt = weft_nft_diff_is_rebuild(diff);
	if (applied->rebuilt)
		applied->added = weft_nft_model_element_count(model);
	for (size_t i = 0; i < n; i++) {
		applied->added += changes[i].add;
		applied->deleted += !changes[i].add;
	}
}

static void
keep_count(const struct weft_nft_count *count, void *user)
{
	struct weft_nft_count *kept = g_memdup2(count, sizeof *count);

	kept->name = NULL;
	g_hash_table_insert(user, g_strdup(count->name), kept);
}

/* The counters of the table that is replaced go on. Without them it works as well. */
static void
write_anew(WeftNftTable *t, WeftNftBatch *batch, const WeftNftModel *model)
{
	g_autoptr(GHashTable) counts =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autoptr(GError) ignored = NULL;

	if (!weft_nft_read_counters(t->socket, t->config.table, keep_count, counts, &ignored))
		g_hash_table_remove_all(counts);
	weft_nft_write_model(batch, model, counts);
}

/* Which flows lose their permission: what is in force counts, or if that is unknown (somebody has
 * flushed or altered the table), what was applied last. */
static void
note_revoked(WeftNftTable *t,
	     WeftNftDiff *applied_diff,
	     bool had_current,
	     const WeftNftModel *model,
	     struct weft_nft_applied *applied)
{
	g_autoptr(WeftNftDiff) diff = applied_diff;
	size_t n_cuts;

	if (!had_current && t->wanted != NULL) {
		weft_nft_diff_free(diff);
		diff = weft_nft_diff(t->wanted, model);
	}
	weft_nft_applied_clear(applied);
	(void) weft_nft_diff_cut_list(diff, &n_cuts);
	if (n_cuts > 0)
		applied->revoked = g_steal_pointer(&diff);
}

/* One attempt: from what is there to @model. */
static bool
try_apply(WeftNftTable *t,
	  const WeftNftModel *model,
	  bool rebuild,
	  struct weft_nft_applied *applied,
	  GError **error)
{
	g_autoptr(WeftNftDiff) diff = NULL;
	g_autoptr(WeftNftBatch) batch = weft_nft_batch_new();
	bool had_current;

	if (!t->known && !weft_nft_table_read(t, NULL, error))
		return false;
	had_current = t->current != NULL;
	diff = weft_nft_diff(t->current, model);
	count_changes(diff, model, applied);
	if (rebuild || weft_nft_diff_is_rebuild(diff)) {
		applied->rebuilt = true;
		write_anew(t, batch, model);
	} else if (!weft_nft_diff_is_empty(diff)) {
		weft_nft_write_diff(batch, t->config.table, diff);
	}
	if (weft_nft_batch_count(batch) > 0) {
		applied->tries++;
		if (!commit(t, batch, model, error))
			return false;
	}
	note_revoked(t, g_steal_pointer(&diff), had_current, model, applied);
	return true;
}

static bool
apply(WeftNftTable *t,
      const WeftNftModel *model,
      bool rebuild,
      struct weft_nft_applied *applied,
      GError **error)
{
	for (unsigned tries = 0;; tries++) {
		GError *inner = NULL;

		if (try_apply(t, model, rebuild, applied, &inner))
			return true;
		if (tries + 1 < WEFT_NFT_TRIES &&
		    g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INTERRUPTED)) {
			/* Somebody else was faster. */
		} else if (!rebuild && !applied->rebuilt &&
			   (g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_EXISTS) ||
			    g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_NOT_FOUND) ||
			    g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_BUSY) ||
			    g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_FAILED))) {
			/* The kernel does not hold what it should: write all of it. */
			rebuild = true;
		} else {
			g_propagate_error(error, inner);
			return false;
		}
		g_error_free(inner);
	}
}

bool
weft_nft_table_apply(WeftNftTable *t,
		     WeftNftModel *model,
		     struct weft_nft_applied *ret,
		     GError **error)
{
	g_autoptr(WeftNftModel) owned = model;
	struct weft_nft_applied applied = { 0 };

	if (strcmp(weft_nft_model_config(model)->table, t->config.table) != 0) {
		g_set_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INVALID,
			    "table inet %s: the rules are for table %s", t->config.table,
			    weft_nft_model_config(model)->table);
		return false;
	}
	if (!apply(t, model, false, &applied, error))
		return false;
	t->config = *weft_nft_model_config(model);
	weft_nft_model_unref(t->wanted);
	t->wanted = g_steal_pointer(&owned);
	if (ret != NULL)
		*ret = applied;
	else
		weft_nft_applied_clear(&applied);
	return true;
}

bool
weft_nft_table_verify(WeftNftTable *t, enum weft_nft_found *ret_found, GError **error)
{
	enum weft_nft_found found;

	if (!weft_nft_table_read(t, &found, error))
		return false;
	if (found == WEFT_NFT_FOUND_INTACT && t->wanted != NULL &&
	    !weft_nft_model_equal(t->current, t->wanted)) {
		found = WEFT_NFT_FOUND_ALTERED;
		t->why = g_strdup("elements or counters differ");
	}
	*ret_found = found;
	return true;
}

bool
weft_nft_table_repair(WeftNftTable *t, bool *ret_repaired, GError **error)
{
	struct weft_nft_applied applied = { 0 };
	enum weft_nft_found found;

	if (ret_repaired != NULL)
		*ret_repaired = false;
	if (!weft_nft_table_verify(t, &found, error))
		return false;
	if (found == WEFT_NFT_FOUND_INTACT || t->wanted == NULL)
		return true;
	if (!apply(t, t->wanted, false, &applied, error))
		return false;
	weft_nft_applied_clear(&applied);
	if (ret_repaired != NULL)
		*ret_repaired = true;
	return true;
}

bool
weft_nft_table_remove(WeftNftTable *t, GError **error)
{
	for (unsigned tries = 0;; tries++) {
		g_autoptr(WeftNftBatch) batch = weft_nft_batch_new();
		enum weft_nft_found found;
		GError *inner = NULL;

		t->known = false;
		if (weft_nft_socket_generation(t->socket, &t->generation, &inner) &&
		    weft_nft_read_mark(t->socket, t->config.table, &found, &inner)) {
			if (found == WEFT_NFT_FOUND_NOTHING)
				break;
			weft_nft_write_delete(batch, t->config.table, false);
			if (commit(t, batch, NULL, &inner))
				break;
		}
		if (tries + 1 >= WEFT_NFT_TRIES ||
		    !g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INTERRUPTED)) {
			g_propagate_error(error, inner);
			return false;
		}
		g_error_free(inner);
	}
	g_clear_pointer(&t->wanted, weft_nft_model_unref);
	set_current(t, false, NULL, 0);
	return true;
}

bool
weft_nft_table_counts(WeftNftTable *t, WeftNftCountFunc func, void *user, GError **error)
{
	return weft_nft_read_counters(t->socket, t->config.table, func, user, error);
}
