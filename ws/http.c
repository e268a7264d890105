/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/http.h"

#include <string.h>
#include <strings.h>

bool
ws_http_is(struct weft_ws_text text, const char *other)
{
	return text.len == strlen(other) && strncasecmp(text.p, other, text.len) == 0;
}

bool
ws_http_is_exact(struct weft_ws_text text, const char *other)
{
	return text.len == strlen(other) && memcmp(text.p, other, text.len) == 0;
}

bool
ws_http_text_safe(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char) *s <= ' ' || *s == 127)
			return false;
	return true;
}

enum ws_http_head
ws_http_head(struct ws_http_lines *ret, const char *buf, size_t len)
{
	const char *p = buf, *end = buf + len;

	for (;;) {
		const char *nl = memchr(p, '\n', (size_t) (end - p));

		if (nl == NULL)
			break;
		if (nl == buf || nl[-1] != '\r' || memchr(p, '\r', (size_t) (nl - p)) != nl - 1 ||
		    memchr(p, '\0', (size_t) (nl - p)) != NULL)
			return WS_HTTP_HEAD_BAD;
		if (nl - buf >= WEFT_WS_HEAD_MAX)
			return WS_HTTP_HEAD_LONG;
		if (nl - p == 1) {
			if (p == buf)
				return WS_HTTP_HEAD_BAD;
			*ret = (struct ws_http_lines){ .pos = buf,
						       .end = p,
						       .head_len = (size_t) (nl + 1 - buf) };
			return WS_HTTP_HEAD_OK;
		}
		p = nl + 1;
	}
	return len >= WEFT_WS_HEAD_MAX ? WS_HTTP_HEAD_LONG : WS_HTTP_HEAD_MORE;
}

/* The next line without its end. */
static bool
next_line(struct ws_http_lines *lines, struct weft_ws_text *ret)
{
	const char *nl = memchr(lines->pos, '\n', (size_t) (lines->end - lines->pos));

	if (nl == NULL)
		return false;
	*ret = (struct weft_ws_text){ lines->pos, (size_t) (nl - lines->pos) - 1 };
	lines->pos = nl + 1;
	return true;
}

/* Cuts the text up to the first blank off; false without one. */
static bool
take_word(struct weft_ws_text *line, struct weft_ws_text *ret)
{
	const char *blank = memchr(line->p, ' ', line->len);

	if (blank == NULL || blank == line->p)
		return false;
	*ret = (struct weft_ws_text){ line->p, (size_t) (blank - line->p) };
	line->p = blank + 1;
	line->len -= ret->len + 1;
	return true;
}

/* "HTTP/1." and one digit. */
static bool
is_http1(struct weft_ws_text version)
{
	return version.len == 8 && memcmp(version.p, "HTTP/1.", 7) == 0 && version.p[7] >= '0' &&
	       version.p[7] <= '9';
}

bool
ws_http_request_line(struct ws_http_lines *lines, struct ws_http_request_line *ret)
{
	struct weft_ws_text line;

	if (!next_line(lines, &line) || !take_word(&line, &ret->method) ||
	    !take_word(&line, &ret->target) || !is_http1(line))
		return false;
	for (size_t i = 0; i < ret->target.len; i++)
		if ((unsigned char) ret->target.p[i] <= ' ' ||
		    (unsigned char) ret->target.p[i] >= 127)
			return false;
	ret->http11 = line.p[7] >= '1';
	return true;
}

unsigned
ws_http_status_line(struct ws_http_lines *lines)
{
	struct weft_ws_text line, version;
	unsigned status = 0;

	if (!next_line(lines, &line) || !take_word(&line, &version) || !is_http1(version) ||
	    line.len < 3 || (line.len > 3 && line.p[3] != ' '))
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return 0;
		status = status * 10 + (unsigned) (line.p[i] - '0');
	}
	return status >= 100 ? status : 0;
}

static bool
is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct weft_ws_text
trim(struct weft_ws_text t)
{
	while (t.len > 0 && is_blank(t.p[0])) {
		t.p++;
		t.len--;
	}
	while (t.len > 0 && is_blank(t.p[t.len - 1]))
		t.len--;
	return t;
}

bool
ws_http_next_field(struct ws_http_lines *lines,
		   struct weft_ws_text *ret_name,
		   struct weft_ws_text *ret_value)
{
	struct weft_ws_text line;
	const char *colon;

	if (lines->bad || !next_line(lines, &line))
		return false;
	colon = memchr(line.p, ':', line.len);
	/* Folded lines and blanks before the colon are refused (RFC 9112 section 5). */
	if (colon == NULL || colon == line.p) {
		lines->bad = true;
		return false;
	}
	*ret_name = (struct weft_ws_text){ line.p, (size_t) (colon - line.p) };
	for (size_t i = 0; i < ret_name->len; i++)
		if (!is_token_char((unsigned char) ret_name->p[i])) {
			lines->bad = true;
			return false;
		}
	*ret_value = trim((struct weft_ws_text){ colon + 1, line.len - ret_name->len - 1 });
	return true;
}

bool
ws_http_list_has(struct weft_ws_text list, const char *token, bool any_case)
{
	while (list.p != NULL && list.len > 0) {
		const char *comma = memchr(list.p, ',', list.len);
		size_t n = comma != NULL ? (size_t) (comma - list.p) : list.len;
		struct weft_ws_text item = trim((struct weft_ws_text){ list.p, n });

		if (any_case ? ws_http_is(item, token) : ws_http_is_exact(item, token))
			return true;
		if (comma == NULL)
			break;
		list.p += n + 1;
		list.len -= n + 1;
	}
	return false;
}
