/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One HTTP/1.1 request out of a buffer (RFC 9112). Strict: what a scraper has no reason to send is
 * refused. */
#include "base/glib/metrics_server.h"

#include <string.h>

struct request {
	bool has_host;
	bool keep;
	bool body;
	bool bad;
	bool method_get;
	bool path_metrics;
	bool version_known;
};

static bool
is_token_char(char c)
{
	return g_ascii_isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
text_is(const char *p, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(p, word, len) == 0;
}

static bool
text_is_nocase(const char *p, size_t len, const char *word)
{
	return len == strlen(word) && g_ascii_strncasecmp(p, word, len) == 0;
}

/* RFC 9112 section 3: method SP request-target SP HTTP-version. */
static void
parse_request_line(struct request *r, const char *p, size_t len)
{
	const char *end = p + len;
	const char *sp1 = memchr(p, ' ', len);
	const char *sp2 = sp1 != NULL ? memchr(sp1 + 1, ' ', (size_t) (end - sp1 - 1)) : NULL;
	const char *query;
	size_t target;

	if (sp1 == NULL || sp1 == p || sp2 == NULL || sp2 == sp1 + 1 || end - sp2 != 9 ||
	    memcmp(sp2, " HTTP/", 6) != 0 || !g_ascii_isdigit(sp2[6]) || sp2[7] != '.' ||
	    !g_ascii_isdigit(sp2[8])) {
		r->bad = true;
		return;
	}
	for (const char *c = p; c < sp1; c++)
		r->bad = r->bad || !is_token_char(*c);
	for (const char *c = sp1 + 1; c < sp2; c++)
		r->bad = r->bad || !g_ascii_isgraph(*c);
	target = (size_t) (sp2 - sp1 - 1);
	query = memchr(sp1 + 1, '?', target);
	if (query != NULL)
		target = (size_t) (query - sp1 - 1);
	r->method_get = text_is(p, (size_t) (sp1 - p), "GET");
	r->path_metrics = text_is(sp1 + 1, target, "/metrics");
	r->version_known = sp2[6] == '1';
	r->keep = sp2[6] == '1' && sp2[8] != '0';
	/* Only HTTP/1.1 must name its host. */
	r->has_host = !r->keep;
}

/* True if the list of connection options holds "close"; something that only contains the word
 * counts too, which costs a connection at most. */
static bool
has_close(const char *p, size_t len)
{
	g_autofree char *lower = g_ascii_strdown(p, (gssize) len);

	return strstr(lower, "close") != NULL;
}

/* RFC 9112 section 5: field-name ":" OWS field-value OWS. No folding. */
static void
parse_field(struct request *r, const char *p, size_t len, unsigned *n_hosts)
{
	const char *colon = memchr(p, ':', len);
	size_t name = colon != NULL ? (size_t) (colon - p) : 0;
	const char *value, *end = p + len;

	for (size_t i = 0; i < name; i++)
		r->bad = r->bad || !is_token_char(p[i]);
	if (name == 0 || r->bad) {
		r->bad = true;
		return;
	}
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	for (const char *c = value; c < end; c++)
		r->bad = r->bad || (g_ascii_iscntrl(*c) && *c != '\t');
	if (text_is_nocase(p, name, "Host"))
		(*n_hosts)++;
	else if (text_is_nocase(p, name, "Transfer-Encoding"))
		r->body = true;
	else if (text_is_nocase(p, name, "Content-Length"))
		r->body = r->body || !text_is(value, (size_t) (end - value), "0");
	else if (text_is_nocase(p, name, "Connection"))
		r->keep = r->keep && !has_close(value, (size_t) (end - value));
}

/* Bytes up to and with the empty line, 0 if there is none; each line ends in CR LF. */
static size_t
head_length(const char *buf, size_t len)
{
	const char *found = memmem(buf, len, "\r\n\r\n", 4);

	return found != NULL ? (size_t) (found - buf) + 4 : 0;
}

static enum weft_metrics_request
verdict(const struct request *r)
{
	if (r->bad)
		return WEFT_METRICS_REQUEST_BAD;
	if (!r->version_known)
		return WEFT_METRICS_REQUEST_VERSION;
	if (!r->has_host)
		return WEFT_METRICS_REQUEST_BAD;
	if (r->body)
		return WEFT_METRICS_REQUEST_BODY;
	if (!r->path_metrics)
		return WEFT_METRICS_REQUEST_UNKNOWN;
	return r->method_get ? WEFT_METRICS_REQUEST_OK : WEFT_METRICS_REQUEST_METHOD;
}

enum weft_metrics_request
weft_metrics_parse_request(const char *buf, size_t len, size_t *ret_len, bool *ret_keep)
{
	struct request r = { 0 };
	size_t head = head_length(buf, MIN(len, WEFT_METRICS_REQUEST_MAX));
	const char *p = buf;
	const char *end = buf + head;
	unsigned n_hosts = 0;
	enum weft_metrics_request result;

	if (head == 0 && len < WEFT_METRICS_REQUEST_MAX)
		return WEFT_METRICS_REQUEST_PARTIAL;
	*ret_len = head != 0 ? head : len;
	*ret_keep = false;
	if (head == 0)
		return WEFT_METRICS_REQUEST_LARGE;
	for (unsigned line = 0; !r.bad; line++) {
		const char *stop = memmem(p, (size_t) (end - p), "\r\n", 2);

		if (stop == p)
			break;
		if (line == 0)
			parse_request_line(&r, p, (size_t) (stop - p));
		else
			parse_field(&r, p, (size_t) (stop - p), &n_hosts);
		p = stop + 2;
	}
	/* A request line must come first: an empty one in its place is refused. RFC 9112 3.2: one
	 * Host, not several. */
	r.bad = r.bad || p == buf || n_hosts > 1;
	r.has_host = r.has_host || n_hosts == 1;
	result = verdict(&r);
	/* Where the end of the request is in doubt nothing may follow; nor the answer's body where
	 * another method (HEAD) makes the client expect none. */
	*ret_keep = r.keep && r.method_get && result != WEFT_METRICS_REQUEST_BAD &&
		    result != WEFT_METRICS_REQUEST_BODY && result != WEFT_METRICS_REQUEST_VERSION;
	return result;
}
