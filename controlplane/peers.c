/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

bool peers_region_fits(const char *regions, const char *region)
{
	size_t n = strlen(region);

	if (!*regions || !strcmp(region, "local") || !strcmp(region, "any"))
		return true;
	for (const char *p = regions; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == n && !strncmp(p, region, n))
			return true;
	return false;
}

/* The node's entry, a new one where there is none; NULL: the table is full. */
static struct peer *peer_of(struct peers *ps, const char *name)
{
	for (size_t i = 0; i < ps->n; i++)
		if (!strcmp(ps->v[i].name, name))
			return &ps->v[i];
	if (ps->n == PEERS_MAX || strlen(name) >= sizeof(ps->v[0].name))
		return NULL;
	ps->v[ps->n] = (struct peer){0};
	strcpy(ps->v[ps->n].name, name);
	return &ps->v[ps->n++];
}

static const char *value_of(const struct task_field *f, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(f[i].name, name))
			return f[i].value;
	return "";
}

void peers_hear(struct peers *ps, const char *name, const struct task_field *f, size_t n,
		uint64_t now_us)
{
	const char *beat = value_of(f, n, "Time"), *room = value_of(f, n, "Room");
	struct peer *p = *beat && *room ? peer_of(ps, name) : NULL;

	if (!p || !strncmp(p->beat, beat, sizeof(p->beat) - 1))
		return;
	snprintf(p->beat, sizeof(p->beat), "%s", beat);
	snprintf(p->regions, sizeof(p->regions), "%s", value_of(f, n, "Regions"));
	p->load = strtoull(value_of(f, n, "Running"), NULL, 10);
	p->room = strtoull(room, NULL, 10);
	p->drained = !strcmp(value_of(f, n, "Drained"), "1");
	p->heard_us = now_us;
}

void peers_set(struct peers *ps, const char *name, const char *regions, uint64_t load,
	       uint64_t room, bool drained, uint64_t now_us)
{
	struct peer *p = peer_of(ps, name);

	if (!p)
		return;
	snprintf(p->regions, sizeof(p->regions), "%s", regions);
	p->load = load;
	p->room = room;
	p->drained = drained;
	p->heard_us = now_us;
}

static bool is_heard(const struct peers *ps, const struct peer *p, uint64_t now_us)
{
	return now_us - p->heard_us <= ps->silence_us;
}

uint64_t peers_room(const struct peers *ps, uint64_t now_us)
{
	uint64_t room = 0;

	for (size_t i = 0; i < ps->n; i++)
		if (is_heard(ps, &ps->v[i], now_us))
			room += ps->v[i].room;
	return room;
}

void peers_round(struct peers *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		ps->v[i].given = 0;
}

/* FNV-1a over both: who is first among equals differs from task to task. */
static uint32_t lot(const char *task_id, const char *node)
{
	uint32_t h = 2166136261u;

	for (const char *p = task_id; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	for (const char *p = node; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return h;
}

/* a comes before b for this task: the smaller share of its room, then the lot, then the name. */
static bool is_before(const struct peer *a, const struct peer *b, const char *task_id)
{
	uint64_t left = (a->load + a->given) * max_of(b->room, (uint64_t)1);
	uint64_t right = (b->load + b->given) * max_of(a->room, (uint64_t)1);
	uint32_t la, lb;

	if (left != right)
		return left < right;
	la = lot(task_id, a->name);
	lb = lot(task_id, b->name);
	return la != lb ? la < lb : strcmp(a->name, b->name) < 0;
}

unsigned peers_before(struct peers *ps, const char *self, const char *task_id, const char *region,
		      bool crowded, uint64_t now_us)
{
	struct peer *me = peer_of(ps, self);
	unsigned before = 0;

	ps->first = me;
	if (!me)
		return 0;
	for (size_t i = 0; i < ps->n; i++) {
		struct peer *p = &ps->v[i];

		if (p == me || p->drained || !is_heard(ps, p, now_us) ||
		    !peers_region_fits(p->regions, region) ||
		    (!crowded && p->load + p->given >= p->room) || !is_before(p, me, task_id))
			continue;
		before++;
		if (ps->first == me || is_before(p, ps->first, task_id))
			ps->first = p;
	}
	return before;
}

void peers_give(struct peers *ps)
{
	if (ps->first)
		ps->first->given++;
}
