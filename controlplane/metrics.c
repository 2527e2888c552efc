/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics.h"

#include <inttypes.h>
#include <string.h>

#include <event2/buffer.h>

#include "api/reasons.h"
#include "base/check.h"
#include "base/clock.h"
#include "controlplane/numbers.h"

enum metric_kind { COUNTER_KIND, GAUGE_KIND };

enum metric {
#define METRIC(sym, name, kind, labels, help) M_##sym,
#include "controlplane/metrics.def"
#undef METRIC
	METRICS,
};

struct metric_row {
	const char *name;
	enum metric_kind kind;
	const char *labels, *help;
};

static const struct metric_row metrics[METRICS] = {
#define METRIC(sym, name, kind, labels, help) {name, kind##_KIND, labels, help},
#include "controlplane/metrics.def"
#undef METRIC
};

static const struct metric_row counters[CTR_MAX] = {
#define COUNTER(sym, name, kind, unit, help) {name, kind##_KIND, "core", help},
#include "api/counters.def"
#undef COUNTER
};

static const char *suffix(const struct metric_row *m)
{
	return m->kind == COUNTER_KIND ? "_total" : "";
}

const char *metrics_label(char *dst, size_t n, const char *text)
{
	json_t *utf8 = json_string(text);
	size_t at = 0;

	for (; *text && at + 4 < n; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\\' || c == '"')
			at += (size_t)snprintf(dst + at, n - at, "\\%c", c);
		else if (c == '\n')
			at += (size_t)snprintf(dst + at, n - at, "\\n");
		else if (!utf8 && c >= 0x80)
			at += (size_t)snprintf(dst + at, n - at, "%%%02X", c);
		else
			dst[at++] = (char)c;
	}
	/* A cut inside a character would leave half of it. */
	while (utf8 && *text && at && ((unsigned char)dst[at - 1] & 0x80))
		at--;
	dst[at] = 0;
	json_decref(utf8);
	return dst;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void head(struct evbuffer *out, const struct metric_row *m)
{
	evbuffer_add_printf(out, "# HELP millrace_%s%s %s\n# TYPE millrace_%s%s %s\n", m->name,
			    suffix(m), m->help, m->name, suffix(m),
			    m->kind == COUNTER_KIND ? "counter" : "gauge");
}

/* labels: "{a=\"b\"}" or "". */
static void line(struct evbuffer *out, enum metric m, const char *labels, double value)
{
	evbuffer_add_printf(out, "millrace_%s%s%s %.17g\n", metrics[m].name, suffix(&metrics[m]),
			    labels, value);
}

static void one(struct evbuffer *out, enum metric m, double value)
{
	head(out, &metrics[m]);
	line(out, m, "", value);
}

static void label1(struct evbuffer *out, enum metric m, const char *name, const char *text,
		   double value)
{
	char safe[1700], labels[1800];

	snprintf(labels, sizeof(labels), "{%s=\"%s\"}", name,
		 metrics_label(safe, sizeof(safe), text));
	line(out, m, labels, value);
}

/* ---- this process ------------------------------------------------------------------------------ */

static void put_process(struct cp *cp, struct evbuffer *out)
{
	struct hooks_count hc = hooks_count(cp->hooks);
	char labels[200], safe[130];

	head(out, &metrics[M_INFO]);
	snprintf(labels, sizeof(labels), "{version=\"%s\",node=\"%s\"}", MILLRACE_VERSION,
		 metrics_label(safe, sizeof(safe), cp->node));
	line(out, M_INFO, labels, 1);
	head(out, &metrics[M_UP]);
	label1(out, M_UP, "part", "dataplane", dp_up(cp->dp));
	label1(out, M_UP, "part", "redis", store_ready(cp->store));
	one(out, M_UPTIME, (double)((clock_us() - cp->start_us) / 1000000));
	head(out, &metrics[M_CALLBACKS]);
	label1(out, M_CALLBACKS, "result", "delivered", (double)hc.delivered);
	label1(out, M_CALLBACKS, "result", "failed", (double)hc.failed);
	label1(out, M_CALLBACKS, "result", "dead", (double)hc.dead);
	one(out, M_CALLBACKS_PENDING, (double)hc.pending);
	head(out, &metrics[M_API_CALLS]);
	label1(out, M_API_CALLS, "result", "ok", (double)(cp->api_calls - cp->api_refused));
	label1(out, M_API_CALLS, "result", "refused", (double)cp->api_refused);
}

/* ---- tasks ------------------------------------------------------------------------------------- */

static void put_states(struct cp *cp, struct evbuffer *out)
{
	unsigned n[TASK_STATES] = {0};

	for (struct relay *r = tasks_first(cp->tasks); r; r = tasks_next(r))
		n[r->task->state]++;
	head(out, &metrics[M_TASKS]);
	for (int s = 0; s < TASK_EXIT; s++)
		label1(out, M_TASKS, "state", task_state_name(s), n[s]);
}

static void put_task(struct evbuffer *out, enum metric m, const struct task *t,
		     const struct task_numbers *n)
{
	switch (m) {
	case M_TASK_STATE:
		label1(out, m, "task", t->id, task_status(t->state));
		break;
	case M_TASK_RETRIES:
		label1(out, m, "task", t->id, (double)t->retries);
		break;
	case M_TASK_IN:
		label1(out, m, "task", t->id, (double)n->in_bps);
		break;
	case M_TASK_OUT:
		label1(out, m, "task", t->id, (double)n->out_bps);
		break;
	default:
		if (n->last_media_age_ms >= 0)
			label1(out, m, "task", t->id, (double)n->last_media_age_ms / 1000);
		break;
	}
}

static void put_tasks(struct cp *cp, struct evbuffer *out)
{
	put_states(cp, out);
	for (enum metric m = M_TASK_STATE; m <= M_TASK_AGE; m++) {
		head(out, &metrics[m]);
		for (struct relay *r = tasks_first(cp->tasks); r; r = tasks_next(r)) {
			struct task_numbers n;

			numbers_of(cp->shm, r, clock_us(), &n);
			put_task(out, m, r->task, &n);
		}
	}
}

/* ---- the data plane ---------------------------------------------------------------------------- */

static void put_counters(const struct shm *shm, struct evbuffer *out)
{
	for (unsigned c = 0; c < CTR_MAX; c++) {
		head(out, &counters[c]);
		for (uint32_t core = 0; core < shm_head(shm)->cores; core++)
			evbuffer_add_printf(out,
					    "millrace_%s%s{core=\"%" PRIu32 "\"} %" PRIu64 "\n",
					    counters[c].name, suffix(&counters[c]), core,
					    shm_counter(shm, core, c));
	}
	head(out, &metrics[M_CLOSES]);
	for (unsigned r = 1; r < REASON_MAX; r++)
		label1(out, M_CLOSES, "reason", reason_name(r), (double)shm_closes(shm, r));
	one(out, M_DP_START, (double)shm_head(shm)->start_wall_ms / 1000);
}

static void put_stream(struct evbuffer *out, enum metric m, const struct shm_stream_view *v)
{
	char safe[1700], labels[1800];

	switch (m) {
	case M_STREAM_VIEWERS:
		metrics_label(safe, sizeof(safe), v->name);
		snprintf(labels, sizeof(labels), "{stream=\"%s\",protocol=\"rtmp\"}", safe);
		line(out, m, labels, (double)v->viewers_rtmp);
		snprintf(labels, sizeof(labels), "{stream=\"%s\",protocol=\"http-flv\"}", safe);
		line(out, m, labels, (double)v->viewers_flv);
		break;
	case M_STREAM_PUSHES:
		label1(out, m, "stream", v->name, (double)v->pushes);
		break;
	case M_STREAM_IN:
		label1(out, m, "stream", v->name, (double)v->bytes_in);
		break;
	case M_STREAM_OUT:
		label1(out, m, "stream", v->name, (double)v->bytes_out);
		break;
	case M_STREAM_SKIPS:
		label1(out, m, "stream", v->name, (double)v->skips);
		break;
	case M_STREAM_AGE:
		if (v->last_media_us)
			label1(out, m, "stream", v->name,
			       (double)numbers_age_ms(v->last_media_us, clock_us()) / 1000);
		break;
	case M_STREAM_GOP:
		label1(out, m, "stream", v->name, (double)v->gop_ms / 1000);
		break;
	default:
		label1(out, m, "stream", v->name, (double)v->log_bytes);
		break;
	}
}

static void put_streams(const struct shm *shm, struct evbuffer *out)
{
	struct shm_stream_view v;
	unsigned live = 0;

	for (enum metric m = M_STREAM_VIEWERS; m <= M_STREAM_LOG; m++) {
		head(out, &metrics[m]);
		live = 0;
		for (uint32_t i = 0; i < shm_streams(shm); i++) {
			if (!shm_stream_at(shm, i, &v) || v.internal)
				continue;
			put_stream(out, m, &v);
			live++;
		}
	}
	one(out, M_STREAMS, live);
}

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
	struct evbuffer *out;

	if (refuse_stranger(c))
		return;
	out = evbuffer_new();
	must(out);
	put_process(cp, out);
	put_tasks(cp, out);
	if (cp->shm) {
		put_counters(cp->shm, out);
		put_streams(cp->shm, out);
	}
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

/* ---- METRICS.md -------------------------------------------------------------------------------- */

static void doc_row(FILE *to, const struct metric_row *m)
{
	fprintf(to, "| `millrace_%s%s` | %s | %s | %s |\n", m->name, suffix(m),
		m->kind == COUNTER_KIND ? "counter" : "gauge", *m->labels ? m->labels : "-",
		m->help);
}

void metrics_doc(FILE *to)
{
	fputs("<!-- Written by `millrace-cp --metrics-doc` from controlplane/metrics.def and "
	      "dataplane/api/counters.def. -->\n\n"
	      "# Metrics\n\n"
	      "`GET /metrics` on the API's listener, Prometheus text format, to addresses of the "
	      "loopback only.\n"
	      "While the data plane is away, its numbers are absent and `millrace_up{part=\"dataplane\"}` "
	      "is 0.\n\n"
	      "## Control plane, streams, tasks\n\n"
	      "| name | kind | labels | meaning |\n|---|---|---|---|\n",
	      to);
	for (unsigned m = 0; m < METRICS; m++)
		doc_row(to, &metrics[m]);
	fputs("\n## Data plane, one series per core\n\n"
	      "| name | kind | labels | meaning |\n|---|---|---|---|\n",
	      to);
	for (unsigned c = 0; c < CTR_MAX; c++)
		doc_row(to, &counters[c]);
	fputs("\n## Reasons (label `reason` of `millrace_closes_total`)\n\n"
	      "| reason | meaning |\n|---|---|\n",
	      to);
	for (unsigned r = 1; r < REASON_MAX; r++)
		fprintf(to, "| `%s` | %s |\n", reason_name(r), reason_help(r));
}
