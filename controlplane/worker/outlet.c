/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/usock.h"

#define WAITING_MAX 2048
#define ROOM_BYTES  (1 << 20)

struct waiting {
	STAILQ_ENTRY(waiting) link;
	int fd;
	size_t n;
	char text[];
};

struct outlet {
	int fd;
	const struct outlet_ops *ops;
	void *arg;
	STAILQ_HEAD(, waiting) queue;
	size_t queued;
	uint64_t gaps;
	bool closed;
};

struct outlet *outlet_new(int fd, const struct outlet_ops *ops, void *arg)
{
	struct outlet *o = calloc(1, sizeof(*o));
	int room = ROOM_BYTES;

	must(o);
	o->fd = fd;
	o->ops = ops;
	o->arg = arg;
	STAILQ_INIT(&o->queue);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return o;
}

static void drop_first(struct outlet *o)
{
	struct waiting *w = STAILQ_FIRST(&o->queue);

	STAILQ_REMOVE_HEAD(&o->queue, link);
	o->queued--;
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

void outlet_free(struct outlet *o)
{
	if (!o)
		return;
	while (!STAILQ_EMPTY(&o->queue))
		drop_first(o);
	close(o->fd);
	free(o);
}

static void flush(struct outlet *o)
{
	struct waiting *w;

	while ((w = STAILQ_FIRST(&o->queue))) {
		ssize_t n = usock_send(o->fd, w->text, w->n, w->fd);

		/* Too many descriptors are on their way: as good as a full socket. */
		if (n == -EAGAIN || n == -ETOOMANYREFS)
			return;
		if (n < 0)
			o->closed = true;
		drop_first(o);
	}
}

static void enqueue(struct outlet *o, const json_t *packet, int fd)
{
	char *text = json_dumps(packet, JSON_COMPACT);
	struct waiting *w;
	size_t n;

	must(text);
	n = strlen(text);
	w = malloc(sizeof(*w) + n);
	must(w);
	w->fd = fd;
	w->n = n;
	memcpy(w->text, text, n);
	free(text);
	STAILQ_INSERT_TAIL(&o->queue, w, link);
	o->queued++;
}

/* Too much waits: a segment is replaced by word that it will not come, other objects go. */
static bool make_gap(struct outlet *o, json_t *packet)
{
	static const char *const not_for_gaps[] = {"pdt_ms", "discontinuity", "init", "key", "iv"};
	const char *what = json_string_value(json_object_get(packet, "hls"));

	if (!what || strcmp(what, "segment") != 0)
		return false;
	o->gaps++;
	json_object_set_new(packet, "hls", json_string("gap"));
	for (size_t i = 0; i < array_len(not_for_gaps); i++)
		json_object_del(packet, not_for_gaps[i]);
	return true;
}

void outlet_send(struct outlet *o, json_t *packet, int fd)
{
	bool keep = true;

	if (o->queued >= WAITING_MAX && fd >= 0) {
		close(fd);
		fd = -1;
		keep = make_gap(o, packet);
	}
	if (keep && o->queued < 2 * WAITING_MAX)
		enqueue(o, packet, fd);
	else if (fd >= 0)
		close(fd);
	json_decref(packet);
	flush(o);
}

static void take(struct outlet *o, const char *text, size_t n)
{
	json_t *answer = json_loadb(text, n, 0, NULL);
	json_t *error = json_object_get(answer, "error");
	const char *stream = json_string_value(json_object_get(answer, "stream"));
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *seq = json_object_get(answer, "media_seq");

	if (stream && code)
		o->ops->refused(o->arg, stream, code, message ? message : "",
				json_is_integer(seq) ? json_integer_value(seq) : -1);
	json_decref(answer);
}

bool outlet_turn(struct outlet *o)
{
	char packet[4096];
	ssize_t n;
	int fd;

	flush(o);
	while ((n = usock_recv(o->fd, packet, sizeof(packet), &fd)) > 0 || n == -EMSGSIZE) {
		if (fd >= 0)
			close(fd);
		if (n > 0)
			take(o, packet, (size_t)n);
	}
	if (n != -EAGAIN)
		o->closed = true;
	return !o->closed;
}

bool outlet_waiting(const struct outlet *o)
{
	return o->queued > 0;
}

int outlet_fd(const struct outlet *o)
{
	return o->fd;
}

uint64_t outlet_gaps(const struct outlet *o)
{
	return o->gaps;
}

/* ---- objects ------------------------------------------------------------------------------------- */

int object_open(void)
{
	int fd = memfd_create("hls", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

bool object_write(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

int object_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
		       ? -errno
		       : 0;
}
