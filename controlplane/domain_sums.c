/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/domain_sums.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "base/log.h"

#define REST	   "rest" /* no domain's name */
#define SAVE_TURNS 5	  /* notes, one a second */
#define SLOTS_MAX  (1u << 20)

enum { SUM_IN, SUM_OUT, SUM_JOINS, SUM_SKIPS, SUM_SENT, SUM_AGAIN, SUM_WIRE, SUMS };

struct sum {
	char name[256];
	uint64_t n[SUMS];
};

/* A stream as it was last seen; its place is free, or it counts nowhere, where `of` is NULL. */
struct seen {
	uint64_t gen, n[SUMS];
	struct sum *of;
};

struct domain_sums {
	struct sum *sum; /* most + 1: the last is the rest */
	size_t n, most;
	struct seen *seen; /* by slot */
	uint32_t slots, pid;
	uint64_t start_ms; /* of the data plane that they are of */
	unsigned turn;
	char path[1100]; /* "": not kept */
};

static struct sum *sum_of(struct domain_sums *d, const char *stream)
{
	size_t n = min_of(strcspn(stream, "/"), sizeof(d->sum->name) - 1);

	for (size_t i = 0; i < d->n; i++)
		if (!strncmp(d->sum[i].name, stream, n) && !d->sum[i].name[n])
			return &d->sum[i];
	if (d->n == d->most)
		return &d->sum[d->most];
	memcpy(d->sum[d->n].name, stream, n);
	return &d->sum[d->n++];
}

/* ---- the file ------------------------------------------------------------------------------ */

static json_t *numbers_json(const uint64_t n[SUMS])
{
	json_t *list = json_array();

	for (unsigned i = 0; i < SUMS; i++)
		json_array_append_new(list, json_integer((json_int_t)n[i]));
	return list;
}

/* {"pid","start_ms","slots","sums":{domain:[...]},"seen":[[slot,gen,domain,[...]]]} */
static json_t *sums_json(const struct domain_sums *d)
{
	json_t *sums = json_object(), *seen = json_array();

	for (size_t i = 0; i <= d->most; i++)
		if (i < d->n || i == d->most)
			json_object_set_new(sums, d->sum[i].name, numbers_json(d->sum[i].n));
	for (uint32_t slot = 0; slot < d->slots; slot++) {
		const struct seen *s = &d->seen[slot];

		if (s->of)
			json_array_append_new(seen, json_pack("[I,I,s,o]", (json_int_t)slot,
							      (json_int_t)s->gen, s->of->name,
							      numbers_json(s->n)));
	}
	return json_pack("{s:I, s:I, s:I, s:o, s:o}", "pid", (json_int_t)d->pid, "start_ms",
			 (json_int_t)d->start_ms, "slots", (json_int_t)d->slots, "sums", sums,
			 "seen", seen);
}

static void save(const struct domain_sums *d)
{
	char part[sizeof(d->path) + 8];
	json_t *all;

	if (!d->path[0])
		return;
	snprintf(part, sizeof(part), "%s.part", d->path);
	all = sums_json(d);
	if (!all || json_dump_file(all, part, JSON_COMPACT) || rename(part, d->path)) {
		log_warn("domain_sums", "effect=\"counters of domains are not kept\" errno=%d",
			 errno);
		unlink(part);
	}
	json_decref(all);
}

static void numbers_read(uint64_t n[SUMS], const json_t *list)
{
	for (unsigned i = 0; i < SUMS; i++) {
		json_int_t v = json_integer_value(json_array_get(list, i));

		n[i] = v > 0 ? (uint64_t)v : 0;
	}
}

/* One row of "seen". */
static void seen_read(struct domain_sums *d, const json_t *row)
{
	json_int_t slot = json_integer_value(json_array_get(row, 0));
	const char *domain = json_string_value(json_array_get(row, 2));
	struct seen *s;

	if (slot < 0 || slot >= (json_int_t)d->slots || !domain)
		return;
	s = &d->seen[slot];
	s->gen = (uint64_t)json_integer_value(json_array_get(row, 1));
	s->of = strcmp(domain, REST) ? sum_of(d, domain) : &d->sum[d->most];
	numbers_read(s->n, json_array_get(row, 3));
}

static void sums_read(struct domain_sums *d, json_t *all)
{
	json_int_t slots = json_integer_value(json_object_get(all, "slots"));
	const char *domain;
	json_t *value;
	size_t i;

	json_object_foreach (json_object_get(all, "sums"), domain, value)
		numbers_read(strcmp(domain, REST) ? sum_of(d, domain)->n : d->sum[d->most].n,
			     value);
	if (slots <= 0 || slots > SLOTS_MAX)
		return;
	d->slots = (uint32_t)slots;
	d->pid = (uint32_t)json_integer_value(json_object_get(all, "pid"));
	d->start_ms = (uint64_t)json_integer_value(json_object_get(all, "start_ms"));
	d->seen = calloc(d->slots + 1u, sizeof(*d->seen));
	must(d->seen);
	json_array_foreach (json_object_get(all, "seen"), i, value)
		seen_read(d, value);
}

static void load(struct domain_sums *d)
{
	json_error_t why;
	json_t *all;

	if (!d->path[0] || access(d->path, F_OK))
		return;
	all = json_load_file(d->path, 0, &why);
	if (all)
		sums_read(d, all);
	else
		log_warn("domain_sums", "effect=\"counters of domains begin anew\" line=%d",
			 why.line);
	json_decref(all);
}

struct domain_sums *domain_sums_new(size_t most, const char *path)
{
	struct domain_sums *d = calloc(1, sizeof(*d));

	must(d);
	d->most = most;
	d->sum = calloc(most + 1, sizeof(*d->sum));
	must(d->sum);
	strcpy(d->sum[most].name, REST);
	snprintf(d->path, sizeof(d->path), "%s", path);
	load(d);
	return d;
}

void domain_sums_free(struct domain_sums *d)
{
	if (!d)
		return;
	save(d);
	free(d->sum);
	free(d->seen);
	free(d);
}

/* ---- noting -------------------------------------------------------------------------------- */

static void counts_of(const struct shm *shm, uint32_t slot, const struct shm_stream_view *v,
		      uint64_t n[SUMS])
{
	struct shm_paths p;

	shm_stream_paths(shm, slot, &p);
	n[SUM_IN] = v->bytes_in;
	n[SUM_OUT] = v->bytes_out;
	n[SUM_JOINS] = v->joins;
	n[SUM_SKIPS] = v->skips;
	n[SUM_SENT] = n[SUM_AGAIN] = n[SUM_WIRE] = 0;
	for (unsigned role = 0; role < SHM_ROLES; role++) {
		n[SUM_WIRE] += shm_get(&p.role[role].wire_bytes);
		if (role_way(role) != WAY_OUT)
			continue;
		n[SUM_SENT] += shm_get(&p.role[role].sent);
		n[SUM_AGAIN] += shm_get(&p.role[role].retransmitted);
	}
}

static void grow(struct seen *s, const uint64_t n[SUMS])
{
	for (unsigned i = 0; i < SUMS; i++) {
		if (n[i] > s->n[i])
			s->of->n[i] += n[i] - s->n[i];
		s->n[i] = max_of(n[i], s->n[i]);
	}
}

/* The stream that was there; what it did since the last look is still in the slot, mostly. */
static void note_end(struct seen *s, const struct shm *shm, uint32_t slot)
{
	struct shm_stream_view last;
	uint64_t n[SUMS];

	if (shm_stream_ended(shm, slot, s->gen, &last)) {
		counts_of(shm, slot, &last, n);
		if (shm_stream_ended(shm, slot, s->gen, &last))
			grow(s, n);
	}
	*s = (struct seen){0};
}

static void note_slot(struct domain_sums *d, const struct shm *shm, uint32_t slot)
{
	struct seen *s = &d->seen[slot];
	struct shm_stream_view v, after;
	uint64_t n[SUMS];
	bool live = shm_stream_at(shm, slot, &v);

	if (s->of && (!live || v.gen != s->gen))
		note_end(s, shm, slot);
	if (!live || v.internal)
		return;
	counts_of(shm, slot, &v, n);
	/* The paths were read later: they may be another's. */
	if (!shm_stream_at(shm, slot, &after) || after.gen != v.gen)
		return;
	if (!s->of)
		*s = (struct seen){.gen = v.gen, .of = sum_of(d, v.name)};
	grow(s, n);
}

/* The slots of another data plane are others; what its streams had is counted. */
static void begin(struct domain_sums *d, const struct shm *shm)
{
	const struct shm_head *h = shm_head(shm);

	if (d->seen && d->pid == h->pid && d->start_ms == h->start_wall_ms)
		return;
	free(d->seen);
	d->slots = h->streams;
	d->seen = calloc(d->slots + 1u, sizeof(*d->seen));
	must(d->seen);
	d->pid = h->pid;
	d->start_ms = h->start_wall_ms;
}

void domain_sums_note(struct domain_sums *d, const struct shm *shm)
{
	begin(d, shm);
	for (uint32_t slot = 0; slot < d->slots; slot++)
		note_slot(d, shm, slot);
	if (++d->turn % SAVE_TURNS == 0)
		save(d);
}

/* ---- writing ------------------------------------------------------------------------------- */

void domain_sums_put(const struct domain_sums *d, struct evbuffer *out)
{
	static const enum metric metrics[SUMS] = {
		[SUM_IN] = M_DOMAIN_IN,	      [SUM_OUT] = M_DOMAIN_OUT,
		[SUM_JOINS] = M_DOMAIN_JOINS, [SUM_SKIPS] = M_DOMAIN_SKIPS,
		[SUM_SENT] = M_DOMAIN_SENT,   [SUM_AGAIN] = M_DOMAIN_AGAIN,
		[SUM_WIRE] = M_DOMAIN_WIRE,
	};

	for (unsigned i = 0; i < SUMS; i++) {
		metric_head(out, metrics[i]);
		for (size_t k = 0; k < d->n; k++)
			metric_put(out, metrics[i], (double)d->sum[k].n[i], d->sum[k].name);
		if (d->n == d->most)
			metric_put(out, metrics[i], (double)d->sum[d->most].n[i], REST);
	}
}
