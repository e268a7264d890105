/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/service/meta.h"

#include "base/address.h"
#include "proto/management.pb-c.h"

#include <string.h>

#define SSH_KEY_MAX 2048 /* an RSA key of 8192 bits takes 1,400 */

/* At most @max bytes, at a character's border, without control characters. */
static char *
clean_text(const char *text, size_t max)
{
	GString *out = g_string_new(NULL);

	for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
		size_t n = (size_t) (g_utf8_next_char(p) - p);

		if (out->len + n > max)
			break;
		if (g_unichar_iscntrl(g_utf8_get_char(p)))
			g_string_append_c(out, ' ');
		else
			g_string_append_len(out, p, (gssize) n);
	}
	return g_string_free(out, FALSE);
}

static void
set(char **field, const char *text)
{
	g_free(*field);
	*field = clean_text(text, MGMT_META_TEXT_MAX);
}

static bool
mac_is_valid(const char *mac)
{
	size_t len = strlen(mac);

	return len <= 60 && strspn(mac, "0123456789abcdefABCDEF:-") == len;
}

static void
add_addresses(struct mgmt_meta *m, const Management__PeerSystemMeta *meta)
{
	for (size_t i = 0;
	     i < meta->n_networkaddresses && m->network_addresses->len < MGMT_META_ADDRESSES_MAX;
	     i++) {
		const Management__NetworkAddress *a = meta->networkaddresses[i];
		struct mgmt_network_address kept;
		struct weft_prefix prefix;
		char text[WEFT_PREFIX_TEXT_SIZE];

		if (!weft_prefix_parse(&prefix, a->netip, strlen(a->netip), true) ||
		    !mac_is_valid(a->mac))
			continue;
		kept.prefix = g_strdup(weft_prefix_format(&prefix, text));
		kept.mac = g_strdup(a->mac);
		g_array_append_val(m->network_addresses, kept);
	}
}

static void
set_flags(struct mgmt_meta *m, const Management__Flags *f)
{
	m->rosenpass_enabled = f->rosenpassenabled;
	m->rosenpass_permissive = f->rosenpasspermissive;
	m->server_ssh_allowed = f->serversshallowed;
	m->disable_client_routes = f->disableclientroutes;
	m->disable_server_routes = f->disableserverroutes;
	m->disable_dns = f->disabledns;
	m->disable_firewall = f->disablefirewall;
	m->block_lan_access = f->blocklanaccess;
	m->block_inbound = f->blockinbound;
	m->lazy_connection_enabled = f->lazyconnectionenabled;
	m->disable_ipv6 = f->disableipv6;
}

void
mgmt_meta_from_proto(struct mgmt_meta *m, const Management__PeerSystemMeta *meta)
{
	mgmt_meta_init(m);
	set(&m->hostname, meta->hostname);
	set(&m->goos, meta->goos);
	set(&m->kernel, meta->kernel);
	set(&m->core, meta->core);
	set(&m->platform, meta->platform);
	set(&m->os, meta->os);
	set(&m->os_version, meta->osversion[0] != '\0' ? meta->osversion : meta->core);
	set(&m->version, meta->netbirdversion);
	set(&m->ui_version, meta->uiversion);
	set(&m->kernel_version, meta->kernelversion);
	set(&m->serial_number, meta->sysserialnumber);
	set(&m->product_name, meta->sysproductname);
	set(&m->manufacturer, meta->sysmanufacturer);
	if (meta->environment != NULL) {
		set(&m->cloud, meta->environment->cloud);
		set(&m->environment, meta->environment->platform);
	}
	add_addresses(m, meta);
	for (size_t i = 0; i < meta->n_capabilities && i < MGMT_META_CAPABILITIES_MAX; i++) {
		int32_t capability = (int32_t) meta->capabilities[i];

		g_array_append_val(m->capabilities, capability);
	}
	m->sync_message_version = meta->syncmessageversion;
	if (meta->flags != NULL)
		set_flags(m, meta->flags);
}

char *
mgmt_ssh_key_from_bytes(const void *data, size_t len)
{
	const char *text = data;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len == 0 || len > SSH_KEY_MAX)
		return g_strdup("");
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return g_strdup("");
	return g_strndup(text, len);
}
