/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/job.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/usock.h"

#define LOOK_US 50000 /* the channel is looked at this often while work is done */

static volatile sig_atomic_t told_to_stop;
static bool closed;
static int came_fd = -1; /* the first descriptor that came beside a packet */

static void on_term(int sig)
{
	told_to_stop = 1;
}

/* ---- in -------------------------------------------------------------------------------------- */

static char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));
	char *copy = strdup(text ? text : "");

	must(copy);
	return copy;
}

static int64_t int_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static enum job_kind kind_of(const char *word)
{
	if (word && !strcmp(word, "package"))
		return JOB_PACKAGE;
	if (word && !strcmp(word, "channel"))
		return JOB_CHANNEL;
	if (word && !strcmp(word, "probe"))
		return JOB_PROBE;
	if (word && !strcmp(word, "push"))
		return JOB_PUSH;
	return word && !strcmp(word, "list") ? JOB_LIST : JOB_LIVE;
}

/* It plays a stream of the data plane. */
static bool plays(enum job_kind kind)
{
	return kind == JOB_PACKAGE || kind == JOB_CHANNEL;
}

static bool complete(const struct job *j)
{
	if (j->kind == JOB_PACKAGE)
		return *j->output && j->outlet >= 0;
	if (j->kind == JOB_CHANNEL)
		return *j->output && *j->stream && *j->folder && *j->playlist && j->frag_ms > 0;
	return j->urls && j->file >= 0 && j->file < j->urls && j->connect_ms > 0 &&
	       j->media_ms > 0 && (*j->output || j->kind == JOB_PROBE);
}

static void read_urls(const json_t *list, char **url, unsigned *n)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (*n < JOB_URLS && json_is_string(one)) {
			url[*n] = strdup(json_string_value(one));
			must(url[*n]);
			++*n;
		}
}

static bool describe(struct job *j, const json_t *o)
{
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *level = json_string_value(json_object_get(o, "log"));

	*j = (struct job){.kind = kind_of(kind), .outlet = came_fd};
	read_urls(json_object_get(o, "urls"), j->url, &j->urls);
	j->protocol = text_of(o, "protocol");
	j->output = text_of(o, plays(j->kind) ? "play" : "output");
	j->deny = text_of(o, "deny");
	j->ca = text_of(o, "ca");
	j->files = text_of(o, "files");
	j->slate = text_of(o, "slate");
	j->wary = json_is_true(json_object_get(o, "wary"));
	j->switch_ms = int_of(o, "switch_ms");
	j->return_ms = int_of(o, "return_ms");
	j->folder = text_of(o, "folder");
	j->retain_ms = int_of(o, "retain_ms");
	j->stream = text_of(o, "stream");
	j->pass = text_of(o, "pass");
	j->playlist = text_of(o, "playlist");
	j->frag_ms = int_of(o, "frag_ms");
	j->frag_count = int_of(o, "frag_count");
	j->verify = json_is_true(json_object_get(o, "verify"));
	j->repeat = int_of(o, "repeat");
	j->file = int_of(o, "file");
	j->offset_ms = int_of(o, "offset_ms");
	j->round = int_of(o, "round");
	j->connect_ms = int_of(o, "connect_ms");
	j->media_ms = int_of(o, "media_ms");
	j->log_level = level ? log_level_of(level) : LOG_INFO;
	return kind && complete(j);
}

/* One packet; NULL: none now, or it was nothing; closed is set at the end. */
static json_t *receive(void)
{
	static char packet[JOB_PACKET_MAX];
	int fd;
	ssize_t n = usock_recv(JOB_FD, packet, sizeof(packet), &fd);

	if (fd >= 0 && came_fd >= 0)
		close(fd);
	else if (fd >= 0)
		came_fd = fd;
	if (n == 0 || (n < 0 && n != -EAGAIN && n != -EMSGSIZE))
		closed = true;
	return n > 0 ? json_loadb(packet, (size_t)n, 0, NULL) : NULL;
}

bool job_receive(struct job *j)
{
	struct sigaction term = {.sa_handler = on_term};
	struct pollfd p = {JOB_FD, POLLIN, 0};
	json_t *o = NULL;
	bool fine;

	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGINT, &term, NULL);
	while (!o && !closed && !told_to_stop)
		if (poll(&p, 1, -1) > 0)
			o = receive();
	fine = o && describe(j, o);
	json_decref(o);
	return fine;
}

static void free_urls(char **url, unsigned *n)
{
	while (*n)
		free(url[--*n]);
}

void job_free(struct job *j)
{
	free_urls(j->url, &j->urls);
	free_urls(j->next_url, &j->next_urls);
	free(j->protocol);
	free(j->output);
	free(j->deny);
	free(j->ca);
	free(j->files);
	free(j->slate);
	free(j->folder);
	free(j->stream);
	free(j->pass);
	free(j->playlist);
}

static void take_next(struct job *j, const json_t *o)
{
	const json_t *next = json_object_get(o, "next");

	if (!json_is_array(next))
		return;
	free_urls(j->next_url, &j->next_urls);
	read_urls(next, j->next_url, &j->next_urls);
	j->next_now = json_is_true(json_object_get(o, "now"));
	j->next_number = int_of(o, "number");
}

static void take_all(struct job *j)
{
	const json_t *repeat;
	json_t *o;

	while ((o = receive())) {
		repeat = json_object_get(o, "repeat");
		if (json_is_integer(repeat))
			j->repeat = json_integer_value(repeat);
		take_next(j, o);
		json_decref(o);
	}
}

bool job_stopping(struct job *j)
{
	static uint64_t looked_us;
	uint64_t now;

	if (j->stop)
		return *j->stop;
	now = clock_us();
	if (now - looked_us >= LOOK_US) {
		looked_us = now;
		if (j->kind != JOB_PACKAGE)
			take_all(j);
	}
	return closed || told_to_stop;
}

json_t *job_take(void)
{
	return receive();
}

bool job_has_next(struct job *j)
{
	take_all(j);
	return j->next_urls;
}

bool job_orphaned(void)
{
	return closed && !told_to_stop;
}

bool job_wait(struct job *j, uint64_t until_us)
{
	struct pollfd p = {JOB_FD, POLLIN, 0};

	for (uint64_t now = clock_us(); now < until_us && !closed && !told_to_stop;
	     now = clock_us()) {
		struct timespec ts = {(time_t)((until_us - now) / 1000000),
				      (long)((until_us - now) % 1000000 * 1000)};

		if (ppoll(&p, 1, &ts, NULL) > 0)
			take_all(j);
	}
	return job_stopping(j);
}

/* ---- out ------------------------------------------------------------------------------------- */

bool job_say_packet(json_t *packet)
{
	char *text = json_dumps(packet, JSON_COMPACT);
	ssize_t n;

	must(text);
	n = usock_send(JOB_FD, text, strlen(text), -1);
	free(text);
	json_decref(packet);
	return n >= 0;
}

/* A control plane that does not read misses news, not the job its time. */
static void say(json_t *o)
{
	job_say_packet(o);
}

void job_say(const char *event)
{
	say(json_pack("{ss}", "event", event));
}

void job_say_position(int64_t file, int64_t offset_ms, int64_t round, uint64_t bytes)
{
	say(json_pack("{ss sI sI sI sI}", "event", "position", "file", (json_int_t)file,
		      "offset_ms", (json_int_t)offset_ms, "round", (json_int_t)round, "bytes",
		      (json_int_t)bytes));
}

void job_say_probed(int64_t duration_ms, const char *video, int width, int height,
		    const char *audio, int rate, int channels)
{
	say(json_pack("{ss sI ss si si ss si si}", "event", "probed", "duration_ms",
		      (json_int_t)duration_ms, "video", video, "width", width, "height", height,
		      "audio", audio, "rate", rate, "channels", channels));
}

void job_take_next(struct job *j)
{
	if (!j->next_urls)
		return;
	free_urls(j->url, &j->urls);
	memcpy(j->url, j->next_url, sizeof(j->url));
	j->urls = j->next_urls;
	j->next_urls = 0;
	say(json_pack("{ss sI}", "event", "list", "number", (json_int_t)j->next_number));
}

void job_say_source(int number, enum reason why)
{
	say(json_pack("{ss si ss}", "event", "source", "number", number, "reason",
		      reason_name(why)));
}

void job_say_skipped(int64_t file, const struct fault *f)
{
	say(json_pack("{ss sI ss ss}", "event", "skipped", "file", (json_int_t)file, "reason",
		      reason_name(f->reason), "detail", f->detail));
}

void job_say_failed(const struct fault *f, bool output)
{
	say(json_pack("{ss ss ss sb}", "event", "failed", "reason", reason_name(f->reason),
		      "detail", f->detail, "output", output));
}
