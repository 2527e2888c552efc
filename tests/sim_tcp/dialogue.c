/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_tcp/dialogue.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/tcp/tcp.h"
#include "sim_tcp/wire.h"

#define START_US     5000000ull
#define TOLERANCE_US 20000
#define PORT	     1935
#define PEER_PORT    40000
#define PEER_ISN     1000000u
#define QUEUE	     512
#define BYTES	     (1u << 20)

struct sent {
	uint64_t at_us;
	size_t n;
	uint8_t packet[WIRE_BYTES];
};

struct told {
	char verb[16];
	uint64_t n;
};

struct dialogue {
	struct tcp_config cf;
	struct tcp *t;
	void *mem;
	struct tcp_conn *c;
	uint64_t now_us, line_us;
	uint32_t isn; /* the stack's, once it has sent a SYN */
	bool isn_known;
	uint32_t last_ts;
	struct sent *sent;
	unsigned sent_first, sent_n;
	bool refuses;
	struct told told[QUEUE];
	unsigned told_first, told_n;
	uint64_t written;
	uint8_t *bytes;
	char *err;
	size_t err_n;
	int line;
};

__attribute__((format(printf, 2, 3))) static int fail(struct dialogue *d, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(d->err, d->err_n, "line %d: ", d->line);

	va_start(ap, fmt);
	vsnprintf(d->err + n, d->err_n - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- the owner ---- */

static void tell(struct dialogue *d, const char *verb, uint64_t n)
{
	struct told *last = d->told_n > d->told_first ? &d->told[d->told_n - 1] : NULL;

	/* Bytes that come or are acknowledged one after the other are told together. */
	if (last && !strcmp(last->verb, verb) && n) {
		last->n += n;
		return;
	}
	must(d->told_n < QUEUE);
	snprintf(d->told[d->told_n].verb, sizeof(last->verb), "%s", verb);
	d->told[d->told_n++].n = n;
}

static void keep_packet(void *arg, uint8_t *packet, size_t n)
{
	struct dialogue *d = arg;
	struct tcp_seg g;
	struct sent *s = &d->sent[d->sent_n++];

	must(d->sent_n < QUEUE && !tcp_seg_parse(&g, packet, n, false));
	s->at_us = d->now_us;
	s->n = n;
	memcpy(s->packet, packet, n);
	if (g.flags & TCP_SYN) {
		d->isn = g.seq;
		d->isn_known = true;
	}
	if (g.has_ts)
		d->last_ts = g.tsval;
	if (getenv("SIM_TOLD"))
		wire_print("stack", (double)(d->now_us - START_US) / 1e6, packet, n);
}

static void on_emit(void *owner, const struct tcp_packet *p)
{
	wire_send(p, keep_packet, owner);
}

static bool on_accepted(void *owner, struct tcp_conn *c, int tag)
{
	struct dialogue *d = owner;

	if (d->refuses)
		return false;
	d->c = c;
	tell(d, "accepted", 0);
	return true;
}

static void on_connected(void *owner, struct tcp_conn *c)
{
	tell(owner, "connected", 0);
}

static void on_received(void *owner, struct tcp_conn *c, const uint8_t *p, size_t n)
{
	tell(owner, "received", n);
}

static void on_acked(void *owner, struct tcp_conn *c, uint32_t n)
{
	tell(owner, "acked", n);
}

static void on_writable(void *owner, struct tcp_conn *c)
{
	tell(owner, "writable", 0);
}

static void on_peer_closed(void *owner, struct tcp_conn *c)
{
	tell(owner, "peer_closed", 0);
}

static void on_ended(void *owner, struct tcp_conn *c, enum tcp_end why)
{
	static const char *const words[] = {"done",    "aborted",     "reset",	 "refused",
					    "timeout", "unreachable", "log_gone"};
	struct dialogue *d = owner;

	d->c = NULL;
	tell(d, words[why], 0);
}

static const struct tcp_ops ops = {
	.emit = on_emit,
	.accepted = on_accepted,
	.connected = on_connected,
	.received = on_received,
	.acked = on_acked,
	.writable = on_writable,
	.peer_closed = on_peer_closed,
	.ended = on_ended,
};

static struct ip address(const char *text)
{
	struct ip ip;

	must(!ip_parse(&ip, text, strlen(text)));
	return ip;
}

static void start(struct dialogue *d)
{
	d->cf.local[0] = address("10.0.0.1");
	d->cf.locals = 1;
	d->cf.conns_max = 8;
	d->cf.tw_max = 16;
	if (!d->cf.mtu)
		d->cf.mtu = 1500;
	if (!d->cf.recv_window)
		d->cf.recv_window = 65535;
	memset(d->cf.key, 7, sizeof(d->cf.key));
	d->mem = aligned_alloc(64, (tcp_bytes(&d->cf) + 63) & ~(size_t)63);
	must(d->mem);
	d->t = tcp_init(d->mem, &d->cf, &ops, d, d->now_us);
}

/* ---- time ---- */

static void settle(struct dialogue *d)
{
	while (tcp_turn(d->t, d->now_us))
		;
	tcp_check_all(d->t);
}

static void run_to(struct dialogue *d, uint64_t until_us)
{
	uint64_t next;

	settle(d);
	while ((next = tcp_next(d->t, d->now_us)) <= until_us) {
		d->now_us = max_of(d->now_us, next);
		settle(d);
	}
	d->now_us = max_of(d->now_us, until_us);
}

/* Until the stack has sent something, or told the owner; timers may be a slot of the wheel late. */
static void run_until_news(struct dialogue *d, bool packet)
{
	uint64_t limit = d->line_us + TOLERANCE_US, next;

	run_to(d, d->line_us);
	while (packet ? d->sent_first == d->sent_n : d->told_first == d->told_n) {
		next = tcp_next(d->t, d->now_us);
		if (next > limit)
			return;
		run_to(d, max_of(next, d->now_us));
	}
}

/* ---- segments as text ---- */

struct words {
	char *at;
};

static const char *next_word(struct words *w)
{
	char *p = w->at + strspn(w->at, " \t"), *end;

	if (!*p || *p == '#')
		return NULL;
	end = p + strcspn(p, " \t\n,");
	w->at = *end ? end + 1 : end;
	*end = 0;
	return p;
}

static uint32_t number(const char *p)
{
	return p ? (uint32_t)strtoul(p, NULL, 0) : 0;
}

/* What a line says about a segment; relative numbers. */
struct line_seg {
	struct tcp_seg g;
	uint32_t end;
	bool has_ack, has_wnd, tsecr_last, any_ts, no_sack;
};

static int parse_options(struct dialogue *d, struct line_seg *l, char *text)
{
	struct words w = {text};
	const char *p;

	while ((p = next_word(&w))) {
		if (!strcmp(p, "mss")) {
			l->g.mss = (uint16_t)number(next_word(&w));
		} else if (!strcmp(p, "sackOK")) {
			l->g.sack_ok = true;
		} else if (!strcmp(p, "wscale")) {
			l->g.wscale = (uint8_t)number(next_word(&w));
		} else if (!strcmp(p, "TS")) {
			const char *val = next_word(&w), *ecr = next_word(&w);

			l->g.has_ts = true;
			l->any_ts = val && !strcmp(val, "any");
			l->g.tsval = number(val);
			l->tsecr_last = ecr && !strcmp(ecr, "last");
			l->g.tsecr = number(ecr);
		} else if (!strcmp(p, "sack")) {
			l->no_sack = true;
		} else if (strchr(p, ':') && l->g.sacks < TCP_SACKS) {
			l->no_sack = false;
			l->g.sack[l->g.sacks++] =
				(struct tcp_sack){number(p), number(strchr(p, ':') + 1)};
		} else if (strcmp(p, "nop")) {
			return fail(d, "option %s?", p);
		}
	}
	return 0;
}

static int parse_segment(struct dialogue *d, struct line_seg *l, char *text)
{
	char *open = strchr(text, '<'), *close = open ? strchr(open, '>') : NULL;
	static const char letters[] = "FSRP.";
	struct words w = {text};
	const char *p;

	*l = (struct line_seg){.g = {.wscale = TCP_NO_WSCALE, .ttl = 64, .wnd = 65535}};
	if (open && !close)
		return fail(d, "options without end");
	if (open) {
		*open = *close = 0;
		if (parse_options(d, l, open + 1))
			return -1;
	}
	for (p = next_word(&w); p && *p; p++) {
		if (!strchr(letters, *p))
			return fail(d, "flag %c?", *p);
		l->g.flags |= (uint8_t)(1 << (strchr(letters, *p) - letters));
	}
	p = next_word(&w);
	if (!p || !strchr(p, ':') || !strchr(p, '('))
		return fail(d, "SEQ:END(LEN) is missing");
	l->g.seq = number(p);
	l->end = number(strchr(p, ':') + 1);
	l->g.data.n = number(strchr(p, '(') + 1);
	if (l->end - l->g.seq != l->g.data.n)
		return fail(d, "the length does not fit");
	while ((p = next_word(&w))) {
		if (!strcmp(p, "ack")) {
			l->has_ack = true;
			l->g.ack = number(next_word(&w));
		} else if (!strcmp(p, "win")) {
			l->has_wnd = true;
			l->g.wnd = (uint16_t)number(next_word(&w));
		} else {
			return fail(d, "%s?", p);
		}
	}
	return 0;
}

static int peer_sends(struct dialogue *d, char *text)
{
	uint8_t packet[WIRE_BYTES];
	struct line_seg l;

	if (parse_segment(d, &l, text))
		return -1;
	if (d->sent_first != d->sent_n)
		return fail(d, "the stack has sent something that is not expected");
	l.g.src = address("10.0.0.2");
	l.g.dst = address("10.0.0.1");
	l.g.sport = PEER_PORT;
	l.g.dport = PORT;
	l.g.seq += PEER_ISN;
	if (l.has_ack)
		l.g.ack += d->isn;
	for (unsigned i = 0; i < l.g.sacks; i++) {
		l.g.sack[i].start += d->isn;
		l.g.sack[i].end += d->isn;
	}
	if (l.tsecr_last)
		l.g.tsecr = d->last_ts;
	l.g.data.p = d->bytes;
	if (getenv("SIM_TOLD")) {
		size_t n = wire_build(packet, &l.g);

		wire_print("peer", (double)(d->now_us - START_US) / 1e6, packet, n);
	}
	tcp_input(d->t, packet, wire_build(packet, &l.g), false, d->now_us);
	settle(d);
	return 0;
}

static int same_options(struct dialogue *d, const struct line_seg *l, const struct tcp_seg *g)
{
	const struct tcp_seg *want = &l->g;

	if (want->mss && want->mss != g->mss)
		return fail(d, "mss is %u", g->mss);
	if (want->wscale != TCP_NO_WSCALE && want->wscale != g->wscale)
		return fail(d, "wscale is %u", g->wscale);
	if (want->sack_ok && !g->sack_ok)
		return fail(d, "no sackOK");
	if (want->has_ts &&
	    (!g->has_ts || (!l->any_ts && g->tsval != want->tsval) || g->tsecr != want->tsecr))
		return fail(d, "TS is %d: %u %u", g->has_ts, g->tsval, g->tsecr);
	if ((want->sacks || l->no_sack) && want->sacks != g->sacks)
		return fail(d, "%u SACK blocks", g->sacks);
	for (unsigned i = 0; i < want->sacks; i++)
		if (g->sack[i].start - PEER_ISN != want->sack[i].start ||
		    g->sack[i].end - PEER_ISN != want->sack[i].end)
			return fail(d, "SACK block %u is %u:%u", i, g->sack[i].start - PEER_ISN,
				    g->sack[i].end - PEER_ISN);
	return 0;
}

static int stack_sent(struct dialogue *d, char *text)
{
	struct line_seg l;
	struct tcp_seg g;
	const struct sent *s = &d->sent[d->sent_first];

	if (parse_segment(d, &l, text))
		return -1;
	if (d->sent_first == d->sent_n)
		return fail(d, "the stack has not sent it");
	d->sent_first++;
	must(!tcp_seg_parse(&g, s->packet, s->n, false));
	if (s->at_us + TOLERANCE_US < d->line_us || s->at_us > d->line_us + TOLERANCE_US)
		return fail(d, "sent at %.6f", (double)(s->at_us - START_US) / 1e6);
	/* An RST to a segment that belongs to nobody has the number that was acknowledged. */
	g.seq -= d->isn;
	if (g.flags != l.g.flags || g.seq != l.g.seq || g.data.n != l.g.data.n ||
	    (l.has_ack && g.ack - PEER_ISN != l.g.ack) || (l.has_wnd && g.wnd != l.g.wnd))
		return fail(d, "it was %s%s%s%s%s %u:%u(%zu) ack %u win %u",
			    g.flags & TCP_FIN ? "F" : "", g.flags & TCP_SYN ? "S" : "",
			    g.flags & TCP_RST ? "R" : "", g.flags & TCP_PSH ? "P" : "",
			    g.flags & TCP_ACK ? "." : "", g.seq, g.seq + (uint32_t)g.data.n,
			    g.data.n, g.ack - PEER_ISN, g.wnd);
	return same_options(d, &l, &g);
}

/* ---- the other verbs ---- */

static int owner_writes(struct dialogue *d, struct words *w)
{
	struct tcp_range r = {.n = number(next_word(w))};
	const char *most = next_word(w);
	uint32_t want = most ? number(most) : r.n, n;

	if (!d->c)
		return fail(d, "no connection");
	r.at = (uint64_t)(uintptr_t)(d->bytes + d->written % (BYTES / 2));
	n = tcp_send(d->c, &r, 1, d->now_us);
	d->written += n;
	settle(d);
	return n == want ? 0 : fail(d, "it took %u", n);
}

static int owner_hears(struct dialogue *d, struct words *w)
{
	const char *verb = next_word(w), *n = next_word(w);
	const struct told *t = &d->told[d->told_first];

	if (d->told_first == d->told_n)
		return fail(d, "the owner has heard nothing");
	d->told_first++;
	if (!verb || strcmp(verb, t->verb) || (n && number(n) != t->n))
		return fail(d, "the owner has heard %s %lu", t->verb, (unsigned long)t->n);
	return 0;
}

static int icmp(struct dialogue *d, struct words *w)
{
	uint8_t quote[TCP_HDR_MAX];
	struct tcp_seg g = {
		.src = address("10.0.0.1"),
		.dst = address("10.0.0.2"),
		.sport = PORT,
		.dport = PEER_PORT,
		.ttl = 60,
		.wscale = TCP_NO_WSCALE,
	};
	const char *what = next_word(w);
	uint32_t mtu = what && !strcmp(what, "mtu") ? number(next_word(w)) : 0;
	unsigned l3;

	next_word(w);
	g.seq = d->isn + number(next_word(w));
	tcp_hdr_write(quote, &g, 1000, 0, &l3);
	tcp_icmp(d->t, quote, l3 + 8, mtu, !mtu, d->now_us);
	settle(d);
	return 0;
}

static int where(struct dialogue *d, struct words *w)
{
	const char *name = next_word(w), *op = next_word(w);
	uint32_t want = number(next_word(w)), is;
	struct tcp_info i;

	if (!d->c || !name || !op)
		return fail(d, "no connection, or words are missing");
	tcp_info(d->c, &i);
	is = !strcmp(name, "cwnd")	 ? i.cwnd
	     : !strcmp(name, "ssthresh") ? i.ssthresh
	     : !strcmp(name, "flight")	 ? i.flight
	     : !strcmp(name, "mss")	 ? i.mss
	     : !strcmp(name, "rto_ms")	 ? i.rto_us / 1000
	     : !strcmp(name, "snd_wnd")	 ? i.snd_wnd
					 : UINT32_MAX;
	if (*op == '=' ? is == want : *op == '<' ? is < want : is > want)
		return 0;
	return fail(d, "%s is %u", name, is);
}

static int set_config(struct dialogue *d, struct words *w)
{
	const char *name = next_word(w);
	uint32_t v = number(next_word(w));

	if (!name || d->t)
		return fail(d, "set stands first");
	if (!strcmp(name, "no_rack"))
		d->cf.no_rack = v;
	else if (!strcmp(name, "mtu"))
		d->cf.mtu = (uint16_t)v;
	else if (!strcmp(name, "recv_window"))
		d->cf.recv_window = v;
	else if (!strcmp(name, "blocks"))
		d->cf.blocks_max = v;
	else if (!strcmp(name, "user_timeout_ms"))
		d->cf.user_timeout_ms = v;
	else if (!strcmp(name, "keep_idle_ms"))
		d->cf.keep_idle_ms = v;
	else if (!strcmp(name, "refuse"))
		d->refuses = v;
	else if (!strcmp(name, "fin_wait_ms"))
		d->cf.fin_wait_ms = v;
	else
		return fail(d, "set %s?", name);
	return 0;
}

static int act(struct dialogue *d, const char *verb, struct words *w)
{
	struct ip here = address("10.0.0.1"), there = address("10.0.0.2");

	if (!strcmp(verb, "listen"))
		return tcp_listen(d->t, PORT, 1) ? fail(d, "cannot listen") : 0;
	if (!strcmp(verb, "connect")) {
		d->c = tcp_connect(d->t, &here, PORT, &there, PEER_PORT, NULL, d->now_us);
		return d->c ? 0 : fail(d, "cannot connect");
	}
	if (!strcmp(verb, "quiet"))
		return d->sent_first == d->sent_n ? 0 : fail(d, "the stack has sent something");
	if (!strcmp(verb, "write"))
		return owner_writes(d, w);
	if (!strcmp(verb, "tell"))
		return owner_hears(d, w);
	if (!strcmp(verb, "icmp"))
		return icmp(d, w);
	if (!strcmp(verb, "where"))
		return where(d, w);
	if (!d->c)
		return fail(d, "no connection");
	if (!strcmp(verb, "shutdown"))
		tcp_shutdown(d->c, d->now_us);
	else if (!strcmp(verb, "close"))
		tcp_close(d->c, d->now_us);
	else if (!strcmp(verb, "abort"))
		tcp_abort(d->c, d->now_us);
	else
		return fail(d, "%s?", verb);
	settle(d);
	return 0;
}

static int play_line(struct dialogue *d, char *text)
{
	struct words w = {text};
	const char *word = next_word(&w);
	double at;

	if (!word)
		return 0;
	if (!strcmp(word, "set"))
		return set_config(d, &w);
	if (!d->t)
		start(d);
	at = strtod(word, NULL) * 1e6;
	d->line_us = (*word == '+' ? d->line_us : START_US) + (uint64_t)(at + 0.5);
	word = next_word(&w);
	if (!word)
		return fail(d, "nothing to do");
	if (*word == '>' || !strcmp(word, "tell"))
		run_until_news(d, *word == '>');
	else
		run_to(d, d->line_us);
	if (*word == '<')
		return peer_sends(d, w.at);
	if (*word == '>')
		return stack_sent(d, w.at);
	return act(d, word, &w);
}

int dialogue_play(const char *path, char *err, size_t n)
{
	struct dialogue *d = calloc(1, sizeof(*d));
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	int rc = 0;

	must(d);
	*d = (struct dialogue){.now_us = START_US, .line_us = START_US, .err = err, .err_n = n};
	d->cf.blocks_max = 64;
	d->sent = calloc(QUEUE, sizeof(*d->sent));
	d->bytes = calloc(1, BYTES);
	must(d->sent && d->bytes);
	if (!f)
		rc = fail(d, "%s: %s", path, strerror(errno));
	while (!rc && getline(&line, &room, f) > 0) {
		d->line++;
		line[strcspn(line, "#\n")] = 0;
		rc = play_line(d, line);
	}
	if (!rc && d->sent_first != d->sent_n)
		rc = fail(d, "at the end the stack has sent more than was expected");
	if (!rc && d->told_first != d->told_n)
		rc = fail(d, "at the end the owner has heard %s", d->told[d->told_first].verb);
	if (f)
		fclose(f);
	free(line);
	free(d->sent);
	free(d->bytes);
	free(d->mem);
	free(d);
	return rc;
}
