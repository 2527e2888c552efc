/* SPDX-License-Identifier: Apache-2.0 */
#include "media/http_in.h"

#include <errno.h>
#include <strings.h>

#include "base/check.h"

#define CHUNK_LINE_MAX	  4096 /* bytes of a chunk's size line, or of the trailer */
#define CHUNK_SIZE_DIGITS 15   /* so that a size cannot overflow */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2. */
static bool is_token_char(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static bool slice_is_nocase(struct slice s, const char *text)
{
	return s.n == strlen(text) && !strncasecmp((const char *)s.p, text, s.n);
}

/* Everything before the next `c`, which is skipped; false where there is none. */
static bool take_until(struct slice *s, uint8_t c, struct slice *out)
{
	const uint8_t *at = s->n ? memchr(s->p, c, s->n) : NULL;

	if (!at)
		return false;
	*out = (struct slice){s->p, (size_t)(at - s->p)};
	s->n -= out->n + 1;
	s->p = at + 1;
	return true;
}

/* A line without its CR LF, or LF alone. */
static bool take_line(struct slice *s, struct slice *line)
{
	if (!take_until(s, '\n', line))
		return false;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_token_char(s.p[i]))
			return false;
	}
	return s.n > 0;
}

static struct slice trimmed(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Next element of a comma-separated list; false at its end. */
static bool take_element(struct slice *list, struct slice *element)
{
	if (!list->n)
		return false;
	if (!take_until(list, ',', element)) {
		*element = *list;
		list->n = 0;
	}
	*element = trimmed(*element);
	return true;
}

static bool parse_version(struct slice s, struct http_head *out)
{
	if (s.n != 8 || memcmp(s.p, "HTTP/1.", 7) || !is_digit(s.p[7]))
		return false;
	out->minor = (uint8_t)(s.p[7] - '0');
	out->close = out->minor == 0;
	return true;
}

static enum http_method method_of(struct slice s)
{
	static const struct {
		const char *text;
		enum http_method method;
	} methods[] = {
		{"GET", HTTP_GET},
		{"HEAD", HTTP_HEAD},
		{"OPTIONS", HTTP_OPTIONS},
		{"POST", HTTP_POST},
	};

	for (size_t i = 0; i < array_len(methods); i++) {
		if (s.n == strlen(methods[i].text) && !memcmp(s.p, methods[i].text, s.n))
			return methods[i].method;
	}
	return HTTP_OTHER;
}

static bool parse_request_line(struct slice line, struct http_head *out)
{
	if (!take_until(&line, ' ', &out->method_text) || !take_until(&line, ' ', &out->target) ||
	    !is_token(out->method_text) || !out->target.n || !parse_version(line, out))
		return false;
	for (size_t i = 0; i < out->target.n; i++) {
		if (is_control(out->target.p[i]))
			return false;
	}
	out->method = method_of(out->method_text);
	return true;
}

static bool parse_status_line(struct slice line, struct http_head *out)
{
	struct slice version, s;

	if (!take_until(&line, ' ', &version) || !parse_version(version, out))
		return false;
	s = line;
	if (s.n < 3 || !is_digit(s.p[0]) || !is_digit(s.p[1]) || !is_digit(s.p[2]) ||
	    (s.n > 3 && s.p[3] != ' '))
		return false;
	out->status = (uint16_t)((s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0'));
	return out->status >= 100 && out->status <= 599;
}

static bool parse_content_length(struct slice value, struct http_head *out)
{
	int64_t v = 0;

	if (!value.n)
		return false;
	for (size_t i = 0; i < value.n; i++) {
		if (!is_digit(value.p[i]) || v > (INT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (value.p[i] - '0');
	}
	if (out->content_length >= 0 && out->content_length != v)
		return false;
	out->content_length = v;
	return true;
}

/* Only the chunked coding, and only once: anything else would be bytes that we cannot read. */
static bool parse_transfer_encoding(struct slice value, struct http_head *out)
{
	struct slice coding;

	while (take_element(&value, &coding)) {
		if (slice_is_nocase(coding, "chunked") && !out->chunked)
			out->chunked = true;
		else if (coding.n && !slice_is_nocase(coding, "identity"))
			return false;
	}
	return true;
}

static void parse_connection(struct slice value, struct http_head *out)
{
	struct slice option;

	while (take_element(&value, &option)) {
		if (slice_is_nocase(option, "close"))
			out->close = true;
		else if (slice_is_nocase(option, "keep-alive") && out->minor == 0)
			out->close = false;
	}
}

static bool parse_header(struct slice line, struct http_head *out)
{
	struct http_header h;

	if (!take_until(&line, ':', &h.name) || !is_token(h.name) ||
	    out->headers_n == HTTP_HEADERS_MAX)
		return false;
	h.value = trimmed(line);
	for (size_t i = 0; i < h.value.n; i++) {
		if (is_control(h.value.p[i]) && h.value.p[i] != '\t')
			return false;
	}
	out->headers[out->headers_n++] = h;
	if (slice_is_nocase(h.name, "content-length"))
		return parse_content_length(h.value, out);
	if (slice_is_nocase(h.name, "transfer-encoding"))
		return parse_transfer_encoding(h.value, out);
	if (slice_is_nocase(h.name, "connection"))
		parse_connection(h.value, out);
	return true;
}

static int parse_head(const uint8_t *p, size_t n, struct http_head *out,
		      bool (*first_line)(struct slice, struct http_head *))
{
	struct slice left = {p, n}, line;

	/* Not cleared as a whole: headers[] is large and valid up to headers_n only. */
	memset(out, 0, offsetof(struct http_head, headers));
	out->content_length = -1;
	if (!take_line(&left, &line))
		return 0;
	/* RFC 9112, 2.2: one empty line before the first one is forgiven. */
	if (!line.n && !take_line(&left, &line))
		return 0;
	if (!first_line(line, out))
		return -EINVAL;
	for (;;) {
		if (!take_line(&left, &line))
			return 0;
		if (!line.n)
			return (int)(left.p - p);
		if (!parse_header(line, out))
			return -EINVAL;
	}
}

int http_request_parse(const uint8_t *p, size_t n, struct http_head *out)
{
	int took = parse_head(p, n, out, parse_request_line);

	if (took > 0 &&
	    (out->content_length > 0 || http_header_get(out, "transfer-encoding").p != NULL))
		return -EINVAL;
	return took;
}

int http_response_parse(const uint8_t *p, size_t n, struct http_head *out)
{
	int took = parse_head(p, n, out, parse_status_line);

	/* RFC 9112, 6.3: two ways to find the end of the body are an attack or a bug. */
	if (took > 0 && out->chunked && out->content_length >= 0)
		return -EINVAL;
	return took;
}

struct slice http_header_get(const struct http_head *h, const char *name)
{
	for (unsigned i = 0; i < h->headers_n; i++) {
		if (slice_is_nocase(h->headers[i].name, name))
			return h->headers[i].value;
	}
	return (struct slice){NULL, 0};
}

/*
 *   size --LF--> data --all--> data end --LF--> size
 *   size 0 --LF--> trailer --empty line--> over
 */
enum chunk_state {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_DATA,
	CHUNK_DATA_END,
	CHUNK_TRAILER,
	CHUNK_OVER
};

void http_chunked_init(struct http_chunked *c)
{
	*c = (struct http_chunked){.state = CHUNK_SIZE};
}

static int hex_digit(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void chunk_state_set(struct http_chunked *c, enum chunk_state state)
{
	c->state = (uint8_t)state;
	c->line_n = 0;
}

/* The size line is over. */
static void chunk_begin(struct http_chunked *c)
{
	chunk_state_set(c, c->left ? CHUNK_DATA : CHUNK_TRAILER);
	c->at_line_start = true;
}

static int chunk_size_byte(struct http_chunked *c, uint8_t b)
{
	int digit = hex_digit(b);

	if (digit >= 0) {
		c->left = c->left << 4 | (unsigned)digit;
		return ++c->line_n > CHUNK_SIZE_DIGITS ? -EINVAL : 0;
	}
	if (!c->line_n)
		return -EINVAL;
	if (b == '\n')
		chunk_begin(c);
	else if (b == '\r' || b == ';' || b == ' ' || b == '\t')
		c->state = CHUNK_EXTENSION;
	else
		return -EINVAL;
	return 0;
}

/* A byte of framing: everything but chunk data. */
static int chunk_frame_byte(struct http_chunked *c, uint8_t b)
{
	switch ((enum chunk_state)c->state) {
	case CHUNK_SIZE:
		return chunk_size_byte(c, b);
	case CHUNK_EXTENSION:
		if (b == '\n')
			chunk_begin(c);
		return ++c->line_n > CHUNK_LINE_MAX ? -EINVAL : 0;
	case CHUNK_DATA_END:
		if (b == '\n')
			chunk_state_set(c, CHUNK_SIZE);
		else if (b != '\r' || c->line_n++)
			return -EINVAL;
		return 0;
	case CHUNK_TRAILER:
		if (b == '\n' && c->at_line_start)
			chunk_state_set(c, CHUNK_OVER);
		else if (b != '\r')
			c->at_line_start = b == '\n';
		return ++c->line_n > CHUNK_LINE_MAX ? -EINVAL : 0;
	case CHUNK_DATA:
	case CHUNK_OVER:
		break;
	}
	return -EINVAL;
}

int http_chunked_feed(struct http_chunked *c, const uint8_t *p, size_t n, struct slice *out,
		      bool *end)
{
	size_t off = 0;

	*out = (struct slice){p, 0};
	*end = false;
	n = min_of(n, (size_t)INT32_MAX);
	while (off < n && c->state != CHUNK_DATA) {
		if (chunk_frame_byte(c, p[off]) < 0)
			return -EINVAL;
		off++;
		if (c->state == CHUNK_OVER) {
			*end = true;
			return (int)off;
		}
	}
	if (off < n) {
		*out = (struct slice){p + off, min_of(c->left, n - off)};
		c->left -= out->n;
		if (!c->left)
			chunk_state_set(c, CHUNK_DATA_END);
		off += out->n;
	}
	return (int)off;
}
