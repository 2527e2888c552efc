/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/job_spec.h"
#include "controlplane/pull_origin.h"
#include "controlplane/pulls_in.h"

#define PAUSE_US       2000000u /* between a failure and the next source of a regular pull */
#define AGAIN_PAUSE_US 500000u
#define AGAIN_US       30000000u /* a triggered one that ran is tried again for so long */

/* An answer finds its pull by leg: it may be gone. */
struct asked {
	struct pulls *pulls;
	char leg[PULL_LEG_TEXT];
	bool create;
};

void pull_again(struct pull *q)
{
	q->again_us = clock_us() + AGAIN_US;
}

static void failed(struct pulls *p, struct pull *q)
{
	uint64_t now = clock_us();

	/* Viewers stay for publish.hold: one that ran is brought back to them. */
	if (q->running && q->n)
		pull_again(q);
	q->running = false;
	q->failures++;
	if (q->n)
		q->at = (q->at + 1) % q->n;
	q->after_us = now + (q->regular ? PAUSE_US : now < q->again_us ? AGAIN_PAUSE_US : 0);
	q->sought = q->edge;
	/* What somebody asked for, and what never came, is tried from each source once. */
	if (!q->regular && q->failures >= q->n && now >= q->again_us)
		q->wanted = false;
}

static void on_answer(void *arg, json_t *answer)
{
	struct asked *a = arg;
	struct pulls *p = a->pulls;
	struct pull *q = pulls_find_leg(p, a->leg);
	char text[300];

	if (q) {
		q->busy = false;
		if (!a->create || !answer)
			q->on = false;
		if (a->create && answer && dp_error(answer)) {
			log_warn("pull_refused", "stream=%s why=%s", q->key,
				 log_q(text, sizeof(text), dp_text(dp_error(answer), "message")));
			q->on = false;
			failed(p, q);
		}
		pull_step(p, q);
	}
	free(a);
}

static void ask(struct pulls *p, struct pull *q, bool create, json_t *keys)
{
	struct asked *a = calloc(1, sizeof(*a));

	must(a);
	*a = (struct asked){.pulls = p, .create = create};
	snprintf(a->leg, sizeof(a->leg), "%s", q->leg);
	json_object_set_new(keys, "leg", json_string(q->leg));
	q->busy = true;
	dp_request(p->cp->dp, create ? "pull.create" : "pull.remove", keys, on_answer, a);
}

static void start(struct pulls *p, struct pull *q)
{
	const char *url = q->source[q->at];

	q->on = true;
	q->worker = !pull_is_native(url);
	if (q->worker)
		jobs_start(
			p->jobs, q->leg,
			job_spec_pull(url, pull_protocol(url), q->key, &p->cp->conf, p->inner_key));
	else
		ask(p, q, true, json_pack("{ss ss}", "url", url, "stream", q->key));
}

/* The worker is gone, or goes. */
static void drop_worker(struct pulls *p, struct pull *q)
{
	jobs_stop(p->jobs, q->leg);
	q->on = q->worker = q->running = false;
}

void pull_step(struct pulls *p, struct pull *q)
{
	bool wanted = q->wanted && pull_is_mine(p, q);

	if (!dp_up(p->cp->dp) || !p->listed || q->busy)
		return;
	if (q->sought && clock_us() >= q->again_us)
		wanted = q->wanted = false;
	if (q->on && (!wanted || q->stale)) {
		q->stale = false;
		if (!q->worker) {
			ask(p, q, false, json_object());
			return;
		}
		drop_worker(p, q);
	}
	if (q->on)
		return;
	if (!q->wanted) {
		pull_free(p, q);
	} else if (wanted && q->sought && clock_us() >= q->after_us) {
		q->after_us = clock_us() + PAUSE_US;
		pull_seek_again(p, q);
	} else if (wanted && q->n && !q->sought && clock_us() >= q->after_us) {
		start(p, q);
	}
}

/* ---- what the data plane has ------------------------------------------------------------------------- */

/* Goes on with the source that was found running; false: it is none of them. */
bool pull_take_found(struct pull *q)
{
	char digest[DIGEST_TEXT];

	for (unsigned i = 0; i < q->n; i++) {
		if (strcmp(digest_text(digest, q->source[i]), q->found))
			continue;
		q->at = i;
		return true;
	}
	return false;
}

static void take_row(struct pulls *p, const json_t *row)
{
	struct pull *q = pulls_find_leg(p, dp_text(row, "id"));

	if (strncmp(dp_text(row, "id"), PULL_LEG_PREFIX, strlen(PULL_LEG_PREFIX)) ||
	    (q && q->worker))
		return;
	/* One of an earlier process: triggered, unless a window wants it. */
	if (!q)
		q = pull_new(p, dp_text(row, "stream"));
	q->on = true;
	q->running = !strcmp(dp_text(row, "state"), "running");
	snprintf(q->found, sizeof(q->found), "%s", dp_text(row, "url_digest"));
	if (q->n)
		q->stale = !pull_take_found(q);
	/* It ended while nobody was told. */
	if (!strcmp(dp_text(row, "state"), "failed")) {
		failed(p, q);
		ask(p, q, false, json_object());
	}
}

static void on_list(void *arg, json_t *answer)
{
	struct pulls *p = arg;
	struct pull *q;
	json_t *row;
	size_t i;

	if (!answer || dp_error(answer))
		return;
	TAILQ_FOREACH (q, &p->list, link)
		if (!q->worker)
			q->on = q->busy = q->running = false;
	json_array_foreach (json_object_get(answer, "pulls"), i, row)
		take_row(p, row);
	p->listed = true;
	pulls_step_all(p);
}

void pulls_up(struct pulls *p)
{
	const char *key = dp_inner_key(p->cp->dp);
	struct pull *q;

	p->listed = false;
	/* Workers published to the data plane that is gone. */
	if (strcmp(p->inner_key, key) != 0)
		TAILQ_FOREACH (q, &p->list, link)
			if (q->worker)
				drop_worker(p, q);
	snprintf(p->inner_key, sizeof(p->inner_key), "%s", key);
	dp_request(p->cp->dp, "pull.list", NULL, on_list, p);
}

/* ---- news --------------------------------------------------------------------------------------------- */

static void ran(struct pull *q)
{
	q->running = true;
	q->failures = 0;
}

void pulls_on_state(struct pulls *p, const json_t *event)
{
	struct pull *q = pulls_find_leg(p, dp_text(event, "id"));
	const char *state = dp_text(event, "state");

	if (!q || !q->on || q->busy || q->worker)
		return;
	if (!strcmp(state, "running")) {
		ran(q);
	} else if (!strcmp(state, "failed")) {
		log_warn("pull_failed", "stream=%s source=%u reason=%s", q->key, q->at,
			 dp_text(event, "reason"));
		failed(p, q);
		ask(p, q, false, json_object());
	}
}

static void on_job_state(void *arg, const char *leg, enum leg_state state, enum reason reason,
			 const char *detail)
{
	struct pulls *p = arg;
	struct pull *q = pulls_find_leg(p, leg);
	char text[300];

	if (!q || !q->worker)
		return;
	if (state == LEG_RUNNING)
		ran(q);
	if (state != LEG_FAILED)
		return;
	log_warn("pull_failed", "stream=%s source=%u reason=%s detail=%s", q->key, q->at,
		 reason_name(reason), log_q(text, sizeof(text), detail));
	failed(p, q);
	drop_worker(p, q);
	pull_step(p, q);
}

/* Of lists of files and of several sources, which pulls have none of. */
static void on_job_progress(void *arg, const char *leg, const struct job_progress *progress)
{
}

static void on_job_skipped(void *arg, const char *leg, int64_t file, const char *reason,
			   const char *detail)
{
}

static void on_job_told(void *arg, const char *leg, const json_t *event)
{
}

const struct jobs_ops pulls_jobs_ops = {on_job_state, on_job_progress, on_job_skipped, on_job_told};
