/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/adminsock/adminsock.h"

#include "base/env.h"
#include "base/glib/log.h"
#include "mgmtd/adminsock/internal.h"
#include "mgmtd/service/service.h"
#include "proto/methods.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_NAME "admin.sock"
#define GRACE_MS    500

MgmtAccount *
mgmt_adminsock_account(MgmtAdminSock *sock, GError **error)
{
	const GPtrArray *accounts = mgmt_model_accounts(mgmt_admin_model(sock->admin));

	if (accounts->len > 0)
		return g_ptr_array_index(accounts, 0);
	g_set_error(error, MGMT_ERROR, MGMT_ERROR_PRECONDITION,
		    "there is no account yet; run: weft-admin init");
	return NULL;
}

/* One call that waits for an operation: how its outcome is turned into an answer. */
struct waiting {
	MgmtAdminSock *sock;
	WeftRpcCall *call;
	void (*answer)(struct waiting *w, const void *object);
};

static void
on_outcome(void *user, const void *object, const GError *error)
{
	struct waiting *w = user;

	if (error != NULL)
		mgmt_service_fail(w->call, error);
	else
		w->answer(w, object);
	weft_rpc_call_unref(w->call);
	g_free(w);
}

static struct mgmt_reply
wait_for(MgmtAdminSock *sock,
	 WeftRpcCall *call,
	 void (*answer)(struct waiting *w, const void *object))
{
	struct waiting *w = g_new0(struct waiting, 1);

	w->sock = sock;
	w->call = weft_rpc_call_ref(call);
	w->answer = answer;
	return (struct mgmt_reply){ on_outcome, w };
}

static void
answer_nothing(struct waiting *w, const void *object)
{
	Weft__Admin__Nothing reply = WEFT__ADMIN__NOTHING__INIT;

	weft_rpc_call_reply(w->call, &reply.base);
}

/* One answer_* per kind of object; each packs into a scope that ends with it. */
#define ANSWER(name, Message, show)                                                                \
	static void name(struct waiting *w, const void *object)                                    \
	{                                                                                          \
		g_autoptr(GError) error = NULL;                                                    \
		MgmtAccount *a = mgmt_adminsock_account(w->sock, &error);                          \
		struct scope s = { 0 };                                                            \
		Message reply;                                                                     \
                                                                                                   \
		if (a == NULL || object == NULL) {                                                 \
			weft_rpc_call_finish(w->call, WEFT_RPC_NOT_FOUND, "the object is gone");   \
			return;                                                                    \
		}                                                                                  \
		show;                                                                              \
		weft_rpc_call_reply(w->call, &reply.base);                                         \
		scope_clear(&s);                                                                   \
	}

/* clang-format off */
ANSWER(answer_account, Weft__Admin__Account, mgmt_show_account(w->sock, &s, a, &reply))
ANSWER(answer_peer, Weft__Admin__Peer, mgmt_show_peer(w->sock, &s, a, object, &reply))
ANSWER(answer_group, Weft__Admin__Group, mgmt_show_group(&s, a, object, &reply))
ANSWER(answer_policy, Weft__Admin__Policy, mgmt_show_policy(&s, a, object, &reply))
ANSWER(answer_setup_key, Weft__Admin__SetupKey, mgmt_show_setup_key(w->sock, &s, a, object, &reply))
/* clang-format on */

static void
answer_new_setup_key(struct waiting *w, const void *object)
{
	const struct mgmt_secret_result *result = object;
	struct scope s = { 0 };
	Weft__Admin__SetupKey reply;

	mgmt_show_setup_key(w->sock, &s, mgmt_adminsock_account(w->sock, NULL), result->setup_key,
			    &reply);
	reply.secret = (char *) (uintptr_t) result->secret;
	weft_rpc_call_reply(w->call, &reply.base);
	scope_clear(&s);
}

static void
answer_new_token(struct waiting *w, const void *object)
{
	const struct mgmt_secret_result *result = object;
	struct scope s = { 0 };
	Weft__Admin__Token reply;

	mgmt_show_token(&s, result->token, &reply);
	reply.secret = (char *) (uintptr_t) result->secret;
	weft_rpc_call_reply(w->call, &reply.base);
	scope_clear(&s);
}

static void
answer_init(struct waiting *w, const void *object)
{
	const struct mgmt_init_result *result = object;
	struct scope s = { 0 };
	Weft__Admin__Account account;
	Weft__Admin__InitReply reply = WEFT__ADMIN__INIT_REPLY__INIT;

	mgmt_show_account(w->sock, &s, result->account, &account);
	reply.account = &account;
	reply.default_key = (char *) (uintptr_t) result->default_key;
	reply.one_off_key = (char *) (uintptr_t) result->one_off_key;
	reply.admin_token = (char *) (uintptr_t) result->admin_token;
	weft_rpc_call_reply(w->call, &reply.base);
	scope_clear(&s);
}

/* ---- requests ---- */

/* What every handler is given once permission and account are clear. */
struct request {
	MgmtAdminSock *sock;
	WeftRpcCall *call;
	struct mgmt_actor actor;
	MgmtAccount *account; /* NULL only for CreateAccount and GetStatus */
};

static bool
do_create_account(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__InitRequest *m = (const void *) msg;
	struct weft_prefix network;
	struct mgmt_init_request init = { .account_name = m->account,
					  .dns_domain = m->dns_domain,
					  .default_deny = m->default_deny };

	if (m->network[0] != '\0') {
		if (!weft_prefix_parse(&network, m->network, strlen(m->network), false)) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
				    "'%s' is no network: write it as 100.90.0.0/16", m->network);
			return false;
		}
		init.network = &network;
	}
	mgmt_admin_init(r->sock->admin, &r->actor, &init, wait_for(r->sock, r->call, answer_init));
	return true;
}

static bool
do_get_account(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	struct scope s = { 0 };
	Weft__Admin__Account reply;

	mgmt_show_account(r->sock, &s, r->account, &reply);
	weft_rpc_call_reply(r->call, &reply.base);
	scope_clear(&s);
	return true;
}

static bool
do_set_account(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__SetAccountRequest *m = (const void *) msg;
	g_autoptr(GArray) groups = NULL;
	struct mgmt_account_change change = {
		.name = m->_name_case ? m->name : NULL,
		.dns_domain = m->_dns_domain_case ? m->dns_domain : NULL,
		.lazy_connections = m->_lazy_connections_case ? m->lazy_connections : -1,
		.peer_approval = m->_peer_approval_case ? m->peer_approval : -1,
		.ipv6 = m->_ipv6_case ? m->ipv6 : -1,
		.routing_peer_dns = m->_routing_peer_dns_case ? m->routing_peer_dns : -1,
		.login_expiration = m->_login_expiration_case ? m->login_expiration : -1,
		.login_expiration_us = m->login_expiration_us,
	};

	if (m->set_ipv6_groups) {
		groups = mgmt_resolve_groups(r->account, m->ipv6_groups, m->n_ipv6_groups, error);
		if (groups == NULL)
			return false;
		change.ipv6_groups = groups;
	}
	mgmt_admin_set_account(r->sock->admin, &r->actor, &r->account->row.id, &change,
			       wait_for(r->sock, r->call, answer_account));
	return true;
}

static bool
do_list_peers(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	struct scope s = { 0 };
	Weft__Admin__PeerList reply = WEFT__ADMIN__PEER_LIST__INIT;

	reply.peers = scope_alloc(&s, r->account->n_peers * sizeof *reply.peers);
	for (guint i = 0; i < r->account->peers->len; i++) {
		const struct mgmt_peer *p = g_ptr_array_index(r->account->peers, i);

		if (p == NULL)
			continue;
		reply.peers[reply.n_peers] = scope_alloc(&s, sizeof **reply.peers);
		mgmt_show_peer(r->sock, &s, r->account, p, reply.peers[reply.n_peers++]);
	}
	weft_rpc_call_reply(r->call, &reply.base);
	scope_clear(&s);
	return true;
}

static bool
do_rename_peer(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__RenamePeerRequest *m = (const void *) msg;
	const struct mgmt_peer *p = mgmt_resolve_peer(r->account, m->peer, error);

	if (p == NULL)
		return false;
	mgmt_admin_rename_peer(r->sock->admin, &r->actor, &r->account->row.id, &p->id, m->name,
			       wait_for(r->sock, r->call, answer_peer));
	return true;
}

static bool
do_approve_peer(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__Reference *m = (const void *) msg;
	const struct mgmt_peer *p = mgmt_resolve_peer(r->account, m->name, error);

	if (p == NULL)
		return false;
	mgmt_admin_approve_peer(r->sock->admin, &r->actor, &r->account->row.id, &p->id,
				wait_for(r->sock, r->call, answer_peer));
	return true;
}

static bool
do_move_peer(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__MovePeerRequest *m = (const void *) msg;
	const struct mgmt_peer *p = mgmt_resolve_peer(r->account, m->peer, error);
	g_autoptr(GArray) groups =
		p == NULL ? NULL : mgmt_resolve_groups(r->account, m->groups, m->n_groups, error);

	if (groups == NULL)
		return false;
	mgmt_admin_move_peer(r->sock->admin, &r->actor, &r->account->row.id, &p->id, groups,
			     wait_for(r->sock, r->call, answer_peer));
	return true;
}

static bool
do_delete_peer(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__Reference *m = (const void *) msg;
	const struct mgmt_peer *p = mgmt_resolve_peer(r->account, m->name, error);

	if (p == NULL)
		return false;
	mgmt_admin_delete_peer(r->sock->admin, &r->actor, &r->account->row.id, &p->id,
			       wait_for(r->sock, r->call, answer_nothing));
	return true;
}

static bool
do_list_groups(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	struct scope s = { 0 };
	Weft__Admin__GroupList reply = WEFT__ADMIN__GROUP_LIST__INIT;

	reply.groups = scope_alloc(&s, r->account->groups->len * sizeof *reply.groups);
	for (guint i = 0; i < r->account->groups->len; i++) {
		const struct mgmt_group *g = g_ptr_array_index(r->account->groups, i);

		if (g == NULL)
			continue;
		reply.groups[reply.n_groups] = scope_alloc(&s, sizeof **reply.groups);
		mgmt_show_group(&s, r->account, g, reply.groups[reply.n_groups++]);
	}
	weft_rpc_call_reply(r->call, &reply.base);
	scope_clear(&s);
	return true;
}

/* The members that a request leaves the group with. */
static GArray *
wanted_members(const MgmtAccount *a,
	       const struct mgmt_group *group,
	       const Weft__Admin__PutGroupRequest *m,
	       GError **error)
{
	g_autoptr(GArray) add = mgmt_resolve_peers(a, m->add, m->n_add, error);
	g_autoptr(GArray) remove =
		add == NULL ? NULL : mgmt_resolve_peers(a, m->remove, m->n_remove, error);
	g_autoptr(GArray) members = NULL;

	if (remove == NULL)
		return NULL;
	if (m->set_peers) {
		members = mgmt_resolve_peers(a, m->peers, m->n_peers, error);
		if (members == NULL)
			return NULL;
	} else {
		members = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
		for (int64_t i = group == NULL ? -1 : mgmt_bitset_next(&group->members, 0); i >= 0;
		     i = mgmt_bitset_next(&group->members, i + 1)) {
			const struct mgmt_peer *p = g_ptr_array_index(a->peers, (guint) i);

			g_array_append_val(members, p->id);
		}
	}
	g_array_append_vals(members, add->data, add->len);
	for (guint i = 0; i < remove->len; i++)
		for (guint j = members->len; j-- > 0;)
			if (mgmt_id_equal(&g_array_index(members, struct mgmt_id, j),
					  &g_array_index(remove, struct mgmt_id, i)))
				g_array_remove_index_fast(members, j);
	return g_steal_pointer(&members);
}

static bool
do_put_group(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__PutGroupRequest *m = (const void *) msg;
	const struct mgmt_group *group = NULL;
	g_autoptr(GArray) members = NULL;

	if (m->group[0] != '\0') {
		group = mgmt_resolve_group(r->account, m->group, error);
		if (group == NULL)
			return false;
	}
	members = wanted_members(r->account, group, m, error);
	if (members == NULL)
		return false;
	mgmt_admin_put_group(r->sock->admin, &r->actor, &r->account->row.id,
			     group == NULL ? NULL : &group->id, m->name[0] == '\0' ? NULL : m->name,
			     members, wait_for(r->sock, r->call, answer_group));
	return true;
}

static bool
do_delete_group(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__Reference *m = (const void *) msg;
	const struct mgmt_group *g = mgmt_resolve_group(r->account, m->name, error);

	if (g == NULL)
		return false;
	mgmt_admin_delete_group(r->sock->admin, &r->actor, &r->account->row.id, &g->id,
				wait_for(r->sock, r->call, answer_nothing));
	return true;
}

static bool
do_list_policies(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	struct scope s = { 0 };
	Weft__Admin__PolicyList reply = WEFT__ADMIN__POLICY_LIST__INIT;

	reply.n_policies = r->account->policies->len;
	reply.policies = scope_alloc(&s, reply.n_policies * sizeof *reply.policies);
	for (guint i = 0; i < r->account->policies->len; i++) {
		reply.policies[i] = scope_alloc(&s, sizeof **reply.policies);
		mgmt_show_policy(&s, r->account, g_ptr_array_index(r->account->policies, i),
				 reply.policies[i]);
	}
	weft_rpc_call_reply(r->call, &reply.base);
	scope_clear(&s);
	return true;
}

static bool
do_put_policy(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	struct mgmt_policy *policy =
		mgmt_resolve_policy_request(r->account, (const void *) msg, error);

	if (policy == NULL)
		return false;
	mgmt_admin_put_policy(r->sock->admin, &r->actor, &r->account->row.id, policy,
			      wait_for(r->sock, r->call, answer_policy));
	mgmt_policy_free(policy);
	return true;
}

static bool
do_delete_policy(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__Reference *m = (const void *) msg;
	const struct mgmt_policy *p = mgmt_resolve_policy(r->account, m->name, error);

	if (p == NULL)
		return false;
	mgmt_admin_delete_policy(r->sock->admin, &r->actor, &r->account->row.id, &p->id,
				 wait_for(r->sock, r->call, answer_nothing));
	return true;
}

static bool
do_list_setup_keys(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	struct scope s = { 0 };
	Weft__Admin__SetupKeyList reply = WEFT__ADMIN__SETUP_KEY_LIST__INIT;

	reply.n_keys = r->account->setup_keys->len;
	reply.keys = scope_alloc(&s, reply.n_keys * sizeof *reply.keys);
	for (guint i = 0; i < r->account->setup_keys->len; i++) {
		reply.keys[i] = scope_alloc(&s, sizeof **reply.keys);
		mgmt_show_setup_key(r->sock, &s, r->account,
				    g_ptr_array_index(r->account->setup_keys, i), reply.keys[i]);
	}
	weft_rpc_call_reply(r->call, &reply.base);
	scope_clear(&s);
	return true;
}

static bool
do_create_setup_key(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__CreateSetupKeyRequest *m = (const void *) msg;
	g_autoptr(GArray) groups = mgmt_resolve_groups(r->account, m->groups, m->n_groups, error);
	struct mgmt_setup_key_request request = {
		.name = m->name,
		.type = m->one_off ? MGMT_SETUP_KEY_ONE_OFF : MGMT_SETUP_KEY_REUSABLE,
		.expires_in_us = m->expires_in_us,
		.usage_limit = m->usage_limit,
		.ephemeral = m->ephemeral,
		.allow_extra_dns_labels = m->allow_extra_dns_labels,
		.auto_groups = groups,
	};

	if (groups == NULL)
		return false;
	mgmt_admin_create_setup_key(r->sock->admin, &r->actor, &r->account->row.id, &request,
				    wait_for(r->sock, r->call, answer_new_setup_key));
	return true;
}

static bool
do_revoke_setup_key(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__Reference *m = (const void *) msg;
	const struct mgmt_setup_key *k = mgmt_resolve_setup_key(r->account, m->name, error);

	if (k == NULL)
		return false;
	mgmt_admin_revoke_setup_key(r->sock->admin, &r->actor, &r->account->row.id, &k->id,
				    wait_for(r->sock, r->call, answer_setup_key));
	return true;
}

static bool
do_list_tokens(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	struct scope s = { 0 };
	Weft__Admin__TokenList reply = WEFT__ADMIN__TOKEN_LIST__INIT;

	reply.n_tokens = r->account->tokens->len;
	reply.tokens = scope_alloc(&s, reply.n_tokens * sizeof *reply.tokens);
	for (guint i = 0; i < r->account->tokens->len; i++) {
		reply.tokens[i] = scope_alloc(&s, sizeof **reply.tokens);
		mgmt_show_token(&s, g_ptr_array_index(r->account->tokens, i), reply.tokens[i]);
	}
	weft_rpc_call_reply(r->call, &reply.base);
	scope_clear(&s);
	return true;
}

static bool
do_create_token(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__CreateTokenRequest *m = (const void *) msg;

	mgmt_admin_create_token(r->sock->admin, &r->actor, &r->account->row.id, m->name,
				m->expires_in_us, wait_for(r->sock, r->call, answer_new_token));
	return true;
}

static bool
do_revoke_token(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	const Weft__Admin__Reference *m = (const void *) msg;
	const struct mgmt_token *t = mgmt_resolve_token(r->account, m->name, error);

	if (t == NULL)
		return false;
	mgmt_admin_revoke_token(r->sock->admin, &r->actor, &r->account->row.id, &t->id,
				wait_for(r->sock, r->call, answer_nothing));
	return true;
}

static bool
do_list_events(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	mgmt_adminsock_list_events(r->sock, r->call, (const void *) msg);
	return true;
}

static bool
do_get_status(struct request *r, const ProtobufCMessage *msg, GError **error)
{
	Weft__Admin__Status reply = WEFT__ADMIN__STATUS__INIT;

	reply.version = (char *) (uintptr_t) PACKAGE_VERSION;
	reply.store_up = mgmt_store_is_up(r->sock->store);
	reply.store = (char *) (uintptr_t) mgmt_store_engine(r->sock->store);
	reply.streams = mgmt_push_stream_count(r->sock->push);
	reply.started = r->sock->started_us;
	weft_rpc_call_reply(r->call, &reply.base);
	return true;
}

typedef bool (*do_fn)(struct request *r, const ProtobufCMessage *msg, GError **error);

struct route {
	struct weft_rpc_method method;
	do_fn fn;
	bool needs_account;
};

#define METHOD(name) &weft_proto_methods[WEFT_METHOD_ADMIN_##name]

static const struct route routes[] = {
	{ { METHOD(CREATE_ACCOUNT) }, do_create_account, false },
	{ { METHOD(GET_ACCOUNT) }, do_get_account, true },
	{ { METHOD(SET_ACCOUNT) }, do_set_account, true },
	{ { METHOD(LIST_PEERS) }, do_list_peers, true },
	{ { METHOD(RENAME_PEER) }, do_rename_peer, true },
	{ { METHOD(APPROVE_PEER) }, do_approve_peer, true },
	{ { METHOD(MOVE_PEER) }, do_move_peer, true },
	{ { METHOD(DELETE_PEER) }, do_delete_peer, true },
	{ { METHOD(LIST_GROUPS) }, do_list_groups, true },
	{ { METHOD(PUT_GROUP) }, do_put_group, true },
	{ { METHOD(DELETE_GROUP) }, do_delete_group, true },
	{ { METHOD(LIST_POLICIES) }, do_list_policies, true },
	{ { METHOD(PUT_POLICY) }, do_put_policy, true },
	{ { METHOD(DELETE_POLICY) }, do_delete_policy, true },
	{ { METHOD(LIST_SETUP_KEYS) }, do_list_setup_keys, true },
	{ { METHOD(CREATE_SETUP_KEY) }, do_create_setup_key, true },
	{ { METHOD(REVOKE_SETUP_KEY) }, do_revoke_setup_key, true },
	{ { METHOD(LIST_TOKENS) }, do_list_tokens, true },
	{ { METHOD(CREATE_TOKEN) }, do_create_token, true },
	{ { METHOD(REVOKE_TOKEN) }, do_revoke_token, true },
	{ { METHOD(LIST_EVENTS) }, do_list_events, true },
	{ { METHOD(GET_STATUS) }, do_get_status, false },
};

static const struct route *
find_route(const WeftRpcCall *call)
{
	const char *path = weft_rpc_call_path(call);

	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
		if (strcmp(routes[i].method.proto->path, path) == 0)
			return &routes[i];
	return NULL;
}

static bool
is_member(const MgmtAdminSock *sock, const struct weft_rpc_credentials *who)
{
	return sock->group != (gid_t) -1 && who->gid == sock->group;
}

/* The socket's mode decided already who could connect; this is the same rule once more, by the
 * kernel's word. */
static bool
identify(const MgmtAdminSock *sock, WeftRpcCall *call, struct mgmt_actor *ret)
{
	struct weft_rpc_credentials who;

	if (!weft_rpc_call_credentials(call, &who))
		return false;
	*ret = (struct mgmt_actor){ .kind = MGMT_INITIATOR_ADMIN };
	g_snprintf(ret->id, sizeof ret->id, "admin:%u", (unsigned) who.uid);
	ret->may_write = who.uid == 0 || who.uid == sock->own_uid || is_member(sock, &who) ||
			 sock->group != (gid_t) -1;
	return true;
}

static void
on_message(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtAdminSock *sock = user;
	const struct route *route = find_route(call);
	struct request r = { .sock = sock, .call = call };
	g_autoptr(GError) error = NULL;

	if (route == NULL || !identify(sock, call, &r.actor)) {
		weft_rpc_call_finish(call, WEFT_RPC_PERMISSION_DENIED, "not permitted");
		return;
	}
	if (route->needs_account)
		r.account = mgmt_adminsock_account(sock, &error);
	if (error != NULL || !route->fn(&r, msg, &error))
		mgmt_service_fail(call, error);
}

static void
on_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	mgmt_adminsock_unfollow(user, call);
}

static const struct weft_rpc_handler handler = { .on_message = on_message, .on_done = on_done };

static bool
find_group(const char *name, gid_t *ret, GError **error)
{
	const struct group *g;

	*ret = (gid_t) -1;
	if (name[0] == '\0')
		return true;
	g = getgrnam(name); /* at start, before threads that could call it too */
	if (g == NULL) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "[admin] group: there is no group '%s'", name);
		return false;
	}
	*ret = g->gr_gid;
	return true;
}

MgmtAdminSock *
mgmt_adminsock_new(const struct mgmt_adminsock_config *config,
		   WeftRpcRuntime *runtime,
		   MgmtAdmin *admin,
		   MgmtPush *push,
		   MgmtStore *store,
		   GError **error)
{
	MgmtAdminSock *sock = g_new0(MgmtAdminSock, 1);
	g_autofree char *path = g_build_filename(config->runtime_dir, SOCKET_NAME, NULL);

	sock->env = config->env;
	sock->admin = admin;
	sock->push = push;
	sock->store = store;
	sock->runtime = runtime;
	sock->own_uid = geteuid();
	sock->started_us = weft_env_wall_us(config->env);
	sock->followers = g_ptr_array_new_with_free_func((GDestroyNotify) weft_rpc_call_unref);
	if (mkdir(config->runtime_dir, 0755) != 0 && errno != EEXIST) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INTERNAL, "%s: %s", config->runtime_dir,
			    g_strerror(errno));
		mgmt_adminsock_free(sock);
		return NULL;
	}
	sock->server = weft_rpc_server_new(runtime, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
		weft_rpc_server_add_method(sock->server, &routes[i].method, &handler, sock);
	if (!find_group(config->group, &sock->group, error) ||
	    !weft_rpc_server_listen_unix(sock->server, path,
					 sock->group == (gid_t) -1 ? 0600 : 0660, sock->group,
					 error)) {
		weft_rpc_server_free(g_steal_pointer(&sock->server));
		mgmt_adminsock_free(sock);
		return NULL;
	}
	weft_rpc_server_start(sock->server);
	return sock;
}

void
mgmt_adminsock_free(MgmtAdminSock *sock)
{
	if (sock == NULL)
		return;
	if (sock->server != NULL) {
		weft_rpc_server_shutdown_sync(sock->server, GRACE_MS);
		weft_rpc_server_free(sock->server);
	}
	g_ptr_array_unref(sock->followers);
	g_free(sock);
}
