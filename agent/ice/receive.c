/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datagrams of strangers: to which session they belong, whether they are what they claim to be, and
 * what they mean (RFC 8445 section 7.3, RFC 8489 section 9.1). Who cannot sign gets no answer: the
 * port is WireGuard's, and as silent. */
#include "agent/ice/private.h"

#include "stun/build.h"

#include <string.h>

/* Which credentials a request was made with. */
enum generation { GENERATION_NONE, GENERATION_PRESENT, GENERATION_OLD, GENERATION_COMING };

static enum generation
generation_of(const IceSession *s, const char *own, const char *remote)
{
	if (strcmp(own, s->own.ufrag) == 0) {
		if (!s->has_remote || strcmp(remote, s->remote.ufrag) == 0)
			return GENERATION_PRESENT;
		if (s->old == NULL || strcmp(own, s->old->own.ufrag) != 0 ||
		    strcmp(remote, s->old->remote.ufrag) != 0)
			return GENERATION_COMING;
	}
	return s->old != NULL && strcmp(own, s->old->own.ufrag) == 0 ? GENERATION_OLD
								     : GENERATION_NONE;
}

static IceSession *
find_session(const IceAgent *agent,
	     const struct weft_stun_message *m,
	     enum generation *ret_generation)
{
	char text[2 * ICE_UFRAG_MAX + 2];
	char *colon;
	IceSession *s;

	if (!weft_stun_has(m, WEFT_STUN_HAS_USERNAME) || m->username.len >= sizeof(text) ||
	    memchr(m->username.p, '\0', m->username.len) != NULL)
		return NULL;
	memcpy(text, m->username.p, m->username.len);
	text[m->username.len] = '\0';
	colon = strchr(text, ':');
	if (colon == NULL)
		return NULL;
	*colon = '\0';
	s = g_hash_table_lookup(agent->by_ufrag, text);
	if (s == NULL)
		return NULL;
	*ret_generation = generation_of(s, text, colon + 1);
	return *ret_generation != GENERATION_NONE ? s : NULL;
}

static void
answer_error(IceSession *s,
	     const struct ice_path *to,
	     const struct weft_stun_message *m,
	     const struct ice_credentials *own,
	     unsigned code)
{
	uint8_t buf[MESSAGE_MAX];

	s->agent->stats.answers++;
	agent_send(s->agent, to, buf, message_error(buf, m, code, own));
}

static void
answer_success(IceSession *s,
	       const struct ice_path *to,
	       const struct weft_stun_message *m,
	       const struct ice_credentials *own)
{
	uint8_t buf[MESSAGE_MAX];

	s->agent->stats.answers++;
	agent_send(s->agent, to, buf, message_success(buf, m, &to->remote, own));
}

/* RFC 8445 section 7.3.1.1. True if the request was answered with 487. */
static bool
role_conflict(IceSession *s, const struct ice_path *from, const struct weft_stun_message *m)
{
	if (!weft_stun_has(m, WEFT_STUN_HAS_TIE_BREAKER) || m->controlling != s->controlling)
		return false;
	if ((s->tie_breaker >= m->tie_breaker) == s->controlling) {
		answer_error(s, from, m, &s->own, WEFT_STUN_ERROR_ROLE_CONFLICT);
		return true;
	}
	check_switch_role(s, !s->controlling);
	return false;
}

/* The pair on which the request came, learnt if need be; NO_PAIR if there are too many. */
static int
pair_of_request(IceSession *s, const struct ice_path *from, const struct weft_stun_message *m)
{
	int remote = pairs_find_remote(s, &from->remote);

	if (remote < 0) {
		struct remote r = {
			.endpoint = from->remote,
			.type = ICE_PRFLX,
			.priority = weft_stun_has(m, WEFT_STUN_HAS_PRIORITY) && m->priority != 0
					    ? m->priority
					    : ice_priority(ICE_PRFLX, ICE_LOCAL_PREFERENCE),
			.foundation = weft_stun_crc32(from->remote.addr.b, 16) ^ from->remote.port,
		};

		remote = pairs_add_remote(s, &r);
	}
	return remote < 0 ? NO_PAIR : pairs_add(s, remote, from->relay);
}

static void
use_candidate(IceSession *s, int index, const struct weft_stun_message *m)
{
	uint32_t nomination = message_nomination(m);
	struct pair *p = &s->pairs[index];
	int i;

	if (s->controlling || !weft_stun_has(m, WEFT_STUN_HAS_USE_CANDIDATE))
		return;
	if (nomination != 0) {
		if (nomination < s->nomination)
			return; /* overtaken by a later one */
		s->nomination = nomination;
		for (i = 0; i < s->n_pairs; i++)
			s->pairs[i].nominate_on_valid = s->pairs[i].renomination = false;
		p->renomination = true;
	}
	if (p->state == PAIR_SUCCEEDED && s->has_remote)
		check_nominated(s, index);
	else
		p->nominate_on_valid = true;
}

static enum ice_receive
request_present(IceSession *s, const struct ice_path *from, const struct weft_stun_message *m)
{
	int index;

	if (role_conflict(s, from, m))
		return ICE_RECEIVE_TAKEN;
	index = pair_of_request(s, from, m);
	answer_success(s, from, m, &s->own);
	consent_heard(s, from);
	if (index == NO_PAIR)
		return ICE_RECEIVE_TAKEN;
	s->pairs[index].local = from->local;
	use_candidate(s, index, m);
	/* The triggered check: also of a failed pair, for which the peer's request may just have
	 * opened the way. */
	if (s->pairs[index].state != PAIR_SUCCEEDED)
		s->pairs[index].triggered = true;
	return ICE_RECEIVE_TAKEN;
}

static enum ice_receive
receive_request(IceAgent *agent, const struct ice_path *from, const struct weft_stun_message *m)
{
	enum generation generation = GENERATION_NONE;
	IceSession *s = find_session(agent, m, &generation);
	const struct ice_credentials *own;
	enum ice_receive result = ICE_RECEIVE_TAKEN;

	if (s == NULL)
		return ICE_RECEIVE_FOREIGN;
	own = generation == GENERATION_OLD ? &s->old->own : &s->own;
	if (!message_signed_by(m, own->pwd))
		return ICE_RECEIVE_REFUSED;
	if (m->n_unknown > 0) {
		answer_error(s, from, m, own, WEFT_STUN_ERROR_UNKNOWN_ATTRIBUTE);
		return ICE_RECEIVE_REFUSED;
	}
	switch (generation) {
	case GENERATION_PRESENT:
		result = request_present(s, from, m);
		break;
	case GENERATION_OLD:
		answer_success(s, from, m, own);
		consent_heard(s, from);
		break;
	case GENERATION_COMING:
		/* The peer has restarted; its credentials are on their way to us. */
		answer_success(s, from, m, own);
		break;
	case GENERATION_NONE:
		break;
	}
	session_update(s);
	return result;
}

static int
find_pair_by_txid(const IceSession *s, const uint8_t txid[TXID])
{
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		if (s->pairs[i].has_txid && memcmp(s->pairs[i].txid, txid, TXID) == 0)
			return i;
	}
	return NO_PAIR;
}

static enum ice_receive
response_to_check(IceSession *s,
		  int index,
		  const struct ice_path *from,
		  const struct weft_stun_message *m)
{
	struct pair *p = &s->pairs[index];
	struct ice_path path = pair_path(s, p);

	/* RFC 8445 section 7.2.5.2.1: from where the request went, else it is no answer. */
	if (!ice_path_equal(&path, from) || !message_signed_by(m, s->remote.pwd))
		return ICE_RECEIVE_REFUSED;
	if (m->class == WEFT_STUN_ERROR) {
		if (m->error_code != WEFT_STUN_ERROR_ROLE_CONFLICT)
			return ICE_RECEIVE_REFUSED; /* repeated until it fails */
		if (p->as_controlling == s->controlling)
			check_switch_role(s, !s->controlling);
		p->triggered = true;
		return ICE_RECEIVE_TAKEN;
	}
	if (!weft_stun_has(m, WEFT_STUN_HAS_XOR_MAPPED) || m->n_unknown > 0)
		return ICE_RECEIVE_REFUSED;
	check_succeeded(s, index, m);
	consent_heard(s, from);
	return ICE_RECEIVE_TAKEN;
}

static enum ice_receive
receive_response(IceAgent *agent, const struct ice_path *from, const struct weft_stun_message *m)
{
	enum ice_receive result;
	IceSession *s;
	int index;

	if (gather_response(agent, from, m))
		return ICE_RECEIVE_TAKEN;
	s = agent_find_txid(agent, m->transaction);
	if (s == NULL)
		return ICE_RECEIVE_FOREIGN;
	index = find_pair_by_txid(s, m->transaction);
	if (index != NO_PAIR)
		result = response_to_check(s, index, from, m);
	else
		result = consent_response(s, from, m) ? ICE_RECEIVE_TAKEN : ICE_RECEIVE_REFUSED;
	session_update(s);
	return result;
}

static enum ice_receive
receive(IceAgent *agent, const struct ice_path *from, const uint8_t *buf, size_t len)
{
	struct weft_stun_message m;

	if (!weft_stun_is_stun(buf, len) || weft_stun_parse(&m, buf, len) != WEFT_STUN_OK ||
	    m.method != WEFT_STUN_BINDING)
		return ICE_RECEIVE_FOREIGN;
	if (from->remote.port == 0 || agent_is_overlay(agent, &from->remote.addr))
		return ICE_RECEIVE_REFUSED;
	if (weft_stun_has(&m, WEFT_STUN_HAS_FINGERPRINT) && !weft_stun_check_fingerprint(&m))
		return ICE_RECEIVE_REFUSED;
	switch (m.class) {
	case WEFT_STUN_REQUEST:
		return receive_request(agent, from, &m);
	case WEFT_STUN_SUCCESS:
	case WEFT_STUN_ERROR:
		return receive_response(agent, from, &m);
	default:
		return ICE_RECEIVE_FOREIGN; /* indications: nobody can sign them */
	}
}

enum ice_receive
ice_agent_receive(IceAgent *agent, const struct ice_path *from, const uint8_t *buf, size_t len)
{
	enum ice_receive result;

	agent_enter(agent);
	result = receive(agent, from, buf, len);
	if (result == ICE_RECEIVE_REFUSED)
		agent->stats.refused++;
	else if (result == ICE_RECEIVE_FOREIGN)
		agent->stats.foreign++;
	agent_leave(agent);
	return result;
}
