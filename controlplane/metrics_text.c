/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <event2/buffer.h>
#include <jansson.h>

#include "api/reasons.h"
#include "base/check.h"

enum metric_kind { COUNTER_KIND, GAUGE_KIND, HISTOGRAM_KIND };

struct row {
	const char *name, *labels, *help;
	enum metric_kind kind;
};

static const struct row metrics[METRICS] = {
#define METRIC(sym, name, kind, labels, help) {name, labels, help, kind##_KIND},
#include "controlplane/metrics.def"
#undef METRIC
};

static const struct row counters[CTR_MAX] = {
#define COUNTER(sym, name, kind, unit, help) {name, "core", help, kind##_KIND},
#include "api/counters.def"
#undef COUNTER
};

/* ---- names --------------------------------------------------------------------------------- */

#define MICROSECONDS "microseconds"

/* Shared memory counts microseconds; Prometheus wants base units. */
static bool in_microseconds(const struct row *r)
{
	size_t n = strlen(r->name), unit = strlen(MICROSECONDS);

	return n > unit && !strcmp(r->name + n - unit, MICROSECONDS);
}

static const char *full_name(char dst[METRIC_NAME_MAX], const struct row *r)
{
	bool us = in_microseconds(r);
	size_t n = strlen(r->name) - (us ? strlen(MICROSECONDS) : 0);

	snprintf(dst, METRIC_NAME_MAX, "millrace_%.*s%s%s", (int)n, r->name, us ? "seconds" : "",
		 r->kind == COUNTER_KIND ? "_total" : "");
	return dst;
}

const char *metric_name(char dst[METRIC_NAME_MAX], enum metric m)
{
	return full_name(dst, &metrics[m]);
}

const char *metric_counter_name(char dst[METRIC_NAME_MAX], enum counter c)
{
	return full_name(dst, &counters[c]);
}

static const char *kind_name(const struct row *r)
{
	static const char *const names[] = {"counter", "gauge", "histogram"};

	return names[r->kind];
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

/* ---- lines --------------------------------------------------------------------------------- */

static void head(struct evbuffer *out, const struct row *r)
{
	char name[METRIC_NAME_MAX];

	full_name(name, r);
	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, r->help, name, kind_name(r));
}

void metric_head(struct evbuffer *out, enum metric m)
{
	head(out, &metrics[m]);
}

/* name, suffix and labels; le: one more label, or NULL. */
static void put_series(struct evbuffer *out, enum metric m, const char *suffix, const char *le,
		       const char *const values[METRIC_LABELS_MAX])
{
	const char *label = metrics[m].labels, *sep = "{";
	char name[METRIC_NAME_MAX], safe[1700];

	evbuffer_add_printf(out, "%s%s", metric_name(name, m), suffix);
	for (unsigned i = 0; *label; i++) {
		size_t n = strcspn(label, " ");

		must(i < METRIC_LABELS_MAX && values[i]);
		evbuffer_add_printf(out, "%s%.*s=\"%s\"", sep, (int)n, label,
				    metrics_label(safe, sizeof(safe), values[i]));
		sep = ",";
		label += n + (label[n] == ' ');
	}
	if (le)
		evbuffer_add_printf(out, "%sle=\"%s\"", sep, le);
	evbuffer_add_printf(out, "%s", *sep == ',' || le ? "}" : "");
}

void metric_line(struct evbuffer *out, enum metric m, double value,
		 const char *const values[METRIC_LABELS_MAX])
{
	put_series(out, m, "", NULL, values);
	evbuffer_add_printf(out, " %.15g\n", value);
}

void metric_hist_lines(struct evbuffer *out, enum metric m, const struct metric_hist *h,
		       const char *const values[METRIC_LABELS_MAX])
{
	uint64_t sum = 0;
	char le[32];

	for (unsigned i = 0; i < h->n; i++) {
		sum += h->counts[i];
		if (i + 1 < h->n)
			snprintf(le, sizeof(le), "%.9g", h->bounds[i]);
		else
			strcpy(le, "+Inf");
		put_series(out, m, "_bucket", le, values);
		evbuffer_add_printf(out, " %" PRIu64 "\n", sum);
	}
	put_series(out, m, "_sum", NULL, values);
	evbuffer_add_printf(out, " %.15g\n", h->sum);
	put_series(out, m, "_count", NULL, values);
	evbuffer_add_printf(out, " %" PRIu64 "\n", sum);
}

void metric_one(struct evbuffer *out, enum metric m, double value)
{
	metric_head(out, m);
	metric_put(out, m, value, NULL);
}

void metric_counter(struct evbuffer *out, enum counter c, uint32_t cores,
		    uint64_t (*at)(const void *arg, uint32_t core, enum counter c), const void *arg)
{
	bool us = in_microseconds(&counters[c]);
	char name[METRIC_NAME_MAX];

	head(out, &counters[c]);
	metric_counter_name(name, c);
	for (uint32_t core = 0; core < cores; core++) {
		uint64_t n = at(arg, core, c);

		if (us)
			evbuffer_add_printf(out, "%s{core=\"%" PRIu32 "\"} %.6f\n", name, core,
					    (double)n / 1e6);
		else
			evbuffer_add_printf(out, "%s{core=\"%" PRIu32 "\"} %" PRIu64 "\n", name,
					    core, n);
	}
}

/* ---- METRICS.md ---------------------------------------------------------------------------- */

static void doc_row(FILE *to, const struct row *r)
{
	char name[METRIC_NAME_MAX];

	fprintf(to, "| `%s` | %s | %s | %s |\n", full_name(name, r), kind_name(r),
		*r->labels ? r->labels : "-", r->help);
}

static const char doc_head[] =
	"<!-- Written by `millrace-cp --metrics-doc` from controlplane/metrics.def and "
	"dataplane/api/counters.def. -->\n\n"
	"# Metrics\n\n"
	"`GET /metrics` on the API's listener, Prometheus text format, to addresses of the "
	"loopback only.\n"
	"While the data plane is away, its numbers are absent and `millrace_up{part=\"dataplane\"}` "
	"is 0.\n\n"
	"How many series there can be is bounded: the `metrics.streams_max` streams with the highest "
	"bit rates\n"
	"have series of their own, the sums of all others are gauges with the label "
	"`stream=\"rest\"`; tasks that\n"
	"are in trouble come first, then running ones, up to the same number. A series that left and "
	"came back\n"
	"goes on counting where the stream is.\n\n"
	"`GET /metrics?stream=default/live/a` gives only that stream's series; "
	"`?stream=default/live/*` those of\n"
	"all streams whose names begin so.\n\n"
	"Ready to use: [prometheus.yml](configs/prometheus/prometheus.yml), [alert rules]"
	"(configs/alerts/millrace.rules.yml)\n"
	"and [Grafana dashboards](configs/grafana).\n\n"
	"## Control plane, streams, tasks\n\n"
	"| name | kind | labels | meaning |\n|---|---|---|---|\n";

void metrics_doc(FILE *to)
{
	fputs(doc_head, to);
	for (unsigned m = 0; m < METRICS; m++)
		doc_row(to, &metrics[m]);
	fputs("\n## Data plane, one series per core\n\n"
	      "| name | kind | labels | meaning |\n|---|---|---|---|\n",
	      to);
	for (unsigned c = 0; c < CTR_MAX; c++)
		doc_row(to, &counters[c]);
	fputs("\n## Reasons (label `reason` of `millrace_closes_total` and `millrace_task_error`)\n\n"
	      "| reason | meaning |\n|---|---|\n",
	      to);
	for (unsigned r = 1; r < REASON_MAX; r++)
		fprintf(to, "| `%s` | %s |\n", reason_name(r), reason_help(r));
}
