/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/admin/op.h"

#include "base/env.h"
#include "base/glib/table.h"
#include "mgmtd/admin/limits.h"

#include <stdarg.h>
#include <string.h>

G_DEFINE_QUARK(mgmt - error, mgmt_error)

static guint
key_hash(gconstpointer p)
{
	return (guint) weft_key_hash(p);
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct weft_key)) == 0;
}

MgmtAdmin *
mgmt_admin_new(MgmtModel *model,
	       MgmtStore *store,
	       const struct weft_env *env,
	       const struct mgmt_admin_hooks *hooks)
{
	MgmtAdmin *admin = g_new0(MgmtAdmin, 1);

	admin->model = model;
	admin->store = store;
	admin->env = env;
	admin->hooks = *hooks;
	g_queue_init(&admin->waiting);
	admin->registering = g_hash_table_new_full(key_hash, key_equal, g_free, NULL);
	admin->status = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	return admin;
}

MgmtModel *
mgmt_admin_model(const MgmtAdmin *admin)
{
	return admin->model;
}

static void
event_clear(void *p)
{
	mgmt_event_clear(p);
}

void *
mgmt_op_new(MgmtAdmin *admin,
	    const struct mgmt_op_type *type,
	    size_t size,
	    const struct mgmt_actor *actor,
	    const struct mgmt_id *account,
	    struct mgmt_reply reply)
{
	struct mgmt_op *op = g_malloc0(size);

	op->type = type;
	op->admin = admin;
	op->actor = *actor;
	if (account != NULL)
		op->account_id = *account;
	op->reply = reply;
	op->events = g_array_new(FALSE, FALSE, sizeof(struct mgmt_event));
	g_array_set_clear_func(op->events, event_clear);
	return op;
}

static void
op_free(struct mgmt_op *op)
{
	if (op->type->clear != NULL)
		op->type->clear(op);
	mgmt_bitset_clear(&op->affected);
	g_array_unref(op->events);
	g_free(op);
}

void
mgmt_admin_free(MgmtAdmin *admin)
{
	struct mgmt_op *op;

	if (admin == NULL)
		return;
	while ((op = g_queue_pop_head(&admin->waiting)) != NULL)
		op_free(op);
	g_hash_table_unref(admin->registering);
	g_hash_table_unref(admin->status);
	g_free(admin);
}

MgmtAccount *
mgmt_op_account(const struct mgmt_op *op, GError **error)
{
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	if (a == NULL)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no account '%s'",
			    op->account_id.s);
	return a;
}

void
mgmt_op_event(struct mgmt_op *op, int activity, const struct mgmt_id *target, ...)
{
	struct mgmt_event e = { .time_us = weft_env_wall_us(op->admin->env),
				.activity = activity,
				.initiator = g_strdup(op->actor.id),
				.target = g_strdup(target->s),
				.account_id = op->account_id };
	GString *meta = g_string_new("{");
	const char *key;
	va_list ap;

	va_start(ap, target);
	while ((key = va_arg(ap, const char *)) != NULL) {
		if (meta->len > 1)
			g_string_append_c(meta, ',');
		weft_table_json_string(meta, key);
		g_string_append_c(meta, ':');
		weft_table_json_string(meta, va_arg(ap, const char *));
	}
	va_end(ap);
	g_string_append_c(meta, '}');
	e.meta = g_string_free(meta, FALSE);
	g_array_append_val(op->events, e);
}

static void finish(struct mgmt_op *op, const GError *error);

/* Store thread. */
static bool
on_run(MgmtTx *tx, void *data, GError **error)
{
	struct mgmt_op *op = data;

	if (!op->type->run(tx, op, error))
		return false;
	if (op->type->changes_maps && !mgmt_tx_bump_serial(tx, &op->account_id, &op->serial, error))
		return false;
	for (guint i = 0; i < op->events->len; i++)
		if (!mgmt_tx_add_event(tx, &g_array_index(op->events, struct mgmt_event, i), error))
			return false;
	return true;
}

/* What the store says, as the transports understand it. */
static GError *
translate(const struct mgmt_op *op, const GError *error)
{
	enum mgmt_error code = MGMT_ERROR_INTERNAL;

	if (error->domain == MGMT_ERROR)
		return g_error_copy(error);
	if (g_error_matches(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_DOWN))
		code = MGMT_ERROR_UNAVAILABLE;
	else if (g_error_matches(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_CONFLICT))
		code = MGMT_ERROR_EXISTS;
	else if (g_error_matches(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_REFUSED))
		code = MGMT_ERROR_NOT_FOUND;
	return g_error_new(MGMT_ERROR, code, "%s: %s", op->type->name, error->message);
}

static void
announce(struct mgmt_op *op)
{
	MgmtAdmin *admin = op->admin;
	MgmtAccount *a = mgmt_model_account(admin->model, &op->account_id);

	if (a != NULL && op->type->changes_maps)
		a->row.serial = MAX(a->row.serial, op->serial);
	if (a != NULL && !mgmt_bitset_is_empty(&op->affected))
		admin->hooks.dirty(admin->hooks.user, a, &op->affected);
	for (guint i = 0; admin->hooks.event != NULL && i < op->events->len; i++)
		admin->hooks.event(admin->hooks.user,
				   &g_array_index(op->events, struct mgmt_event, i));
}

/* Main thread: the outcome is durable. */
static void
on_done(void *data, const GError *error)
{
	struct mgmt_op *op = data;

	op->admin->n_in_store--;
	if (error == NULL) {
		op->type->apply(op);
		announce(op);
	}
	finish(op, error);
}

/* Takes the operation through its check; true if it went to the store or is finished. */
static void
begin(struct mgmt_op *op)
{
	g_autoptr(GError) error = NULL;

	if (op->type->check != NULL && !op->type->check(op, &error)) {
		finish(op, error);
		return;
	}
	if (op->nothing_to_do) {
		finish(op, NULL);
		return;
	}
	op->admin->n_in_store++;
	mgmt_store_submit(op->admin->store, on_run, on_done, op);
}

static void
finish(struct mgmt_op *op, const GError *error)
{
	MgmtAdmin *admin = op->admin;
	g_autoptr(GError) translated = error == NULL ? NULL : translate(op, error);

	if (error != NULL && op->reserved && op->type->release != NULL)
		op->type->release(op);
	if (op->reply.done != NULL)
		op->reply.done(op->reply.user, error == NULL ? op->object : NULL, translated);
	if (admin->current == op) {
		admin->current = NULL;
		op_free(op);
		while (admin->current == NULL && (op = g_queue_pop_head(&admin->waiting)) != NULL) {
			admin->current = op;
			begin(op);
		}
		return;
	}
	op_free(op);
}

void
mgmt_op_start(struct mgmt_op *op)
{
	MgmtAdmin *admin = op->admin;
	g_autoptr(GError) error = NULL;

	if (!op->actor.may_write) {
		g_set_error(&error, MGMT_ERROR, MGMT_ERROR_DENIED, "%s: not permitted",
			    op->type->name);
	} else if (admin->n_in_store + admin->waiting.length >= MGMT_LIMIT_QUEUE) {
		g_set_error(&error, MGMT_ERROR, MGMT_ERROR_UNAVAILABLE,
			    "%s: the store does not keep up; try again later", op->type->name);
	}
	if (error != NULL) {
		finish(op, error);
	} else if (!op->type->exclusive) {
		begin(op);
	} else if (admin->current != NULL) {
		g_queue_push_tail(&admin->waiting, op);
	} else {
		admin->current = op;
		begin(op);
	}
}

bool
mgmt_check_text(const char *what, const char *text, size_t max, bool empty_ok, GError **error)
{
	if (text[0] == '\0' && !empty_ok) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID, "%s is empty", what);
		return false;
	}
	if (strlen(text) > max) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID, "%s is longer than %zu bytes",
			    what, max);
		return false;
	}
	if (!g_utf8_validate(text, -1, NULL)) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID, "%s is not UTF-8", what);
		return false;
	}
	for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
		if (g_unichar_iscntrl(g_utf8_get_char(p))) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
				    "%s contains control characters", what);
			return false;
		}
	}
	return true;
}
