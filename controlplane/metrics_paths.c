/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics_paths.h"

#include "base/check.h"

/* ---- histograms ---------------------------------------------------------------------------- */

static void put_hist(enum metric m, const struct shm_hist *from, unsigned shift, const char *label,
		     struct evbuffer *out)
{
	double bounds[SHM_HIST_BUCKETS];
	struct metric_hist h = {.n = SHM_HIST_BUCKETS, .bounds = bounds};

	for (unsigned i = 0; i < SHM_HIST_BUCKETS; i++) {
		bounds[i] = (double)((uint64_t)1 << (shift + i)) / 1e6;
		h.counts[i] = shm_get(&from->n[i]);
	}
	h.sum = (double)shm_get(&from->sum_us) / 1e6;
	metric_hist_put(out, m, &h, label);
}

static void put_ratio(enum metric m, const struct shm_paths *p, enum shm_way way, const char *label,
		      struct evbuffer *out)
{
	static const uint32_t per_10000[] = SHM_RATIO_BOUNDS;
	double bounds[SHM_RATIO_BUCKETS] = {0}, count = 0, sent = 0, again = 0;
	struct metric_hist h = {.n = SHM_RATIO_BUCKETS, .bounds = bounds};

	for (unsigned i = 0; i < SHM_RATIO_BUCKETS; i++) {
		if (i < array_len(per_10000))
			bounds[i] = per_10000[i] / 1e4;
		h.counts[i] = shm_get(&p->ratio[way][i]);
		count += (double)h.counts[i];
	}
	for (unsigned role = 0; role < SHM_ROLES; role++) {
		if (role_way(role) != way)
			continue;
		sent += (double)shm_get(&p->role[role].sent);
		again += (double)shm_get(&p->role[role].retransmitted);
	}
	h.sum = sent > 0 ? again / sent * count : 0;
	metric_hist_put(out, m, &h, label);
}

/* ---- counters ------------------------------------------------------------------------------ */

/* In the order of the metrics: TCP_SENT.. and STREAM_TCP_SENT.. both. */
static double path_value(enum metric m, const struct shm_path *p)
{
	uint64_t again = shm_get(&p->retransmitted), twice = shm_get(&p->duplicate);

	switch (m) {
	case M_TCP_CONNS:
		return (double)shm_get(&p->connections);
	case M_TCP_SENT:
	case M_STREAM_TCP_SENT:
		return (double)shm_get(&p->sent);
	case M_TCP_AGAIN:
	case M_STREAM_TCP_AGAIN:
		return (double)again;
	case M_TCP_LOST:
	case M_STREAM_TCP_LOST:
		return (double)(again > twice ? again - twice : 0);
	case M_TCP_DELIVERED:
	case M_STREAM_TCP_DELIVERED:
		return (double)shm_get(&p->delivered);
	case M_TCP_ACKED:
		return (double)shm_get(&p->acked_bytes);
	default:
		return (double)shm_get(&p->wire_bytes);
	}
}

static bool is_used(const struct shm_path *p)
{
	return shm_get(&p->connections) || shm_get(&p->sent) || shm_get(&p->wire_bytes);
}

/* ---- the node ------------------------------------------------------------------------------ */

static void put_programs(const struct shm *shm, struct evbuffer *out)
{
	const struct shm_head *h = shm_head_now(shm);

	metric_head(out, M_KERNEL);
	metric_put(out, M_KERNEL, (double)shm_get(&h->tcpstat), "tcpstat");
	metric_put(out, M_KERNEL, (double)shm_get(&h->steer), "steer");
	metric_put(out, M_KERNEL, (double)shm_get(&h->trace), "trace");
	metric_put(out, M_KERNEL, (double)shm_get(&h->lookup), "lookup");
	if (shm_get(&h->trace)) {
		metric_head(out, M_CONNECT);
		put_hist(M_CONNECT, &h->connect, SHM_RTT_SHIFT, NULL, out);
		metric_head(out, M_STALL);
		put_hist(M_STALL, &h->stall, SHM_STALL_SHIFT, NULL, out);
	}
	metric_one(out, M_TCPSTAT_LOST, (double)shm_get(&h->tcpstat_lost));
	metric_head(out, M_STEERED);
	metric_put(out, M_STEERED, (double)shm_get(&h->steer_chosen), "program");
	metric_put(out, M_STEERED, (double)shm_get(&h->steer_fallback), "hash");
}

void metrics_node_paths(const struct shm *shm, struct evbuffer *out)
{
	static const char *const ways[] = {"in", "out"};
	struct shm_paths p;
	struct shm_hist join;
	char core[16];

	metric_head(out, M_TURN);
	for (uint32_t i = 0; i < shm_head(shm)->cores; i++) {
		snprintf(core, sizeof(core), "%u", i);
		put_hist(M_TURN, shm_turn(shm, i), SHM_LOOP_SHIFT, core, out);
	}
	shm_node_join(shm, &join);
	metric_head(out, M_JOIN);
	put_hist(M_JOIN, &join, SHM_JOIN_SHIFT, NULL, out);
	put_programs(shm, out);
	shm_node_paths(shm, &p);
	for (enum metric m = M_TCP_CONNS; m <= M_TCP_WIRE; m++) {
		metric_head(out, m);
		for (unsigned role = 0; role < SHM_ROLES; role++)
			metric_put(out, m, path_value(m, &p.role[role]), role_protocol(role),
				   role_direction(role));
	}
	metric_head(out, M_TCP_RTT);
	for (unsigned w = 0; w < SHM_WAYS; w++)
		put_hist(M_TCP_RTT, &p.rtt[w], SHM_RTT_SHIFT, ways[w], out);
	metric_head(out, M_TCP_RATIO);
	for (unsigned w = 0; w < SHM_WAYS; w++)
		put_ratio(M_TCP_RATIO, &p, (enum shm_way)w, ways[w], out);
}

/* ---- streams ------------------------------------------------------------------------------- */

static void put_stream(enum metric m, const struct metrics_path *p, struct evbuffer *out)
{
	switch (m) {
	case M_STREAM_JOIN:
		put_hist(m, &p->join, SHM_JOIN_SHIFT, p->name, out);
		return;
	case M_STREAM_LAG:
		put_hist(m, &p->lag, SHM_LAG_SHIFT, p->name, out);
		return;
	case M_STREAM_RTT:
		put_hist(m, &p->paths.rtt[WAY_OUT], SHM_RTT_SHIFT, p->name, out);
		return;
	case M_STREAM_RATIO:
		put_ratio(m, &p->paths, WAY_OUT, p->name, out);
		return;
	default:
		break;
	}
	for (unsigned role = 0; role < SHM_ROLES; role++)
		if (is_used(&p->paths.role[role]))
			metric_put(out, m, path_value(m, &p->paths.role[role]), p->name,
				   role_protocol(role), role_direction(role));
}

void metrics_stream_paths(const struct metrics_path *p, size_t n, struct evbuffer *out)
{
	for (enum metric m = M_STREAM_JOIN; m <= M_STREAM_RATIO; m++) {
		metric_head(out, m);
		for (size_t i = 0; i < n; i++)
			put_stream(m, &p[i], out);
	}
}
