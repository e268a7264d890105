/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drives nftables/ from tests: reads commands, one per line, and answers each with one line,
 * "ok ..." or "error CODE TEXT".
 *
 *   config INTERFACE FORWARD OUTPUT      for the next apply (0 or 1)
 *   apply FILE                           rules, one per line: in|out accept|drop PREFIX PROTOCOL
 *                                        PORTS POLICY; PROTOCOL all, icmp or a number, PORTS and
 *                                        POLICY "-" for none
 *   verify | repair | remove | counts | cuts | decide in|out ADDRESS PROTOCOL PORT
 *   cut ADDRESS...                       deletes the flows between these addresses of our own and
 *                                        others that lost their permission
 *   watch | event MS                     starts the monitor; waits for its next event */
#include "base/env.h"
#include "netlink/conntrack.h"
#include "netlink/sock.h"
#include "nftables/error.h"
#include "nftables/monitor.h"
#include "nftables/table.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

struct tool {
	struct weft_nft_config config;
	WeftNftTable *table;
	WeftNftMonitor *monitor;
	struct weft_nft_applied applied;
	GQueue events; /* char * */
};

static void
answer_error(GError *error)
{
	g_strdelimit(error->message, "\n", ' ');
	printf("error %s %s\n", weft_nft_error_name((enum weft_nft_error) error->code),
	       error->message);
	g_error_free(error);
}

static bool
parse_ports(struct weft_nft_rule *rule, const char *text)
{
	unsigned first, last;

	if (strcmp(text, "-") == 0)
		return true;
	rule->has_ports = true;
	if (sscanf(text, "%u-%u", &first, &last) != 2) {
		if (sscanf(text, "%u", &first) != 1)
			return false;
		last = first;
	}
	rule->port_first = (uint16_t) first;
	rule->port_last = (uint16_t) last;
	return first <= UINT16_MAX && last <= UINT16_MAX;
}

static bool
parse_rule(struct weft_nft_rule *rule, const char *line)
{
	char direction[8], action[8], prefix[64], protocol[16], ports[16], policy[80];

	memset(rule, 0, sizeof *rule);
	if (sscanf(line, "%7s %7s %63s %15s %15s %79s", direction, action, prefix, protocol, ports,
		   policy) != 6)
		return false;
	rule->direction = strcmp(direction, "out") == 0 ? WEFT_NFT_OUT : WEFT_NFT_IN;
	rule->action = strcmp(action, "drop") == 0 ? WEFT_NFT_DROP : WEFT_NFT_ACCEPT;
	rule->protocol = strcmp(protocol, "all") == 0    ? WEFT_NFT_PROTOCOL_ALL
			 : strcmp(protocol, "icmp") == 0 ? WEFT_NFT_PROTOCOL_ICMP
							 : atoi(protocol);
	if (strcmp(policy, "-") != 0)
		rule->policy = weft_nft_policy(policy, strlen(policy));
	return weft_prefix_parse(&rule->remote, prefix, strlen(prefix), true) &&
	       parse_ports(rule, ports);
}

static GArray *
read_rules(const char *path)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	GArray *rules = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_rule));

	if (!g_file_get_contents(path, &text, NULL, NULL))
		g_error("%s cannot be read", path);
	lines = g_strsplit(text, "\n", -1);
	for (size_t i = 0; lines[i] != NULL; i++) {
		struct weft_nft_rule rule;

		if (lines[i][0] == '\0')
			continue;
		if (!parse_rule(&rule, lines[i]))
			g_error("%s: %s", path, lines[i]);
		g_array_append_val(rules, rule);
	}
	return rules;
}

static void
do_apply(struct tool *t, const char *path)
{
	g_autoptr(GArray) rules = read_rules(path);
	g_autoptr(GArray) refusals = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_refusal));
	g_autoptr(WeftNftModel) model = NULL;
	GError *error = NULL;
	int64_t start = g_get_monotonic_time(), compiled;
	size_t n_cuts = 0;

	weft_nft_applied_clear(&t->applied);
	model = weft_nft_compile(&t->config, (const void *) rules->data, rules->len, refusals,
				 &error);
	compiled = g_get_monotonic_time();
	if (model == NULL ||
	    !weft_nft_table_apply(t->table, g_steal_pointer(&model), &t->applied, &error)) {
		answer_error(error);
		return;
	}
	if (t->applied.revoked != NULL)
		(void) weft_nft_diff_cut_list(t->applied.revoked, &n_cuts);
	printf("ok rebuilt=%d added=%zu deleted=%zu tries=%u cuts=%zu refused=%u "
	       "compile_us=%" PRId64 " apply_us=%" PRId64 "\n",
	       t->applied.rebuilt, t->applied.added, t->applied.deleted, t->applied.tries, n_cuts,
	       refusals->len, compiled - start, g_get_monotonic_time() - compiled);
}

static void
on_count(const struct weft_nft_count *count, void *user)
{
	g_string_append_printf(user, " %s=%" PRIu64 "/%" PRIu64, count->name, count->packets,
			       count->bytes);
}

static void
do_counts(struct tool *t)
{
	g_autoptr(GString) text = g_string_new(NULL);
	GError *error = NULL;

	if (!weft_nft_table_counts(t->table, on_count, text, &error))
		answer_error(error);
	else
		printf("ok%s\n", text->str);
}

static void
do_cuts(struct tool *t)
{
	size_t n = 0;
	const struct weft_nft_cut *cuts =
		t->applied.revoked == NULL ? NULL : weft_nft_diff_cut_list(t->applied.revoked, &n);

	printf("ok");
	for (size_t i = 0; i < n; i++) {
		char prefix[WEFT_PREFIX_TEXT_SIZE];

		printf(" %s,%s,%u,%u-%u,%s", cuts[i].direction == WEFT_NFT_OUT ? "out" : "in",
		       weft_prefix_format(&cuts[i].remote, prefix), cuts[i].protocol,
		       cuts[i].port_first, cuts[i].port_last, cuts[i].exact ? "exact" : "part");
	}
	printf("\n");
}

struct cutting {
	const WeftNftDiff *diff;
	char **own;
	GArray *flows; /* struct weft_nl_ct_flow */
};

static bool
is_own(const struct cutting *c, const struct weft_address *addr)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];

	return g_strv_contains((const char *const *) c->own, weft_address_format(addr, text));
}

static void
on_flow(const struct weft_nl_ct_flow *flow, void *user)
{
	struct cutting *c = user;
	const struct weft_nl_ct_tuple *first = &flow->orig;
	bool out = is_own(c, &first->src.addr);
	struct weft_nft_packet packet = { .direction = out ? WEFT_NFT_OUT : WEFT_NFT_IN,
					  .remote = out ? first->dst.addr : first->src.addr,
					  .protocol = first->protocol,
					  .port = first->dst.port };

	if ((out || is_own(c, &first->dst.addr)) && weft_nft_diff_cuts(c->diff, &packet))
		g_array_append_val(c->flows, *flow);
}

static void
on_restart(void *user)
{
	g_array_set_size(((struct cutting *) user)->flows, 0);
}

/* As the agent does it: other interfaces have flows of the same sources, too. */
static void
do_cut(struct tool *t, const char *words)
{
	g_auto(GStrv) own = g_strsplit(words, " ", -1);
	g_autoptr(GArray) flows = g_array_new(FALSE, FALSE, sizeof(struct weft_nl_ct_flow));
	struct cutting c = { .diff = t->applied.revoked, .own = own, .flows = flows };
	struct weft_nl_ct_dump dump = { .func = on_flow, .restart = on_restart, .user = &c };
	GError *error = NULL;
	g_autoptr(WeftNlSocket) nf =
		weft_nl_socket_open(WEFT_NL_BUS_NETFILTER, weft_env_system(), &error);
	unsigned gone = 0;

	if (nf == NULL || (c.diff != NULL && !weft_nl_ct_dump(nf, &dump, &error))) {
		answer_error(error);
		return;
	}
	for (size_t i = 0; i < flows->len; i++) {
		/* One that ended by itself is as good. */
		gone += weft_nl_ct_delete_flow(nf, &g_array_index(flows, struct weft_nl_ct_flow, i),
					       NULL);
	}
	printf("ok %u\n", gone);
}

static void
do_decide(struct tool *t, const char *words)
{
	char direction[8], address[64];
	unsigned protocol, port;
	struct weft_nft_packet packet = { 0 };
	const WeftNftModel *model = weft_nft_table_current(t->table);

	if (model == NULL ||
	    sscanf(words, "%7s %63s %u %u", direction, address, &protocol, &port) != 4 ||
	    !weft_address_parse(&packet.remote, address, strlen(address))) {
		printf("error invalid nothing to decide\n");
		return;
	}
	packet.direction = strcmp(direction, "out") == 0 ? WEFT_NFT_OUT : WEFT_NFT_IN;
	packet.protocol = (uint8_t) protocol;
	packet.port = (uint16_t) port;
	printf("ok %s\n",
	       weft_nft_model_decide(model, &packet, NULL) == WEFT_NFT_ACCEPT ? "accept" : "drop");
}

static void
on_event(enum weft_nft_event event, const char *process, void *user)
{
	struct tool *t = user;

	g_queue_push_tail(&t->events,
			  g_strdup_printf("%s %s", weft_nft_event_name(event), process));
}

static void
do_watch(struct tool *t)
{
	GError *error = NULL;

	t->monitor = weft_nft_monitor_open(t->config.table, weft_nft_table_port_id(t->table),
					   on_event, t, &error);
	if (t->monitor == NULL)
		answer_error(error);
	else
		printf("ok\n");
}

static void
do_event(struct tool *t, int timeout_ms)
{
	struct pollfd ready = { .fd = weft_nft_monitor_fd(t->monitor), .events = POLLIN };
	int64_t deadline = g_get_monotonic_time() + (int64_t) timeout_ms * 1000;
	g_autofree char *event = NULL;

	while (g_queue_is_empty(&t->events)) {
		int64_t left_ms = (deadline - g_get_monotonic_time()) / 1000;
		GError *error = NULL;

		if (left_ms < 0 || poll(&ready, 1, (int) left_ms) == 0) {
			printf("ok none\n");
			return;
		}
		if (!weft_nft_monitor_dispatch(t->monitor, &error)) {
			answer_error(error);
			return;
		}
	}
	event = g_queue_pop_head(&t->events);
	printf("ok %s\n", event);
}

static void
do_check(struct tool *t, bool repair)
{
	enum weft_nft_found found;
	bool repaired;
	GError *error = NULL;

	if (repair ? !weft_nft_table_repair(t->table, &repaired, &error)
		   : !weft_nft_table_verify(t->table, &found, &error))
		answer_error(error);
	else if (repair)
		printf("ok %s\n", repaired ? "repaired" : "unchanged");
	else
		printf("ok %s %s\n", weft_nft_found_name(found), weft_nft_table_why(t->table));
}

static void
do_config(struct tool *t, const char *words)
{
	char interface[16];
	unsigned forward, output;

	if (sscanf(words, "%15s %u %u", interface, &forward, &output) != 3) {
		printf("error invalid config\n");
		return;
	}
	g_strlcpy(t->config.interface, interface, sizeof t->config.interface);
	t->config.filter_forward = forward != 0;
	t->config.filter_output = output != 0;
	printf("ok\n");
}

static void
do_line(struct tool *t, const char *line)
{
	GError *error = NULL;

	if (g_str_has_prefix(line, "config "))
		do_config(t, line + 7);
	else if (g_str_has_prefix(line, "apply "))
		do_apply(t, line + 6);
	else if (g_str_has_prefix(line, "decide "))
		do_decide(t, line + 7);
	else if (g_str_has_prefix(line, "cut "))
		do_cut(t, line + 4);
	else if (g_str_has_prefix(line, "event "))
		do_event(t, atoi(line + 6));
	else if (strcmp(line, "watch") == 0)
		do_watch(t);
	else if (strcmp(line, "verify") == 0 || strcmp(line, "repair") == 0)
		do_check(t, line[0] == 'r');
	else if (strcmp(line, "counts") == 0)
		do_counts(t);
	else if (strcmp(line, "cuts") == 0)
		do_cuts(t);
	else if (strcmp(line, "remove") != 0)
		printf("error invalid %s\n", line);
	else if (weft_nft_table_remove(t->table, &error))
		printf("ok\n");
	else
		answer_error(error);
}

int
main(void)
{
	struct tool t = { .config = weft_nft_config_default(), .events = G_QUEUE_INIT };
	char line[4096];
	GError *error = NULL;
	WeftNftSocket *socket = weft_nft_socket_open(weft_env_system(), &error);

	if (socket == NULL) {
		answer_error(error);
		return 1;
	}
	t.table = weft_nft_table_new(socket, &t.config);
	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		do_line(&t, line);
		fflush(stdout);
	}
	weft_nft_applied_clear(&t.applied);
	weft_nft_monitor_free(t.monitor);
	weft_nft_table_free(t.table);
	g_queue_clear_full(&t.events, g_free);
	return 0;
}
