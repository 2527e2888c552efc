/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/check.h"
#include "base/cidr.h"
#include "base/log.h"
#include "bpf/guard.h"

#define V4_BITS	    96 /* of a mapped IPv4 address that are not the address */
#define ENTRIES_MAX 65536

struct entry {
	struct cidr range;
	enum guard_verdict verdict;
};

/* A growing array of entries, a range at most once. */
struct list {
	struct entry *e;
	size_t n, max;
};

struct guard {
	struct bpf_guard *bpf; /* NULL: off */
	struct list configured, operators;
	char trouble[400], path[1100];
};

/* ---- ranges -------------------------------------------------------------------------------- */

static void range_text(char dst[INET6_ADDRSTRLEN + 4], const struct cidr *r)
{
	bool v4 = ip_is_v4(&r->net) && r->bits >= V4_BITS;
	size_t n;

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? r->net.b + 12 : r->net.b, dst, INET6_ADDRSTRLEN);
	n = strlen(dst);
	snprintf(dst + n, INET6_ADDRSTRLEN + 4 - n, "/%u", r->bits - (v4 ? V4_BITS : 0u));
}

static bool same_range(const struct cidr *a, const struct cidr *b)
{
	return a->bits == b->bits && cidr_holds(a, &b->net);
}

static struct entry *find(const struct list *l, const struct cidr *r)
{
	for (size_t i = 0; i < l->n; i++)
		if (same_range(&l->e[i].range, r))
			return &l->e[i];
	return NULL;
}

/* false: full. */
static bool put(struct list *l, const struct cidr *r, enum guard_verdict v)
{
	struct entry *e = find(l, r);

	if (e) {
		e->verdict = v;
		return true;
	}
	if (l->n == ENTRIES_MAX)
		return false;
	if (l->n == l->max) {
		l->max = l->max ? l->max * 2 : 16;
		l->e = realloc(l->e, l->max * sizeof(*l->e));
		must(l->e);
	}
	l->e[l->n++] = (struct entry){*r, v};
	return true;
}

static bool take(struct list *l, const struct cidr *r)
{
	struct entry *e = find(l, r);

	if (!e)
		return false;
	*e = l->e[--l->n];
	return true;
}

/* What is true for the range now goes into the kernel. */
static void apply(struct guard *g, const struct cidr *r)
{
	const struct entry *e = find(&g->operators, r);
	bool v4 = ip_is_v4(&r->net) && r->bits >= V4_BITS;
	const uint8_t *addr = v4 ? r->net.b + 12 : r->net.b;
	unsigned bits = r->bits - (v4 ? V4_BITS : 0u);
	int family = v4 ? AF_INET : AF_INET6, rc;
	char text[INET6_ADDRSTRLEN + 4];

	if (!g->bpf)
		return;
	if (!e)
		e = find(&g->configured, r);
	rc = e ? bpf_guard_list(g->bpf, family, addr, bits, e->verdict)
	       : bpf_guard_unlist(g->bpf, family, addr, bits);
	range_text(text, r);
	if (rc && rc != -ENOENT)
		log_error("guard", "range=%s message=\"not listed\" errno=%d", text, -rc);
}

/* ---- configuration ------------------------------------------------------------------------- */

/* conf_check() has seen the text. */
static void add_ranges(struct list *to, const char *text, enum guard_verdict v)
{
	struct cidr_set set;
	char bad[64];

	if (cidr_set_parse(&set, text, bad, sizeof(bad)))
		return;
	for (unsigned i = 0; i < set.n; i++)
		put(to, &set.range[i], v);
}

/* Ports of "host:port host:port"; 0 is one that nobody knows before the listener is open. */
static void add_ports(struct bpf_guard_rules *r, const char *listen)
{
	char copy[1025], *rest = NULL;

	snprintf(copy, sizeof(copy), "%s", listen);
	for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
		const char *colon = strrchr(one, ':');
		int port = colon ? atoi(colon + 1) : 0;

		if (port > 0 && r->ports_n < GUARD_PORTS)
			r->ports[r->ports_n++] = (uint16_t)port;
	}
}

static int set_rules(struct guard *g, const struct config *conf)
{
	struct bpf_guard_rules r = {
		.only_listed = conf->guard_only_listed,
		.syn_per_s = (uint32_t)conf->guard_rate,
		.syn_burst = (uint32_t)conf->guard_burst,
	};

	add_ports(&r, conf->rtmp_listen);
	add_ports(&r, conf->http_listen);
	add_ports(&r, conf->rtmps_listen);
	add_ports(&r, conf->https_listen);
	/* None would mean every port, ssh's too. */
	return r.ports_n ? bpf_guard_set(g->bpf, &r) : -EINVAL;
}

void guard_configure(struct guard *g, const struct config *conf)
{
	struct list old = g->configured;

	if (g->bpf && set_rules(g, conf))
		log_error("guard", "message=\"the rules cannot be changed\"");
	g->configured = (struct list){0};
	add_ranges(&g->configured, conf->guard_allow, GUARD_ALLOW);
	add_ranges(&g->configured, conf->guard_deny, GUARD_DENY);
	for (size_t i = 0; i < g->configured.n; i++)
		apply(g, &g->configured.e[i].range);
	for (size_t i = 0; i < old.n; i++)
		apply(g, &old.e[i].range);
	free(old.e);
}

/* ---- the operators' file ------------------------------------------------------------------- */

static const char *word_of(enum guard_verdict v)
{
	return v == GUARD_ALLOW ? "allow" : "deny";
}

static void load(struct guard *g)
{
	FILE *f = fopen(g->path, "re");
	char line[128], word[8], range[80];
	struct cidr r;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%7s %79s", word, range) != 2 ||
		    cidr_parse(&r, range, strlen(range))) {
			log_warn("guard", "file=%s message=\"a line that cannot be read\"",
				 g->path);
			continue;
		}
		put(&g->operators, &r, strcmp(word, "allow") ? GUARD_DENY : GUARD_ALLOW);
		apply(g, &r);
	}
	if (f)
		fclose(f);
}

static int save(const struct guard *g)
{
	char next[1110], text[INET6_ADDRSTRLEN + 4];
	FILE *f;
	int rc;

	snprintf(next, sizeof(next), "%s.new", g->path);
	f = fopen(next, "we");
	if (!f)
		return -errno;
	for (size_t i = 0; i < g->operators.n; i++) {
		range_text(text, &g->operators.e[i].range);
		fprintf(f, "%s %s\n", word_of(g->operators.e[i].verdict), text);
	}
	rc = fflush(f) || fsync(fileno(f)) ? -errno : 0;
	if (fclose(f) && !rc)
		rc = -errno;
	if (!rc && rename(next, g->path))
		rc = -errno;
	return rc;
}

/* ---- life ---------------------------------------------------------------------------------- */

/* All interfaces or none: half a guard would look like one. */
static int attach(struct guard *g, const char *interfaces)
{
	char copy[1025], *rest = NULL;
	int rc = 0;

	snprintf(copy, sizeof(copy), "%s", interfaces);
	for (char *one = strtok_r(copy, " ", &rest); one && !rc; one = strtok_r(NULL, " ", &rest))
		rc = bpf_guard_attach(g->bpf, one, g->trouble, sizeof(g->trouble));
	return rc;
}

static void start(struct guard *g, const struct config *conf)
{
	char text[500];
	int rc = bpf_guard_open(&g->bpf, NULL, g->trouble, sizeof(g->trouble));

	if (!rc) {
		rc = set_rules(g, conf);
		if (rc)
			snprintf(g->trouble, sizeof(g->trouble),
				 "no listener has a port that is known before it is opened");
	}
	if (!rc)
		rc = attach(g, conf->guard_interfaces);
	if (!rc) {
		log_info("kernel_program", "program=guard state=loaded interfaces=%s",
			 log_q(text, sizeof(text), conf->guard_interfaces));
		return;
	}
	bpf_guard_close(g->bpf);
	g->bpf = NULL;
	log_warn("kernel_program", "program=guard state=missing message=%s",
		 log_q(text, sizeof(text), g->trouble));
}

struct guard *guard_new(const struct config *conf, const char *state_dir)
{
	struct guard *g = calloc(1, sizeof(*g));

	must(g);
	snprintf(g->path, sizeof(g->path), "%s/guard.list", state_dir);
	if (*conf->guard_interfaces)
		start(g, conf);
	load(g);
	guard_configure(g, conf);
	return g;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	bpf_guard_close(g->bpf);
	free(g->configured.e);
	free(g->operators.e);
	free(g);
}

bool guard_is_on(const struct guard *g)
{
	return g->bpf;
}

const char *guard_trouble(const struct guard *g)
{
	return g->trouble;
}

/* ---- operators ----------------------------------------------------------------------------- */

int guard_set(struct guard *g, const char *range, enum guard_verdict verdict, char *err, size_t n)
{
	struct cidr r;
	int rc = cidr_parse(&r, range, strlen(range));

	if (rc) {
		snprintf(err, n, "\"%.60s\" is no address and no range like 10.0.0.0/8", range);
		return rc;
	}
	if (verdict == GUARD_NONE && !take(&g->operators, &r)) {
		snprintf(err, n, "%.60s was not listed by an operator", range);
		return -ENOENT;
	}
	if (verdict != GUARD_NONE && !put(&g->operators, &r, verdict)) {
		snprintf(err, n, "there are %d entries already", ENTRIES_MAX);
		return -ENOSPC;
	}
	apply(g, &r);
	rc = save(g);
	if (rc)
		snprintf(err, n, "applied, but not saved to %s: %s", g->path, strerror(-rc));
	return rc;
}

void guard_each(const struct guard *g,
		void (*each)(void *arg, const char *range, enum guard_verdict verdict,
			     bool configured),
		void *arg)
{
	const struct list *const lists[] = {&g->configured, &g->operators};
	char text[INET6_ADDRSTRLEN + 4];

	for (size_t l = 0; l < array_len(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++) {
			range_text(text, &lists[l]->e[i].range);
			each(arg, text, lists[l]->e[i].verdict, l == 0);
		}
}

bool guard_counts(struct guard *g, uint64_t counts[GUARD_COUNTS])
{
	return g->bpf && !bpf_guard_read(g->bpf, counts);
}
