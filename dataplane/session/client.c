/* SPDX-License-Identifier: Apache-2.0 */
#include "session/client.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "media/proxy.h"
#include "session/caps.h"

/* The beginning of a head, while the rest is on its way. */
struct session_head {
	size_t n;
	uint8_t bytes[PROXY_V2_MAX];
};

/* ---- trust ---- */

/* proxy.trusted as ranges; made anew when its text has changed. */
static const struct cidr_set *trusted_by(const struct config *conf)
{
	static _Thread_local struct {
		char text[sizeof(((struct config *)0)->proxy_trusted)];
		struct cidr_set set;
	} known;
	char bad[64];

	if (strcmp(known.text, conf->proxy_trusted) != 0) {
		memcpy(known.text, conf->proxy_trusted, sizeof(known.text));
		cidr_set_parse(&known.set, known.text, bad, sizeof(bad));
	}
	return &known.set;
}

static bool holds(struct core *c, const struct ip *ip)
{
	return cidr_set_holds(trusted_by(engine_conf(c->engine)), ip);
}

bool client_is_trusted(struct core *c, const union net_addr *peer)
{
	struct ip ip = net_addr_ip(peer);

	return holds(c, &ip);
}

/* The peer is this one: counted where it belongs. */
static enum reason client_is(struct session *s, const struct ip *ip, uint16_t port)
{
	const struct config *conf = engine_conf(s->core->engine);
	union net_addr peer = net_addr_of(ip, port);
	bool trusted = holds(s->core, ip);
	enum reason why;

	caps_give(&s->conn->peer);
	s->capped = false;
	why = caps_take(&peer, conf->limit_connections, trusted ? 0 : conf->limit_per_address);
	s->conn->peer = peer;
	s->capped = why == REASON_NONE;
	s->behind_proxy = trusted;
	return why;
}

/* ---- PROXY protocol ---- */

static enum reason pass(struct session *s, const uint8_t *p, size_t n)
{
	if (s->tls) {
		net_secure(s->conn, p, n);
		return REASON_NONE;
	}
	return n && !s->closing && !s->close_when_sent ? s->ops->received(s, p, n) : REASON_NONE;
}

static enum reason head_over(struct session *s, const struct proxy_head *head)
{
	s->proxy_head_over = true;
	return head->known ? client_is(s, &head->from, head->from_port) : REASON_NONE;
}

static enum reason keep(struct session *s, const uint8_t *p, size_t n)
{
	must(!s->head && n < PROXY_V2_MAX);
	s->head = mem_resize(&s->mem, NULL, 0, sizeof(*s->head));
	if (!s->head)
		return REASON_NO_MEMORY;
	memcpy(s->head->bytes, p, n);
	s->head->n = n;
	return REASON_NONE;
}

/* All of it came at once, as it nearly always does. */
static enum reason head_at_once(struct session *s, const uint8_t *p, size_t n)
{
	struct proxy_head head;
	int taken = proxy_parse(p, n, &head);
	enum reason why = REASON_NONE;

	if (!taken)
		return keep(s, p, n);
	if (taken < 0) {
		s->proxy_head_over = true;
		return pass(s, p, n);
	}
	why = head_over(s, &head);
	return why == REASON_NONE ? pass(s, p + taken, n - (size_t)taken) : why;
}

enum reason client_head(struct session *s, const uint8_t *p, size_t n)
{
	struct session_head *kept = s->head;
	struct proxy_head head;
	enum reason why = REASON_NONE;
	size_t before, more;
	int taken;

	if (!kept)
		return head_at_once(s, p, n);
	before = kept->n;
	more = min_of(n, sizeof(kept->bytes) - before);
	memcpy(kept->bytes + before, p, more);
	kept->n += more;
	taken = proxy_parse(kept->bytes, kept->n, &head);
	if (!taken && more == n)
		return REASON_NONE;
	if (taken > 0) {
		why = head_over(s, &head);
		more = (size_t)taken - before;
	} else { /* it only looked like one */
		s->proxy_head_over = true;
		why = pass(s, kept->bytes, kept->n);
	}
	client_free(s);
	return why == REASON_NONE ? pass(s, p + more, n - more) : why;
}

void client_free(struct session *s)
{
	if (s->head)
		mem_free(&s->mem, s->head, sizeof(*s->head));
	s->head = NULL;
}

/* ---- HTTP ---- */

static struct slice trim(struct slice t)
{
	while (t.n && (t.p[0] == ' ' || t.p[0] == '\t')) {
		t.p++;
		t.n--;
	}
	while (t.n && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	return t;
}

/* "10.0.0.1", "10.0.0.1:8080", "fe80::1", "[fe80::1]", "[fe80::1]:8080". */
static bool address_of(struct slice t, struct ip *out)
{
	const uint8_t *colon, *end;

	t = trim(t);
	if (!t.n)
		return false;
	if (t.p[0] == '[') {
		end = memchr(t.p, ']', t.n);
		return end && !ip_parse(out, (const char *)t.p + 1, (size_t)(end - t.p) - 1);
	}
	colon = memchr(t.p, ':', t.n);
	if (colon && !memchr(colon + 1, ':', t.n - (size_t)(colon + 1 - t.p)))
		t.n = (size_t)(colon - t.p);
	return !ip_parse(out, (const char *)t.p, t.n);
}

/* Goes from the nearest address to farther ones; false: the search is over. */
static bool step(struct core *c, struct slice one, struct ip *best, bool *found)
{
	struct ip ip;

	if (!address_of(one, &ip))
		return false;
	*best = ip;
	*found = true;
	return holds(c, &ip);
}

static bool search(struct core *c, struct slice list, struct ip *best, bool *found)
{
	size_t end = list.n;

	for (;;) {
		const uint8_t *comma = end ? memrchr(list.p, ',', end) : NULL;
		size_t from = comma ? (size_t)(comma - list.p) + 1 : 0;

		if (!step(c, (struct slice){list.p + from, end - from}, best, found))
			return false;
		if (!comma)
			return true;
		end = from - 1;
	}
}

static bool is_named(const struct http_header *h, const char *name)
{
	return h->name.n == strlen(name) && !strncasecmp((const char *)h->name.p, name, h->name.n);
}

enum reason client_forwarded(struct session *s, const struct http_head *head)
{
	struct slice real = http_header_get(head, "X-Real-IP");
	bool found = false, listed = false, on = true;
	struct ip ip;

	if (!s->behind_proxy)
		return REASON_NONE;
	for (unsigned i = head->headers_n; on && i-- > 0;) {
		if (!is_named(&head->headers[i], "X-Forwarded-For"))
			continue;
		listed = true;
		on = search(s->core, head->headers[i].value, &ip, &found);
	}
	if (!listed && real.p)
		found = address_of(real, &ip);
	return found ? client_is(s, &ip, 0) : REASON_NONE;
}
