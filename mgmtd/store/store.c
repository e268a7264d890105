/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/store/store.h"

#include "base/backoff.h"
#include "base/env.h"
#include "mgmtd/store/tx.h"

#include <string.h>

#define DEFAULT_BATCH 64

struct request {
	mgmt_store_run run;
	mgmt_store_done done;
	void *data;
	GError *error;
};

struct mgmt_store {
	MgmtEngine *engine; /* the writer thread's, once that runs */
	GMainContext *context;
	const struct weft_env *env;
	unsigned max_batch;
	GThread *thread;
	GMutex lock; /* protects what follows */
	GCond wake;
	GQueue queue; /* of struct request * */
	bool closing;
	bool up;
};

static const struct weft_backoff_config reconnect_backoff = {
	.first_us = 100000, .cap_us = 5000000, .factor_pct = 200, .jitter_pct = 50
};

static char *
sqlite_path(const char *url)
{
	return g_str_has_prefix(url, "sqlite://") ? g_strdup(url + strlen("sqlite://")) : NULL;
}

MgmtStore *
mgmt_store_open(const struct mgmt_store_config *config, GError **error)
{
	g_autofree char *path = sqlite_path(config->url);
	MgmtEngine *engine = mgmt_engine_open(config->url, true, error);
	MgmtStore *s;

	if (engine == NULL)
		return NULL;
	if (!mgmt_schema_migrate(engine, path, error)) {
		mgmt_engine_close(engine);
		return NULL;
	}
	s = g_new0(MgmtStore, 1);
	s->engine = engine;
	s->context = g_main_context_ref(config->context);
	s->env = config->env;
	s->max_batch = config->max_batch == 0 ? DEFAULT_BATCH : config->max_batch;
	g_mutex_init(&s->lock);
	g_cond_init(&s->wake);
	g_queue_init(&s->queue);
	s->up = true;
	return s;
}

bool
mgmt_store_load(MgmtStore *s, const struct mgmt_store_loader *loader, GError **error)
{
	g_return_val_if_fail(s->thread == NULL, false);
	return mgmt_load_all(s->engine, loader, error);
}

bool
mgmt_store_box_key(MgmtStore *s, struct weft_key *ret_private, GError **error)
{
	g_autofree char *text = NULL;
	struct weft_key_text new_text;
	struct mgmt_value params[1];

	g_return_val_if_fail(s->thread == NULL, false);
	if (!mgmt_query_text(s->engine, "SELECT value FROM meta WHERE name = 'box_key'", NULL, 0,
			     &text, error))
		return false;
	if (text != NULL) {
		bool ok = weft_key_from_text(ret_private, text, strlen(text));

		explicit_bzero(text, strlen(text));
		if (!ok)
			g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED,
				    "the box key in the store is damaged");
		return ok;
	}
	weft_key_generate(ret_private, s->env);
	new_text = weft_key_to_text(ret_private);
	params[0] = MGMT_TEXT(new_text.s);
	if (!mgmt_query(s->engine, "INSERT INTO meta (name, value) VALUES ('box_key', $1)", params,
			1, NULL, NULL, error)) {
		weft_key_wipe(ret_private);
		weft_wipe(&new_text, sizeof new_text);
		return false;
	}
	weft_wipe(&new_text, sizeof new_text);
	return true;
}

/* One operation inside its savepoint. False: the whole batch is lost with the connection. */
static bool
run_one(MgmtStore *s, struct request *r)
{
	struct mgmt_tx tx = { s->engine };

	g_clear_error(&r->error);
	if (!mgmt_exec(s->engine, "SAVEPOINT op", &r->error))
		return !s->engine->ops->is_lost(s->engine);
	if (r->run(&tx, r->data, &r->error))
		return mgmt_exec(s->engine, "RELEASE SAVEPOINT op", &r->error);
	if (s->engine->ops->is_lost(s->engine))
		return false;
	return mgmt_exec(s->engine, "ROLLBACK TO SAVEPOINT op; RELEASE SAVEPOINT op", NULL);
}

/* Marks the transaction, so that after a lost connection one can see whether it was committed. */
static bool
mark_batch(MgmtStore *s, char id[33], GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(id) };
	uint8_t random[16];

	weft_env_random(s->env, random, sizeof random);
	for (unsigned i = 0; i < sizeof random; i++)
		g_snprintf(id + 2 * i, 3, "%02x", random[i]);
	return mgmt_query(s->engine, "UPDATE meta SET value = $1 WHERE name = 'last_batch'", params,
			  1, NULL, NULL, error);
}

static bool
was_committed(MgmtStore *s, const char *id)
{
	g_autofree char *text = NULL;

	return mgmt_query_text(s->engine, "SELECT value FROM meta WHERE name = 'last_batch'", NULL,
			       0, &text, NULL) &&
	       g_strcmp0(text, id) == 0;
}

enum outcome { OUTCOME_COMMITTED, OUTCOME_FAILED, OUTCOME_LOST };

static enum outcome
run_batch(MgmtStore *s, GQueue *batch, GError **error)
{
	bool may_be_unknown = strcmp(s->engine->ops->name, "sqlite") != 0;
	char id[33];

	if (!mgmt_exec(s->engine, may_be_unknown ? "BEGIN" : "BEGIN IMMEDIATE", error))
		return s->engine->ops->is_lost(s->engine) ? OUTCOME_LOST : OUTCOME_FAILED;
	for (GList *l = batch->head; l != NULL; l = l->next)
		if (!run_one(s, l->data))
			return s->engine->ops->is_lost(s->engine) ? OUTCOME_LOST : OUTCOME_FAILED;
	if (may_be_unknown && !mark_batch(s, id, error))
		return s->engine->ops->is_lost(s->engine) ? OUTCOME_LOST : OUTCOME_FAILED;
	if (mgmt_exec(s->engine, "COMMIT", error))
		return OUTCOME_COMMITTED;
	if (!s->engine->ops->is_lost(s->engine))
		return OUTCOME_FAILED;
	if (s->engine->ops->reconnect(s->engine, NULL) && was_committed(s, id))
		return OUTCOME_COMMITTED;
	return OUTCOME_LOST;
}

static void
fail_batch(GQueue *batch, const GError *error)
{
	for (GList *l = batch->head; l != NULL; l = l->next) {
		struct request *r = l->data;

		g_clear_error(&r->error);
		r->error = g_error_copy(error);
	}
}

struct delivery {
	GQueue batch;
};

/* Main context. */
static gboolean
on_deliver(gpointer data)
{
	struct delivery *d = data;
	struct request *r;

	while ((r = g_queue_pop_head(&d->batch)) != NULL) {
		r->done(r->data, r->error);
		g_clear_error(&r->error);
		g_free(r);
	}
	return G_SOURCE_REMOVE;
}

static void
deliver(MgmtStore *s, GQueue *batch)
{
	struct delivery *d = g_new0(struct delivery, 1);
	GSource *source = g_idle_source_new();

	d->batch = *batch;
	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	g_source_set_callback(source, on_deliver, d, g_free);
	g_source_attach(source, s->context);
	g_source_unref(source);
}

static void
set_up(MgmtStore *s, bool up)
{
	g_mutex_lock(&s->lock);
	s->up = up;
	g_mutex_unlock(&s->lock);
}

/* Runs a batch to its end: once more if the connection broke under it and is there again. */
static void
process(MgmtStore *s, GQueue *batch)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		g_autoptr(GError) error = NULL;
		enum outcome outcome = run_batch(s, batch, &error);

		if (outcome == OUTCOME_COMMITTED)
			return;
		if (outcome == OUTCOME_FAILED) {
			mgmt_exec(s->engine, "ROLLBACK", NULL); /* may have ended by itself */
			if (error == NULL)
				g_set_error(&error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED,
					    "the transaction failed");
			fail_batch(batch, error);
			return;
		}
		g_clear_error(&error);
		if (!s->engine->ops->reconnect(s->engine, &error))
			break;
	}
	if (s->engine->ops->is_lost(s->engine))
		set_up(s, false);
	{
		g_autoptr(GError) down = g_error_new(MGMT_STORE_ERROR, MGMT_STORE_ERROR_DOWN,
						     "the database is not reachable; nothing was "
						     "changed, try again later");

		fail_batch(batch, down);
	}
}

/* Waits for work, or while the database is away until the next try is due. False: closed. */
static bool
next_batch(MgmtStore *s, GQueue *batch, int64_t retry_at_us)
{
	g_mutex_lock(&s->lock);
	while (s->queue.length == 0 && !s->closing) {
		if (s->up) {
			g_cond_wait(&s->wake, &s->lock);
		} else if (!g_cond_wait_until(&s->wake, &s->lock, retry_at_us)) {
			break; /* time to reconnect */
		}
	}
	for (unsigned n = 0; n < s->max_batch && s->queue.length > 0; n++)
		g_queue_push_tail(batch, g_queue_pop_head(&s->queue));
	if (batch->length == 0 && s->closing) {
		g_mutex_unlock(&s->lock);
		return false;
	}
	g_mutex_unlock(&s->lock);
	return true;
}

static void
try_reconnect(MgmtStore *s, struct weft_backoff *backoff, int64_t *retry_at_us)
{
	if (g_get_monotonic_time() < *retry_at_us)
		return;
	if (s->engine->ops->reconnect(s->engine, NULL)) {
		weft_backoff_reset(backoff);
		set_up(s, true);
	} else {
		*retry_at_us = g_get_monotonic_time() + weft_backoff_next_us(backoff, s->env);
	}
}

static gpointer
writer_thread(gpointer data)
{
	MgmtStore *s = data;
	struct weft_backoff backoff;
	int64_t retry_at_us = 0;

	weft_backoff_init(&backoff, &reconnect_backoff);
	for (;;) {
		GQueue batch = G_QUEUE_INIT;

		if (!next_batch(s, &batch, retry_at_us))
			return NULL;
		if (!mgmt_store_is_up(s))
			try_reconnect(s, &backoff, &retry_at_us);
		if (batch.length == 0)
			continue;
		if (mgmt_store_is_up(s)) {
			process(s, &batch);
		} else {
			g_autoptr(GError) down =
				g_error_new(MGMT_STORE_ERROR, MGMT_STORE_ERROR_DOWN,
					    "the database is not reachable; try again later");

			fail_batch(&batch, down);
		}
		deliver(s, &batch);
	}
}

void
mgmt_store_submit(MgmtStore *s, mgmt_store_run run, mgmt_store_done done, void *data)
{
	struct request *r = g_new0(struct request, 1);

	r->run = run;
	r->done = done;
	r->data = data;
	g_mutex_lock(&s->lock);
	if (s->thread == NULL)
		s->thread = g_thread_new("store", writer_thread, s);
	g_queue_push_tail(&s->queue, r);
	g_cond_signal(&s->wake);
	g_mutex_unlock(&s->lock);
}

const char *
mgmt_store_engine(const MgmtStore *store)
{
	return store->engine->ops->name;
}

bool
mgmt_store_is_up(const MgmtStore *store)
{
	MgmtStore *s = (MgmtStore *) (uintptr_t) store;
	bool up;

	g_mutex_lock(&s->lock);
	up = s->up;
	g_mutex_unlock(&s->lock);
	return up;
}

void
mgmt_store_close(MgmtStore *s)
{
	if (s == NULL)
		return;
	g_mutex_lock(&s->lock);
	s->closing = true;
	g_cond_signal(&s->wake);
	g_mutex_unlock(&s->lock);
	if (s->thread != NULL)
		g_thread_join(s->thread);
	/* Outcomes that are on their way still reach their callers, who own data. */
	while (g_main_context_pending(s->context))
		g_main_context_iteration(s->context, FALSE);
	mgmt_engine_close(s->engine);
	g_main_context_unref(s->context);
	g_mutex_clear(&s->lock);
	g_cond_clear(&s->wake);
	g_free(s);
}
