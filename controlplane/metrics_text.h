/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of metrics, and how a metric becomes lines of Prometheus text (format 0.0.4).
 *
 * Every series is written by metric_put() with the values of the labels that its row in metrics.def
 * names, in that order; metric_head() comes once before a metric's first series. Threads: pure, any.
 */
#ifndef CONTROLPLANE_METRICS_TEXT_H
#define CONTROLPLANE_METRICS_TEXT_H

#include <stdio.h>

#include "api/counters.h"

struct evbuffer;

enum metric {
#define METRIC(sym, name, kind, labels, help) M_##sym,
#include "controlplane/metrics.def"
#undef METRIC
	METRICS,
};

#define METRIC_LABELS_MAX 6
#define METRIC_NAME_MAX	  96

/* HELP and TYPE. */
void metric_head(struct evbuffer *out, enum metric m);
/* One series: metric_put(out, M_TASK_STATE, 1, task_id). */
#define metric_put(out, m, value, ...) \
	metric_line(out, m, value, (const char *const[METRIC_LABELS_MAX]){__VA_ARGS__})
void metric_line(struct evbuffer *out, enum metric m, double value,
		 const char *const values[METRIC_LABELS_MAX]);
/* Head and series of a metric without labels. */
void metric_one(struct evbuffer *out, enum metric m, double value);
/*
 * A histogram's lines; bounds: of n - 1 buckets in the metric's unit, the last one has none. labels as
 * for metric_put().
 */
struct metric_hist {
	unsigned n;
	const double *bounds;
	uint64_t counts[24];
	double sum;
};
#define metric_hist_put(out, m, hist, ...) \
	metric_hist_lines(out, m, hist, (const char *const[METRIC_LABELS_MAX]){__VA_ARGS__})
void metric_hist_lines(struct evbuffer *out, enum metric m, const struct metric_hist *h,
		       const char *const values[METRIC_LABELS_MAX]);
/* A counter of the data plane: head and one series per core, from at(arg, core). */
void metric_counter(struct evbuffer *out, enum counter c, uint32_t cores,
		    uint64_t (*at)(const void *arg, uint32_t core, enum counter c),
		    const void *arg);

/* A label's value with \, " and line ends escaped and bytes that are not UTF-8 as %XX; returns dst. */
const char *metrics_label(char *dst, size_t n, const char *text);
/* The Prometheus names: base units, _total for counters; each returns dst. */
const char *metric_name(char dst[METRIC_NAME_MAX], enum metric m);
const char *metric_counter_name(char dst[METRIC_NAME_MAX], enum counter c);
/* METRICS.md. */
void metrics_doc(FILE *to);

#endif
