/* SPDX-License-Identifier: GPL-3.0-or-later */
/* agent/relay as one end of a relayed way, for tests: what peer KEY sends comes back in upper case.
 *
 *	relay-peer URL SECRET PRIVATE-KEY PEER-KEY
 *
 * Prints one line per event: "home URL", "home -", "peer STATE", "packet N". */
#include "agent/relay/relay.h"

#include "base/env.h"
#include "base/token.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static AgentRelay *relay;
static struct weft_key peer;
static const char *relay_url;

static void
on_home(void *user, const char *url, const struct weft_address *ip)
{
	printf("home %s\n", url == NULL ? "-" : url);
	fflush(stdout);
	if (url != NULL)
		agent_relay_open_peer(relay, &peer, url, NULL);
}

static gboolean
reopen(gpointer user)
{
	agent_relay_open_peer(relay, &peer, relay_url, NULL);
	return G_SOURCE_REMOVE;
}

static void
on_peer(void *user, const struct weft_key *key, enum agent_relay_state state)
{
	printf("peer %s\n", agent_relay_state_name(state));
	fflush(stdout);
	if (state == AGENT_RELAY_CLOSED)
		g_idle_add(reopen, NULL);
}

static void
on_packet(void *user, const struct weft_key *key, const uint8_t *buf, size_t len)
{
	uint8_t copy[AGENT_RELAY_PACKET_MAX];

	for (size_t i = 0; i < len; i++)
		copy[i] = (uint8_t) toupper(buf[i]);
	printf("packet %zu\n", len);
	fflush(stdout);
	agent_relay_send(relay, key, copy, len);
}

int
main(int argc, char **argv)
{
	static const struct agent_relay_ops ops = { on_home, on_peer, on_packet };
	const char *urls[] = { argc > 1 ? argv[1] : "", NULL };
	struct agent_relay_config config = { .context = g_main_context_default(),
					     .env = weft_env_system(),
					     .ops = &ops };
	struct weft_relay_token token;
	struct weft_secret secret;
	struct weft_key private;

	if (argc != 5 || !weft_crypto_init() ||
	    !weft_key_from_text(&private, argv[3], strlen(argv[3])) ||
	    !weft_key_from_text(&peer, argv[4], strlen(argv[4])))
		return 2;
	weft_key_public(&config.own, &private);
	secret = (struct weft_secret){ (const uint8_t *) argv[2], strlen(argv[2]) };
	weft_relay_token_make(&token, &secret,
			      weft_env_wall_us(config.env) / G_USEC_PER_SEC + 3600);
	relay_url = argv[1];
	relay = agent_relay_new(&config, NULL);
	agent_relay_set_servers(relay, urls, token.payload, token.signature);
	for (;;)
		g_main_context_iteration(NULL, TRUE);
}
