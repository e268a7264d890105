/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/method.h"

#include "proto/management.pb-c.h"
#include "proto/methods.h"
#include "proto/signalexchange.pb-c.h"

#include <glib.h>

#include <string.h>

struct row {
	const char *path;
	enum weft_proto_method_id id;
	const ProtobufCMessageDescriptor *request, *response;
	bool client_streaming, server_streaming;
};

/* From the protocol's own tables, not from the .proto files. */
static const struct row rows[] = {
	{ "/management.ManagementService/GetServerKey",
	  WEFT_METHOD_MANAGEMENT_SERVICE_GET_SERVER_KEY, &management__empty__descriptor,
	  &management__server_key_response__descriptor, false, false },
	{ "/management.ManagementService/isHealthy", WEFT_METHOD_MANAGEMENT_SERVICE_IS_HEALTHY,
	  &management__empty__descriptor, &management__empty__descriptor, false, false },
	{ "/management.ManagementService/Sync", WEFT_METHOD_MANAGEMENT_SERVICE_SYNC,
	  &management__encrypted_message__descriptor, &management__encrypted_message__descriptor,
	  false, true },
	{ "/management.ManagementService/Job", WEFT_METHOD_MANAGEMENT_SERVICE_JOB,
	  &management__encrypted_message__descriptor, &management__encrypted_message__descriptor,
	  true, true },
	{ "/management.ManagementService/SyncMeta", WEFT_METHOD_MANAGEMENT_SERVICE_SYNC_META,
	  &management__encrypted_message__descriptor, &management__empty__descriptor, false,
	  false },
	{ "/signalexchange.SignalExchange/ConnectStream",
	  WEFT_METHOD_SIGNAL_EXCHANGE_CONNECT_STREAM,
	  &signalexchange__encrypted_message__descriptor,
	  &signalexchange__encrypted_message__descriptor, true, true },
	{ "/signalexchange.SignalExchange/Send", WEFT_METHOD_SIGNAL_EXCHANGE_SEND,
	  &signalexchange__encrypted_message__descriptor,
	  &signalexchange__encrypted_message__descriptor, false, false },
};

static void
test_known(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		const struct row *row = &rows[i];
		const struct weft_proto_method *m =
			weft_proto_method_find(row->path, strlen(row->path));

		g_assert_nonnull(m);
		g_assert_true(m == &weft_proto_methods[row->id]);
		g_assert_cmpstr(m->path, ==, row->path);
		g_assert_true(m->request == row->request);
		g_assert_true(m->response == row->response);
		g_assert_cmpint(m->client_streaming, ==, row->client_streaming);
		g_assert_cmpint(m->server_streaming, ==, row->server_streaming);
	}
}

static void
test_all_found(void)
{
	for (unsigned i = 0; i < WEFT_METHOD_COUNT_; i++) {
		const struct weft_proto_method *m = &weft_proto_methods[i];
		g_autofree char *path = g_strdup_printf("/%s/%s", m->service, m->name);

		g_assert_cmpstr(m->path, ==, path);
		g_assert_true(weft_proto_method_find(m->path, strlen(m->path)) == m);
	}
}

static void
test_unknown(void)
{
	static const char *const paths[] = {
		"",
		"/",
		"/management.ManagementService/",
		"/management.ManagementService/Syn",
		"/management.ManagementService/Sync2",
		"/management.ManagementService/sync",
		"management.ManagementService/Sync",
		"/zzz",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
		g_assert_null(weft_proto_method_find(paths[i], strlen(paths[i])));
	g_assert_null(weft_proto_method_find(NULL, 0));
}

/* The table says the same as protobuf-c's service descriptors, which lack only the streaming. */
static void
test_descriptors(void)
{
	static const struct {
		const ProtobufCServiceDescriptor *service;
		unsigned first;
	} services[] = {
		{ &management__management_service__descriptor,
		  WEFT_METHOD_MANAGEMENT_SERVICE_LOGIN },
		{ &signalexchange__signal_exchange__descriptor, WEFT_METHOD_SIGNAL_EXCHANGE_SEND },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
		const ProtobufCServiceDescriptor *s = services[i].service;

		for (unsigned k = 0; k < s->n_methods; k++) {
			const struct weft_proto_method *m =
				&weft_proto_methods[services[i].first + k];

			g_assert_cmpstr(m->service, ==, s->name);
			g_assert_cmpstr(m->name, ==, s->methods[k].name);
			g_assert_true(m->request == s->methods[k].input);
			g_assert_true(m->response == s->methods[k].output);
		}
	}
}

int
main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/proto/method/known-paths", test_known);
	g_test_add_func("/proto/method/every-entry-is-found", test_all_found);
	g_test_add_func("/proto/method/unknown-paths", test_unknown);
	g_test_add_func("/proto/method/equals-the-service-descriptors", test_descriptors);
	return g_test_run();
}
