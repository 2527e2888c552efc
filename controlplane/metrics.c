/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "api/reasons.h"
#include "base/check.h"
#include "base/clock.h"
#include "bpf/guard.h"
#include "controlplane/domain_sums.h"
#include "controlplane/guard.h"
#include "controlplane/jobs.h"
#include "controlplane/metrics_certs.h"
#include "controlplane/metrics_paths.h"
#include "controlplane/metrics_process.h"
#include "controlplane/pulls.h"
#include "controlplane/metrics_streams.h"
#include "controlplane/metrics_tasks.h"
#include "controlplane/channels.h"
#include "controlplane/packages.h"
#include "controlplane/numbers.h"

static double seconds_since(uint64_t moment_us, uint64_t now_us)
{
	return moment_us ? (double)numbers_age_ms(moment_us, now_us) / 1000 : 0;
}

/* ---- the node ------------------------------------------------------------------------------ */

static void put_limits(const struct config *conf, struct evbuffer *out)
{
	metric_head(out, M_LIMIT);
	metric_put(out, M_LIMIT, (double)conf->limit_connections, "connections");
	metric_put(out, M_LIMIT, (double)conf->limit_streams, "streams");
	metric_put(out, M_LIMIT, (double)conf->limit_relays, "relays");
	metric_put(out, M_LIMIT, (double)conf->tasks_running, "tasks");
}

static void put_processes(const struct cp *cp, struct evbuffer *out)
{
	static const char *const names[] = {"controlplane", "dataplane"};
	struct process_view v[array_len(names)];
	bool there[array_len(names)];

	there[0] = process_read((int)getpid(), &v[0]);
	there[1] = dp_up(cp->dp) && process_read(dp_pid(cp->dp), &v[1]);
	for (enum metric m = M_PROCESS_CPU; m <= M_PROCESS_MAX_FDS; m++) {
		metric_head(out, m);
		for (size_t i = 0; i < array_len(names); i++) {
			double value[] = {v[i].cpu_s, v[i].resident_bytes, v[i].open_fds,
					  v[i].max_fds};

			if (there[i] && value[m - M_PROCESS_CPU] >= 0)
				metric_put(out, m, value[m - M_PROCESS_CPU], names[i]);
		}
	}
}

static void put_node(const struct cp *cp, struct evbuffer *out)
{
	metric_head(out, M_INFO);
	metric_put(out, M_INFO, 1, MILLRACE_VERSION, cp->node);
	metric_head(out, M_UP);
	metric_put(out, M_UP, dp_up(cp->dp), "dataplane");
	metric_put(out, M_UP, store_ready(cp->store), "redis");
	metric_one(out, M_UPTIME, seconds_since(cp->start_us, clock_us()));
	put_limits(&cp->conf, out);
	put_processes(cp, out);
	metrics_certs(&cp->conf, (size_t)cp->conf.metrics_streams, out);
	metric_head(out, M_API_CALLS);
	metric_put(out, M_API_CALLS, (double)(cp->api_calls - cp->api_refused), "ok");
	metric_put(out, M_API_CALLS, (double)cp->api_refused, "refused");
}

static void put_redis(const struct cp *cp, struct evbuffer *out)
{
	struct store_health health = store_health(cp->store);

	if (health.latency_us)
		metric_one(out, M_REDIS_LATENCY, (double)health.latency_us / 1e6);
	metric_one(out, M_REDIS_CONNECTS, (double)health.connects);
}

static void put_workers(const struct cp *cp, struct evbuffer *out)
{
	metric_one(out, M_WORKERS,
		   (double)(jobs_count(cp->jobs) + jobs_count(pulls_jobs(cp->pulls))));
	metric_one(out, M_WORKER_CRASHES,
		   (double)(jobs_crashes(cp->jobs) + jobs_crashes(pulls_jobs(cp->pulls))));
}

static void put_guard(const struct cp *cp, struct evbuffer *out)
{
	uint64_t counts[GUARD_COUNTS];

	metric_one(out, M_GUARD_ON, guard_is_on(cp->guard));
	if (!guard_counts(cp->guard, counts))
		return;
	metric_head(out, M_GUARD);
	for (unsigned i = 0; i < GUARD_COUNTS; i++)
		metric_put(out, M_GUARD, (double)counts[i], bpf_guard_count_name(i));
}

static void put_callbacks(const struct cp *cp, struct evbuffer *out)
{
	struct hooks_count n = hooks_count(cp->hooks);

	metric_head(out, M_CALLBACKS);
	metric_put(out, M_CALLBACKS, (double)n.delivered, "delivered");
	metric_put(out, M_CALLBACKS, (double)n.failed, "failed");
	metric_put(out, M_CALLBACKS, (double)n.dead, "dead");
	metric_one(out, M_CALLBACKS_PENDING, (double)n.pending);
	metric_one(out, M_CALLBACKS_OLDEST, seconds_since(n.oldest_us, clock_us()));
}

static void put_channels(const struct cp *cp, struct evbuffer *out)
{
	struct channels_count n = channels_count(cp->channels);

	metric_head(out, M_CHANNELS);
	metric_put(out, M_CHANNELS, (double)n.recording, "recording");
	metric_put(out, M_CHANNELS, (double)n.failed, "failed");
	metric_one(out, M_CHANNEL_SEGMENTS, (double)n.segments);
	metric_one(out, M_CHANNEL_BYTES, (double)n.bytes);
	metric_one(out, M_CHANNEL_FAILED, (double)n.not_kept);
	metric_one(out, M_CHANNEL_DROPPED, (double)n.dropped);
	metric_one(out, M_CHANNEL_REFUSED, (double)n.refused);
	metric_one(out, M_CHANNEL_LOST, (double)n.workers_lost);
}

static void put_packages(const struct cp *cp, struct evbuffer *out)
{
	struct packages_count n = packages_count(cp->packages);

	metric_head(out, M_PACKAGES);
	metric_put(out, M_PACKAGES, (double)n.placed, "placed");
	metric_put(out, M_PACKAGES, (double)n.waiting, "waiting");
	metric_put(out, M_PACKAGES, (double)n.failed, "failed");
	metric_one(out, M_PACKAGE_WORKERS, (double)n.workers);
	metric_one(out, M_PACKAGE_LOST, (double)n.workers_lost);
	metric_one(out, M_PACKAGE_SEGMENTS, (double)n.segments);
	metric_one(out, M_PACKAGE_BYTES, (double)n.bytes);
	metric_one(out, M_PACKAGE_DROPPED, (double)n.dropped);
	metric_one(out, M_PACKAGE_FAILURES, (double)n.failures);
	metric_one(out, M_PACKAGE_FILES, (double)n.files);
	metric_one(out, M_PACKAGE_FILES_BYTES, (double)n.files_bytes);
	metric_one(out, M_PACKAGE_FILES_FAILED, (double)n.files_failed);
}

/* ---- the data plane ------------------------------------------------------------------------ */

static uint64_t counter_at(const void *shm, uint32_t core, enum counter c)
{
	return shm_counter(shm, core, c);
}

static void put_cores(const struct shm *shm, struct evbuffer *out)
{
	uint32_t cores = shm_head(shm)->cores;
	char core[16];

	metric_head(out, M_BUSY);
	for (uint32_t i = 0; i < cores; i++) {
		snprintf(core, sizeof(core), "%u", i);
		metric_put(out, M_BUSY, shm_busy_share(shm, i), core);
	}
	for (unsigned c = 0; c < CTR_MAX; c++)
		metric_counter(out, c, cores, counter_at, shm);
}

static void put_dataplane(const struct cp *cp, struct evbuffer *out)
{
	const struct shm *shm = cp->shm;

	metric_one(out, M_DP_CONNECTS, (double)cp->dp_connects);
	if (!shm)
		return;
	metric_one(out, M_DP_START, (double)shm_head(shm)->start_wall_ms / 1000);
	metric_one(out, M_DP_BEAT, seconds_since(shm_beat_us(shm), clock_us()));
	metric_one(out, M_ARENA, (double)cp->conf.dp_arena);
	metric_one(out, M_HLS_MEMORY, (double)shm_get(&shm_head_now(shm)->hls_bytes));
	metric_one(out, M_HLS_PACKETS_REFUSED, (double)shm_get(&shm_head_now(shm)->hls_refused));
	put_cores(shm, out);
	metrics_node_paths(shm, out);
	metric_head(out, M_CLOSES);
	for (unsigned r = 1; r < REASON_MAX; r++)
		metric_put(out, M_CLOSES, (double)shm_closes(shm, r), reason_name(r));
}

/* ---- answers ------------------------------------------------------------------------------- */

/* Names of streams are often as good as keys: what is not signed stays on this machine. */
static bool refuse_stranger(struct http_call *c)
{
	if (http_is_loopback(c))
		return false;
	http_reply_json(c, 403,
			json_pack("{ss ss}", "Code", "Forbidden", "Message",
				  "this path answers to addresses of the loopback only"));
	return true;
}

void metrics_handle(struct cp *cp, struct http_call *c)
{
	const char *only = params_value(&c->params, "stream");
	size_t most = (size_t)cp->conf.metrics_streams;
	struct evbuffer *out;

	if (refuse_stranger(c))
		return;
	out = evbuffer_new();
	must(out);
	if (!only) {
		put_node(cp, out);
		put_redis(cp, out);
		put_callbacks(cp, out);
		put_guard(cp, out);
		put_packages(cp, out);
		put_channels(cp, out);
		put_workers(cp, out);
		metrics_tasks(cp->tasks, cp->shm, most, out);
		put_dataplane(cp, out);
		domain_sums_put(cp->domain_sums, out);
	}
	if (cp->shm)
		metrics_streams(cp->shm, cp->streams, only, most, out);
	http_reply(c, 200, "text/plain; version=0.0.4; charset=utf-8", out);
}

void metrics_health(struct cp *cp, struct http_call *c)
{
	bool dp = dp_up(cp->dp), redis = store_ready(cp->store);
	json_t *body;

	if (refuse_stranger(c))
		return;
	body = json_pack("{ss s{sb ss} s{sb ss}}", "status", dp && redis ? "ok" : "degraded",
			 "dataplane", "connected", (int)dp, "trouble", dp_trouble(cp->dp), "redis",
			 "connected", (int)redis, "trouble", store_trouble(cp->store));
	must(body);
	http_reply_json(c, dp && redis ? 200 : 503, body);
}
