/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Metadata of a call in both directions, and who is at the other end. */
#include "base/address.h"
#include "rpc/call_internal.h"
#include "rpc/limits.h"
#include "rpc/peer.h"
#include "rpc/server_internal.h"

#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <string.h>

void
weft_rpc_headers_clear(struct weft_rpc_headers *headers)
{
	for (unsigned i = 0; i < headers->n; i++) {
		grpc_slice_unref(headers->v[i].key);
		grpc_slice_unref(headers->v[i].value);
	}
	g_free(headers->v);
	*headers = (struct weft_rpc_headers){ 0 };
}

static bool
headers_add(struct weft_rpc_headers *headers, const char *key, const void *value, size_t len)
{
	grpc_slice k, v;

	if (headers->n >= WEFT_RPC_MAX_OWN_HEADERS)
		return false;
	k = grpc_slice_from_copied_string(key);
	v = grpc_slice_from_copied_buffer(value, len);
	if (!grpc_header_key_is_legal(k) || g_str_has_prefix(key, "grpc-") ||
	    (!grpc_is_binary_header(k) && !grpc_header_nonbin_value_is_legal(v))) {
		grpc_slice_unref(k);
		grpc_slice_unref(v);
		return false;
	}
	headers->v = g_renew(grpc_metadata, headers->v, headers->n + 1);
	headers->v[headers->n++] = (grpc_metadata){ .key = k, .value = v };
	return true;
}

bool
weft_rpc_call_add_header(WeftRpcCall *call, const char *key, const void *value, size_t len)
{
	bool ok;

	pthread_mutex_lock(&call->lock);
	ok = !call->headers_sent && headers_add(&call->own_headers, key, value, len);
	pthread_mutex_unlock(&call->lock);
	return ok;
}

bool
weft_rpc_call_add_header_text(WeftRpcCall *call, const char *key, const char *value)
{
	return weft_rpc_call_add_header(call, key, value, strlen(value));
}

bool
weft_rpc_call_add_trailer(WeftRpcCall *call, const char *key, const void *value, size_t len)
{
	bool ok;

	pthread_mutex_lock(&call->lock);
	ok = call->is_server && !call->finish_sent &&
	     headers_add(&call->own_trailers, key, value, len);
	pthread_mutex_unlock(&call->lock);
	return ok;
}

static const char *
find(const grpc_metadata_array *array, const char *key, size_t *ret_len)
{
	size_t key_len = strlen(key);

	for (size_t i = 0; i < array->count; i++) {
		const grpc_metadata *m = &array->metadata[i];

		if (GRPC_SLICE_LENGTH(m->key) == key_len &&
		    memcmp(GRPC_SLICE_START_PTR(m->key), key, key_len) == 0) {
			*ret_len = GRPC_SLICE_LENGTH(m->value);
			return (const char *) GRPC_SLICE_START_PTR(m->value);
		}
	}
	return NULL;
}

const char *
weft_rpc_call_header(const WeftRpcCall *call, const char *key, size_t *ret_len)
{
	return find(&call->headers, key, ret_len);
}

const char *
weft_rpc_call_trailer(const WeftRpcCall *call, const char *key, size_t *ret_len)
{
	return find(&call->trailers, key, ret_len);
}

bool
weft_rpc_call_credentials(const WeftRpcCall *call, struct weft_rpc_credentials *ret)
{
	WeftRpcCall *self = (WeftRpcCall *) call;
	bool known;

	pthread_mutex_lock(&self->lock);
	known = self->is_unix;
	if (known)
		*ret = self->core->credentials;
	pthread_mutex_unlock(&self->lock);
	return known;
}

bool
weft_rpc_call_peer(const WeftRpcCall *call, struct weft_endpoint *ret)
{
	WeftRpcCall *self = (WeftRpcCall *) call;
	char *text = NULL;
	bool ok;

	pthread_mutex_lock(&self->lock);
	if (self->call != NULL)
		text = grpc_call_get_peer(self->call);
	pthread_mutex_unlock(&self->lock);
	ok = text != NULL && weft_rpc_peer_parse(ret, text);
	gpr_free(text);
	return ok;
}

char *
weft_rpc_call_tls_property(const WeftRpcCall *call, const char *name)
{
	WeftRpcCall *self = (WeftRpcCall *) call;
	grpc_auth_context *context = NULL;
	const grpc_auth_property *property = NULL;
	char *value = NULL;

	pthread_mutex_lock(&self->lock);
	if (self->call != NULL)
		context = grpc_call_auth_context(self->call);
	pthread_mutex_unlock(&self->lock);
	if (context == NULL)
		return NULL;
	if (grpc_auth_context_peer_is_authenticated(context)) {
		grpc_auth_property_iterator it =
			grpc_auth_context_find_properties_by_name(context, name);

		property = grpc_auth_property_iterator_next(&it);
	}
	if (property != NULL)
		value = g_strndup(property->value, property->value_length);
	grpc_auth_context_release(context);
	return value;
}
