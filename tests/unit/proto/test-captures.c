/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the official programs sent (tests/vectors) is understood completely: boxes open, messages
 * decode without an unknown field and encode to the same bytes; nothing that was altered opens. */
#include "base/box.h"
#include "base/env.h"
#include "base/key.h"
#include "proto/decode.h"
#include "proto/management.pb-c.h"
#include "proto/signalexchange.pb-c.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#include <string.h>

static const ProtobufCMessageDescriptor *const types[] = {
	&management__empty__descriptor,
	&management__server_key_response__descriptor,
	&management__login_request__descriptor,
	&management__login_response__descriptor,
	&management__sync_request__descriptor,
	&management__sync_response__descriptor,
	&management__sync_meta_request__descriptor,
	&management__job_request__descriptor,
	&management__job_response__descriptor,
	&management__device_authorization_flow__descriptor,
	&management__device_authorization_flow_request__descriptor,
	&management__pkceauthorization_flow__descriptor,
	&management__pkceauthorization_flow_request__descriptor,
	&signalexchange__encrypted_message__descriptor,
	&signalexchange__body__descriptor,
};

static const ProtobufCMessageDescriptor *
type_named(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	}
	g_error("no type %s in this test", name);
}

static JsonNode *
load(const char *file)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) error = NULL;
	g_autofree char *path =
		g_build_filename(g_getenv("top_srcdir"), "tests", "vectors", file, NULL);

	json_parser_load_from_file(parser, path, &error);
	g_assert_no_error(error);
	return json_parser_steal_root(parser);
}

static const char *
text(JsonObject *v, const char *member)
{
	const char *value = json_object_get_string_member_with_default(v, member, NULL);

	if (value == NULL)
		g_error("no member %s", member);
	return value;
}

static GByteArray *
hex(JsonObject *v, const char *member)
{
	const char *s = text(v, member);
	size_t n = strlen(s);
	GByteArray *out = g_byte_array_sized_new((guint) (n / 2));

	g_assert_cmpuint(n % 2, ==, 0);
	for (size_t i = 0; i < n; i += 2) {
		int high = g_ascii_xdigit_value(s[i]), low = g_ascii_xdigit_value(s[i + 1]);
		uint8_t byte = (uint8_t) (high << 4 | low);

		g_assert_true(high >= 0 && low >= 0);
		g_byte_array_append(out, &byte, 1);
	}
	return out;
}

static struct weft_key
key(JsonObject *v, const char *member)
{
	const char *s = text(v, member);
	struct weft_key out;

	g_assert_true(weft_key_from_text(&out, s, strlen(s)));
	return out;
}

static void
assert_same(const uint8_t *a, size_t a_len, const GByteArray *b)
{
	g_assert_cmpmem(a, a_len, b->data, b->len);
}

/* Fields that our schema lacks, in the message and all below it. */
static unsigned
unknown_fields(const ProtobufCMessage *msg)
{
	unsigned n = msg->n_unknown_fields;

	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		const void *member = (const char *) msg + f->offset;
		const void *quantifier = (const char *) msg + f->quantifier_offset;
		ProtobufCMessage *const *sub = member;
		size_t count = 1;

		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			sub = *(ProtobufCMessage *const *const *) member;
			count = *(const size_t *) quantifier;
		} else if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
			   *(const uint32_t *) quantifier != f->id) {
			continue;
		}
		for (size_t k = 0; k < count; k++)
			n += sub[k] != NULL ? unknown_fields(sub[k]) : 0;
	}
	return n;
}

struct file {
	const char *name;
	const ProtobufCMessageDescriptor *envelope;
	unsigned vectors;
	unsigned unequal; /* of them, do not encode to the same bytes (see the test) */
};

static const struct file files[] = {
	{ "management.json", &management__encrypted_message__descriptor, 199, 0 },
	{ "signal.json", &signalexchange__encrypted_message__descriptor, 67, 0 },
};

static ProtobufCMessage *
decode(const ProtobufCMessageDescriptor *desc, const GByteArray *bytes, WeftArena *arena)
{
	ProtobufCMessage *msg = NULL;
	enum weft_proto_status status = weft_proto_decode(&msg, desc, bytes->data, bytes->len,
							  WEFT_PROTO_BUDGET_FOR(bytes->len), arena);

	g_assert_cmpstr(weft_proto_status_name(status), ==, "ok");
	return msg;
}

static void
each_vector(const struct file *file,
	    void (*check)(const struct file *, JsonObject *, void *),
	    void *user)
{
	g_autoptr(JsonNode) root = load(file->name);
	JsonArray *list = json_object_get_array_member(json_node_get_object(root), "vectors");
	unsigned n = json_array_get_length(list);

	g_assert_cmpuint(n, ==, file->vectors);
	for (unsigned i = 0; i < n; i++)
		check(file, json_array_get_object_element(list, i), user);
}

struct sums {
	WeftArena *arena;
	unsigned unequal;
	double largest; /* memory in relation to the bytes */
};

static void
check_plaintext(const struct file *file, JsonObject *v, void *user)
{
	struct sums *sums = user;
	g_autoptr(GByteArray) plain = hex(v, "plaintext_hex");
	ProtobufCMessage *msg = decode(type_named(text(v, "type")), plain, sums->arena);
	size_t packed_len = protobuf_c_message_get_packed_size(msg);
	g_autofree uint8_t *packed = g_malloc(packed_len);

	g_assert_cmpuint(unknown_fields(msg), ==, 0);
	g_assert_cmpuint(protobuf_c_message_pack(msg, packed), ==, packed_len);
	if (packed_len != plain->len ||
	    (packed_len > 0 && memcmp(packed, plain->data, packed_len) != 0)) {
		g_test_message("%s: encodes to %zu bytes, was %u", text(v, "name"), packed_len,
			       plain->len);
		sums->unequal++;
	}
	if (plain->len >= 1000)
		sums->largest =
			MAX(sums->largest, (double) weft_arena_used(sums->arena) / plain->len);
	weft_arena_reset(sums->arena, 65536);
}

static void
test_plaintexts(gconstpointer data)
{
	const struct file *file = data;
	struct sums sums = { .arena = weft_arena_new() };

	each_vector(file, check_plaintext, &sums);
	g_assert_cmpuint(sums.unequal, ==, file->unequal);
	g_test_message("messages of 1000 bytes and more take %.1f times their length at most",
		       sums.largest);
	weft_arena_free(sums.arena);
}

static ProtobufCBinaryData
body_of(const struct file *file, const ProtobufCMessage *envelope, JsonObject *v)
{
	if (strcmp(file->name, "signal.json") == 0) {
		const Signalexchange__EncryptedMessage *e = (const void *) envelope;

		g_assert_cmpstr(e->key, ==, text(v, "sender_public"));
		g_assert_cmpstr(e->remotekey, ==, text(v, "recipient_public"));
		return e->body;
	} else {
		const Management__EncryptedMessage *e = (const void *) envelope;

		g_assert_cmpstr(e->wgpubkey, ==, text(v, "sender_public"));
		g_assert_cmpint(e->version, ==, 0);
		return e->body;
	}
}

static struct weft_box_key
box_key(const struct file *file, JsonObject *v)
{
	bool signal = strcmp(file->name, "signal.json") == 0;
	struct weft_key pub = key(v, signal ? "sender_public" : "server_public");
	struct weft_key priv = key(v, signal ? "recipient_private" : "client_private");
	struct weft_box_key out;

	g_assert_true(weft_box_key_init(&out, &pub, &priv));
	return out;
}

/* Gives the nonce of the vector in the place of a random one. */
static void
give_nonce(void *user, void *buf, size_t len)
{
	const GByteArray *nonce = user;

	g_assert_cmpuint(len, ==, nonce->len);
	memcpy(buf, nonce->data, len);
}

static void
check_box(const struct file *file, JsonObject *v, void *user)
{
	g_autoptr(GByteArray) envelope = hex(v, "envelope_hex"), plain = hex(v, "plaintext_hex");
	g_autoptr(GByteArray) nonce = NULL, shared = NULL;
	struct weft_box_key box;
	ProtobufCBinaryData body;
	g_autofree uint8_t *out = NULL;
	struct weft_env env = { .random = give_nonce };

	if (!json_object_get_boolean_member(v, "encrypted")) {
		assert_same(envelope->data, envelope->len, plain);
		return;
	}
	body = body_of(file, decode(file->envelope, envelope, user), v);
	g_assert_cmpint(body.len, ==, json_object_get_int_member(v, "body_length"));
	g_assert_cmpmem(body.data, body.len,
			envelope->data + json_object_get_int_member(v, "body_offset"), body.len);
	box = box_key(file, v);
	shared = hex(v, "box_shared_hex");
	assert_same(box.shared.b, WEFT_KEY_LEN, shared);
	out = g_malloc(body.len + 1);
	g_assert_true(weft_box_open(out, body.data, body.len, &box));
	assert_same(out, body.len - WEFT_BOX_OVERHEAD, plain);
	nonce = hex(v, "nonce_hex");
	env.user = nonce;
	weft_box_seal(out, plain->data, plain->len, &box, &env);
	g_assert_cmpmem(out, body.len, body.data, body.len);
	weft_arena_reset(user, 65536);
}

static void
test_boxes(gconstpointer data)
{
	WeftArena *arena = weft_arena_new();

	each_vector(data, check_box, arena);
	weft_arena_free(arena);
}

/* Every bit of nonce and tag and of short bodies, one bit of each byte up to 4 KiB, some of the
 * half megabyte that Rosenpass sends. */
static void
check_altered(const struct file *file, JsonObject *v, void *user)
{
	g_autoptr(GByteArray) envelope = hex(v, "envelope_hex");
	g_autofree uint8_t *out = g_malloc(envelope->len + 1);
	struct weft_box_key box;
	uint8_t *body;
	size_t len, step;

	if (!json_object_get_boolean_member(v, "encrypted"))
		return;
	box = box_key(file, v);
	body = envelope->data + json_object_get_int_member(v, "body_offset");
	len = (size_t) json_object_get_int_member(v, "body_length");
	step = len <= 256 ? 1 : len <= 4096 ? 8 : len;
	for (size_t bit = 0; bit < 8 * len; bit += bit < 320 ? 1 : step) {
		body[bit / 8] ^= (uint8_t) (1 << bit % 8);
		g_assert_false(weft_box_open(out, body, len, &box));
		body[bit / 8] ^= (uint8_t) (1 << bit % 8);
		if (len > 100000 && bit > 16)
			bit += 40;
	}
	for (size_t cut = 1; cut <= 64 && cut <= len; cut++)
		g_assert_false(weft_box_open(out, body, len - cut, &box));
	box.shared.b[0] ^= 1;
	g_assert_false(weft_box_open(out, body, len, &box));
}

static void
test_altered(gconstpointer data)
{
	each_vector(data, check_altered, NULL);
}

/* Seals @plain with the keys of basic.json, client to server. */
static void
check_sealed(JsonObject *v, const char *plain_hex, const char *nonce_hex, const char *body_hex)
{
	struct weft_key client = key(v, "client_private"), server = key(v, "server_private");
	struct weft_key server_public = key(v, "server_public"), client_public;
	g_autoptr(GByteArray) plain = hex(v, plain_hex), nonce = hex(v, nonce_hex);
	g_autoptr(GByteArray) body = hex(v, body_hex), shared = hex(v, "box_shared_hex");
	struct weft_env env = { .random = give_nonce, .user = nonce };
	struct weft_box_key ours, theirs;
	g_autofree uint8_t *out = g_malloc(plain->len + WEFT_BOX_OVERHEAD);

	weft_key_public(&client_public, &client);
	g_assert_cmpstr(weft_key_to_text(&client_public).s, ==, text(v, "client_public"));
	g_assert_true(weft_box_key_init(&ours, &server_public, &client));
	g_assert_true(weft_box_key_init(&theirs, &client_public, &server));
	assert_same(ours.shared.b, WEFT_KEY_LEN, shared);
	assert_same(theirs.shared.b, WEFT_KEY_LEN, shared);
	weft_box_seal(out, plain->data, plain->len, &ours, &env);
	/* The body is the last thing in its envelope. */
	g_assert_cmpuint(body->len, >=, plain->len + WEFT_BOX_OVERHEAD);
	g_assert_cmpmem(out, plain->len + WEFT_BOX_OVERHEAD,
			body->data + body->len - plain->len - WEFT_BOX_OVERHEAD,
			plain->len + WEFT_BOX_OVERHEAD);
}

static void
pack_and_compare(const ProtobufCMessage *msg, JsonObject *v, const char *member)
{
	g_autoptr(GByteArray) want = hex(v, member);
	g_autofree uint8_t *got = g_malloc(protobuf_c_message_get_packed_size(msg));

	assert_same(got, protobuf_c_message_pack(msg, got), want);
}

static void
test_basic_management(void)
{
	g_autoptr(JsonNode) root = load("basic.json");
	JsonObject *v = json_node_get_object(root);
	g_autoptr(GByteArray) body = hex(v, "login_body_hex");
	Management__PeerSystemMeta meta = MANAGEMENT__PEER_SYSTEM_META__INIT;
	Management__LoginRequest login = MANAGEMENT__LOGIN_REQUEST__INIT;
	Management__EncryptedMessage envelope = MANAGEMENT__ENCRYPTED_MESSAGE__INIT;

	meta.hostname = (char *) "h1";
	meta.goos = (char *) "linux";
	login.setupkey = (char *) text(v, "setup_key");
	login.meta = &meta;
	pack_and_compare(&login.base, v, "login_request_hex");
	check_sealed(v, "login_request_hex", "login_nonce_hex", "login_body_hex");
	envelope.wgpubkey = (char *) text(v, "client_public");
	envelope.body.data = body->data;
	envelope.body.len = body->len;
	pack_and_compare(&envelope.base, v, "login_envelope_hex");
}

static void
test_basic_signal(void)
{
	g_autoptr(JsonNode) root = load("basic.json");
	JsonObject *v = json_node_get_object(root);
	uint8_t session[] = { 1, 2, 3, 4, 5 }, address[] = { 203, 0, 113, 5 };
	Signalexchange__RosenpassConfig rosenpass = SIGNALEXCHANGE__ROSENPASS_CONFIG__INIT;
	Signalexchange__Body offer = SIGNALEXCHANGE__BODY__INIT;
	Signalexchange__Body heartbeat = SIGNALEXCHANGE__BODY__INIT;

	offer.payload = (char *) "abcdefghijklmnop:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";
	offer.wglistenport = 51820;
	offer.netbirdversion = (char *) "0.74.0";
	offer.rosenpassconfig = &rosenpass;
	offer.optional_relay_server_address_case =
		SIGNALEXCHANGE__BODY__OPTIONAL_RELAY_SERVER_ADDRESS_RELAY_SERVER_ADDRESS;
	offer.relayserveraddress = (char *) "rels://relay.example.com:443";
	offer.optional_session_id_case = SIGNALEXCHANGE__BODY__OPTIONAL_SESSION_ID_SESSION_ID;
	offer.sessionid.data = session;
	offer.sessionid.len = sizeof(session);
	offer.optional_relay_server_ip_case =
		SIGNALEXCHANGE__BODY__OPTIONAL_RELAY_SERVER_IP_RELAY_SERVER_IP;
	offer.relayserverip.data = address;
	offer.relayserverip.len = sizeof(address);
	pack_and_compare(&offer.base, v, "offer_body_hex");
	check_sealed(v, "offer_body_hex", "offer_nonce_hex", "offer_envelope_hex");
	heartbeat.type = SIGNALEXCHANGE__BODY__TYPE__HEARTBEAT;
	pack_and_compare(&heartbeat.base, v, "heartbeat_body_hex");
	heartbeat.type = SIGNALEXCHANGE__BODY__TYPE__GO_IDLE;
	pack_and_compare(&heartbeat.base, v, "go_idle_body_hex");
}

/* Presence survives: an absent value and an empty one are different bytes. */
static void
test_presence(void)
{
	static const uint8_t empty[] = { 0x42, 0, 0x52, 0, 0x5a, 0 };
	WeftArena *arena = weft_arena_new();
	const Signalexchange__Body *body;
	ProtobufCMessage *msg = NULL;
	uint8_t again[sizeof(empty)];

	g_assert_cmpint(weft_proto_decode(&msg, &signalexchange__body__descriptor, empty,
					  sizeof(empty), 4096, arena),
			==, WEFT_PROTO_OK);
	body = (const Signalexchange__Body *) msg;
	g_assert_cmpint(body->optional_session_id_case, ==,
			SIGNALEXCHANGE__BODY__OPTIONAL_SESSION_ID_SESSION_ID);
	g_assert_cmpuint(protobuf_c_message_get_packed_size(msg), ==, sizeof(empty));
	protobuf_c_message_pack(msg, again);
	g_assert_cmpmem(again, sizeof(again), empty, sizeof(empty));
	weft_arena_free(arena);
}

int
main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *plain = g_strconcat("/proto/captures/plain/", files[i].name, NULL);
		g_autofree char *boxes = g_strconcat("/proto/captures/boxes/", files[i].name, NULL);
		g_autofree char *altered =
			g_strconcat("/proto/captures/altered/", files[i].name, NULL);

		g_test_add_data_func(plain, &files[i], test_plaintexts);
		g_test_add_data_func(boxes, &files[i], test_boxes);
		g_test_add_data_func(altered, &files[i], test_altered);
	}
	g_test_add_func("/proto/captures/basic/management", test_basic_management);
	g_test_add_func("/proto/captures/basic/signal", test_basic_signal);
	g_test_add_func("/proto/captures/presence-survives", test_presence);
	return g_test_run();
}
