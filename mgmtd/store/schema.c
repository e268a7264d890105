/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables and how they came to be: numbered migrations, forward only, each in one transaction.
 * @IDENTITY@ is the one place where the engines differ. Times are microseconds; lists of ids, ports
 * and ranges are text with blanks between. */
#include "mgmtd/store/engine.h"
#include "mgmtd/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const mgmt_schema_tables[] = { "meta",         "accounts",    "groups",
					   "peers",        "group_peers", "policies",
					   "policy_rules", "setup_keys",  "tokens",
					   "events",       NULL };

static const char migration_1[] =
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
	"INSERT INTO meta (name, value) VALUES ('schema', '0');"
	"INSERT INTO meta (name, value) VALUES ('last_batch', '');"
	"CREATE TABLE accounts ("
	" id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at BIGINT NOT NULL,"
	" net TEXT NOT NULL, net6 TEXT NOT NULL, serial BIGINT NOT NULL,"
	" dns_domain TEXT NOT NULL, lazy_connections INTEGER NOT NULL,"
	" peer_approval INTEGER NOT NULL, login_expiration_enabled INTEGER NOT NULL,"
	" login_expiration_us BIGINT NOT NULL, ipv6_enabled INTEGER NOT NULL,"
	" ipv6_groups TEXT NOT NULL, routing_peer_dns INTEGER NOT NULL);"
	"CREATE TABLE groups ("
	" id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,"
	" name TEXT NOT NULL, is_all INTEGER NOT NULL, created_at BIGINT NOT NULL,"
	" UNIQUE (account_id, name));"
	"CREATE TABLE peers ("
	" id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,"
	" wg_key TEXT NOT NULL UNIQUE, ip TEXT NOT NULL, ip6 TEXT,"
	" name TEXT NOT NULL, dns_label TEXT NOT NULL, user_id TEXT NOT NULL,"
	" ssh_key TEXT NOT NULL, connection_ip TEXT NOT NULL, ssh_enabled INTEGER NOT NULL,"
	" login_expiration_enabled INTEGER NOT NULL, login_expired INTEGER NOT NULL,"
	" approval_required INTEGER NOT NULL, ephemeral INTEGER NOT NULL,"
	" allow_extra_dns_labels INTEGER NOT NULL, created_at BIGINT NOT NULL,"
	" last_login BIGINT NOT NULL, last_seen BIGINT NOT NULL, connected INTEGER NOT NULL,"
	" meta_hostname TEXT NOT NULL, meta_goos TEXT NOT NULL, meta_kernel TEXT NOT NULL,"
	" meta_core TEXT NOT NULL, meta_platform TEXT NOT NULL, meta_os TEXT NOT NULL,"
	" meta_os_version TEXT NOT NULL, meta_version TEXT NOT NULL,"
	" meta_ui_version TEXT NOT NULL, meta_kernel_version TEXT NOT NULL,"
	" meta_serial_number TEXT NOT NULL, meta_product_name TEXT NOT NULL,"
	" meta_manufacturer TEXT NOT NULL, meta_cloud TEXT NOT NULL,"
	" meta_environment TEXT NOT NULL, meta_addresses TEXT NOT NULL,"
	" meta_capabilities TEXT NOT NULL, meta_sync_version INTEGER NOT NULL,"
	" meta_flags BIGINT NOT NULL,"
	" UNIQUE (account_id, ip), UNIQUE (account_id, ip6), UNIQUE (account_id, dns_label));"
	"CREATE TABLE group_peers ("
	" group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,"
	" peer_id TEXT NOT NULL REFERENCES peers (id) ON DELETE CASCADE,"
	" PRIMARY KEY (group_id, peer_id));"
	"CREATE INDEX group_peers_by_peer ON group_peers (peer_id);"
	"CREATE TABLE policies ("
	" id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,"
	" name TEXT NOT NULL, description TEXT NOT NULL, enabled INTEGER NOT NULL,"
	" created_at BIGINT NOT NULL);"
	"CREATE TABLE policy_rules ("
	" id TEXT PRIMARY KEY,"
	" policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,"
	" position INTEGER NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,"
	" enabled INTEGER NOT NULL, action TEXT NOT NULL, protocol TEXT NOT NULL,"
	" bidirectional INTEGER NOT NULL, source_type TEXT NOT NULL, source_id TEXT NOT NULL,"
	" destination_type TEXT NOT NULL, destination_id TEXT NOT NULL,"
	" sources TEXT NOT NULL, destinations TEXT NOT NULL, ports TEXT NOT NULL,"
	" port_ranges TEXT NOT NULL);"
	"CREATE INDEX policy_rules_by_policy ON policy_rules (policy_id);"
	"CREATE TABLE setup_keys ("
	" id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,"
	" name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, masked TEXT NOT NULL,"
	" type TEXT NOT NULL, revoked INTEGER NOT NULL, ephemeral INTEGER NOT NULL,"
	" allow_extra_dns_labels INTEGER NOT NULL, created_at BIGINT NOT NULL,"
	" expires_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, last_used BIGINT NOT NULL,"
	" used_times BIGINT NOT NULL, usage_limit BIGINT NOT NULL, auto_groups TEXT NOT NULL);"
	"CREATE TABLE tokens ("
	" id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,"
	" name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, created_at BIGINT NOT NULL,"
	" expires_at BIGINT NOT NULL, last_used BIGINT NOT NULL);"
	"CREATE TABLE events ("
	" id @IDENTITY@, account_id TEXT NOT NULL, time BIGINT NOT NULL,"
	" activity INTEGER NOT NULL, initiator TEXT NOT NULL, target TEXT NOT NULL,"
	" meta TEXT NOT NULL);"
	"CREATE INDEX events_by_account ON events (account_id, id);";

static const char *const migrations[] = { migration_1 };
G_STATIC_ASSERT(G_N_ELEMENTS(migrations) == MGMT_SCHEMA_VERSION);

static bool
has_meta_table(MgmtEngine *e, bool *ret, GError **error)
{
	bool sqlite = strcmp(e->ops->name, "sqlite") == 0;
	int64_t n = 0;
	bool found;

	if (!mgmt_query_int(e,
			    sqlite ? "SELECT count(*) FROM sqlite_master WHERE name = 'meta'"
				   : "SELECT count(*) FROM information_schema.tables WHERE"
				     " table_schema = current_schema() AND table_name = 'meta'",
			    NULL, 0, &n, &found, error))
		return false;
	*ret = n > 0;
	return true;
}

static bool
read_version(MgmtEngine *e, int64_t *ret, GError **error)
{
	g_autofree char *text = NULL;
	bool exists;

	if (!has_meta_table(e, &exists, error))
		return false;
	*ret = 0;
	if (!exists)
		return true;
	if (!mgmt_query_text(e, "SELECT value FROM meta WHERE name = 'schema'", NULL, 0, &text,
			     error))
		return false;
	*ret = text == NULL ? 0 : g_ascii_strtoll(text, NULL, 10);
	return true;
}

static bool
run_migration(MgmtEngine *e, int64_t to, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(migrations[to - 1], "@IDENTITY@", -1);
	g_autofree char *sql = g_strjoinv(e->ops->identity, parts);
	g_autofree char *script =
		g_strdup_printf("BEGIN; %s UPDATE meta SET value = '%" G_GINT64_FORMAT
				"' WHERE name = 'schema'; COMMIT;",
				sql, to);

	if (mgmt_exec(e, script, error))
		return true;
	mgmt_exec(e, "ROLLBACK", NULL); /* the failure is reported already */
	g_prefix_error(error, "migration %" G_GINT64_FORMAT ": ", to);
	return false;
}

/* A copy of the database file beside it, taken before a migration touches it. */
static bool
copy_file(MgmtEngine *e, const char *path, int64_t version, GError **error)
{
	g_autofree char *to = g_strdup_printf("%s.schema-%" G_GINT64_FORMAT, path, version);
	g_autofree char *quoted = NULL;
	g_autofree char *sql = NULL;
	g_auto(GStrv) parts = g_strsplit(to, "'", -1);

	if (unlink(to) != 0 && errno != ENOENT) {
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED, "%s: %s", to,
			    g_strerror(errno));
		return false;
	}
	quoted = g_strjoinv("''", parts);
	sql = g_strdup_printf("VACUUM INTO '%s'", quoted);
	if (!mgmt_exec(e, sql, error)) {
		g_prefix_error(error, "copy to %s: ", to);
		return false;
	}
	if (chmod(to, 0600) != 0) {
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED, "%s: %s", to,
			    g_strerror(errno));
		return false;
	}
	return true;
}

bool
mgmt_schema_migrate(MgmtEngine *e, const char *copy_of, GError **error)
{
	int64_t version;

	if (!read_version(e, &version, error))
		return false;
	if (version > MGMT_SCHEMA_VERSION) {
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_SCHEMA,
			    "the store has schema %" G_GINT64_FORMAT
			    ", this program knows %d: it was made by a newer version; upgrade",
			    version, MGMT_SCHEMA_VERSION);
		return false;
	}
	if (version != 0 && version != MGMT_SCHEMA_VERSION && copy_of != NULL &&
	    !copy_file(e, copy_of, version, error))
		return false;
	while (version < MGMT_SCHEMA_VERSION)
		if (!run_migration(e, ++version, error))
			return false;
	return true;
}
