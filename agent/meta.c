/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/meta.h"

#include "proto/management.pb-c.h"

#include <glib.h>

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NETBIRD_VERSION "0.77.0" /* whose protocol we speak: gates of protocol.md 2.7 */
#define FILES_MAX       256

struct agent_meta {
	Management__PeerSystemMeta message;
	struct utsname uts;
	Management__PeerCapability capabilities[3];
	GPtrArray *addresses; /* Management__NetworkAddress */
	GPtrArray *files;     /* Management__File */
	GPtrArray *texts;
};

struct agent_meta *
agent_meta_new(const char *hostname, const char *const *addresses, bool ipv6)
{
	struct agent_meta *m = g_new0(struct agent_meta, 1);
	Management__PeerSystemMeta *msg = &m->message;
	char *id = g_get_os_info(G_OS_INFO_KEY_ID);
	char *version = g_get_os_info(G_OS_INFO_KEY_VERSION_ID);

	management__peer_system_meta__init(msg);
	m->addresses = g_ptr_array_new_with_free_func(g_free);
	m->files = g_ptr_array_new_with_free_func(g_free);
	m->texts = g_ptr_array_new_with_free_func(g_free);
	uname(&m->uts);
	g_ptr_array_add(m->texts, id != NULL ? id : g_strdup("linux"));
	g_ptr_array_add(m->texts, version != NULL ? version : g_strdup(""));
	g_ptr_array_add(m->texts, g_strdup(hostname != NULL ? hostname : m->uts.nodename));
	msg->os = m->texts->pdata[0];
	msg->osversion = m->texts->pdata[1];
	msg->hostname = m->texts->pdata[2];
	msg->goos = (char *) (uintptr_t) "linux";
	msg->kernel = m->uts.sysname;
	msg->core = m->uts.release;
	msg->kernelversion = m->uts.release;
	msg->platform = m->uts.machine;
	msg->netbirdversion = (char *) (uintptr_t) NETBIRD_VERSION;
	msg->uiversion = (char *) (uintptr_t) "weft/" PACKAGE_VERSION;
	m->capabilities[msg->n_capabilities++] =
		MANAGEMENT__PEER_CAPABILITY__PeerCapabilitySourcePrefixes;
	if (ipv6)
		m->capabilities[msg->n_capabilities++] =
			MANAGEMENT__PEER_CAPABILITY__PeerCapabilityIPv6Overlay;
	m->capabilities[msg->n_capabilities++] =
		MANAGEMENT__PEER_CAPABILITY__PeerCapabilityWeftDelta;
	msg->capabilities = m->capabilities;
	for (; addresses != NULL && *addresses != NULL; addresses++) {
		Management__NetworkAddress *a = g_new(Management__NetworkAddress, 1);
		char *text = g_strdup(*addresses);

		management__network_address__init(a);
		a->netip = text;
		g_ptr_array_add(m->texts, text);
		g_ptr_array_add(m->addresses, a);
	}
	return m;
}

void
agent_meta_free(struct agent_meta *m)
{
	g_ptr_array_unref(m->addresses);
	g_ptr_array_unref(m->files);
	g_ptr_array_unref(m->texts);
	g_free(m);
}

static bool
is_running(const char *path)
{
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	const char *name;

	while (proc != NULL && (name = g_dir_read_name(proc)) != NULL) {
		g_autofree char *link = NULL;
		g_autofree char *target = NULL;

		if (!g_ascii_isdigit(name[0]))
			continue;
		link = g_strdup_printf("/proc/%s/exe", name);
		target = g_file_read_link(link, NULL);
		if (target != NULL && strcmp(target, path) == 0)
			return true;
	}
	return false;
}

void
agent_meta_add_file(struct agent_meta *m, const char *path)
{
	Management__File *f;
	char *text;

	if (m->files->len >= FILES_MAX || path[0] != '/')
		return;
	f = g_new(Management__File, 1);
	text = g_strdup(path);
	management__file__init(f);
	f->path = text;
	f->exist = access(path, F_OK) == 0;
	f->processisrunning = f->exist && is_running(path);
	g_ptr_array_add(m->texts, text);
	g_ptr_array_add(m->files, f);
}

Management__PeerSystemMeta *
agent_meta_message(struct agent_meta *m)
{
	m->message.n_networkaddresses = m->addresses->len;
	m->message.networkaddresses = (Management__NetworkAddress **) m->addresses->pdata;
	m->message.n_files = m->files->len;
	m->message.files = (Management__File **) m->files->pdata;
	return &m->message;
}
