/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ctl_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/usock.h"

#define LIST_TAIL 16u /* "],\"more\":true}" */

struct ctl_packet {
	STAILQ_ENTRY(ctl_packet) link;
	size_t n;
	int fd; /* owned; -1: none */
	char text[];
};

void ctl_client_open(struct ctl_client *c, int fd, uint32_t serial)
{
	*c = (struct ctl_client){.fd = fd, .serial = serial};
	STAILQ_INIT(&c->queued);
}

static void packet_free(struct ctl_packet *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

void ctl_client_close(struct ctl_client *c)
{
	struct ctl_packet *p;

	while ((p = STAILQ_FIRST(&c->queued))) {
		STAILQ_REMOVE_HEAD(&c->queued, link);
		packet_free(p);
	}
	close(c->fd);
	c->fd = -1;
}

bool ctl_client_ready(const struct ctl_client *c)
{
	return !c->queued_n && c->asked < CTL_ASKED_MAX;
}

/* ---- packets --------------------------------------------------------------------------------- */

static void enqueue(struct ctl_client *c, const char *text, size_t n, int pass_fd)
{
	struct ctl_packet *p = malloc(sizeof(*p) + n);

	if (!p) {
		c->broken = true;
		return;
	}
	p->n = n;
	p->fd = pass_fd < 0 ? -1 : fcntl(pass_fd, F_DUPFD_CLOEXEC, 0);
	memcpy(p->text, text, n);
	STAILQ_INSERT_TAIL(&c->queued, p, link);
	c->queued_n++;
}

static void send_text(struct ctl_client *c, const char *text, size_t n, int pass_fd)
{
	ssize_t r;

	if (c->queued_n) {
		enqueue(c, text, n, pass_fd);
		return;
	}
	r = usock_send(c->fd, text, n, pass_fd);
	if (r == -EAGAIN)
		enqueue(c, text, n, pass_fd);
	else if (r < 0)
		c->broken = true;
}

static void send_json(struct ctl_client *c, const json_t *packet, int pass_fd)
{
	char *text = packet ? json_dumps(packet, JSON_COMPACT) : NULL;

	if (text)
		send_text(c, text, strlen(text), pass_fd);
	else
		c->broken = true;
	free(text);
}

void ctl_client_flush(struct ctl_client *c)
{
	struct ctl_packet *p;

	while ((p = STAILQ_FIRST(&c->queued))) {
		ssize_t r = usock_send(c->fd, p->text, p->n, p->fd);

		if (r == -EAGAIN)
			return;
		if (r < 0)
			c->broken = true;
		STAILQ_REMOVE_HEAD(&c->queued, link);
		c->queued_n--;
		packet_free(p);
	}
	if (c->lost) {
		uint64_t count = c->lost;

		c->lost = 0;
		ctl_client_lost(c, count);
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

static json_t *head(json_t *id)
{
	return json_pack("{s:O, s:n}", "id", id ? id : json_null(), "error");
}

void ctl_client_answer(struct ctl_client *c, json_t *id, json_t *body, int pass_fd)
{
	json_t *packet = head(id);

	if (packet && body)
		json_object_update(packet, body);
	json_decref(body);
	send_json(c, packet, pass_fd);
	json_decref(packet);
}

void ctl_client_refuse(struct ctl_client *c, json_t *id, const struct ctl_error *e)
{
	json_t *packet = json_pack("{s:O, s:{s:s, s:s}}", "id", id ? id : json_null(), "error",
				   "code", e->code, "message", e->message);

	if (packet && e->field[0])
		json_object_set_new(json_object_get(packet, "error"), "field",
				    json_string(e->field));
	send_json(c, packet, -1);
	json_decref(packet);
}

void ctl_client_list(struct ctl_client *c, json_t *id, const char *key, json_t *list)
{
	static char text[CTL_PACKET_MAX]; /* the control thread's */
	char start[128];
	size_t start_n = (size_t)snprintf(
		start, sizeof(start), "{\"id\":%" JSON_INTEGER_FORMAT ",\"error\":null,\"%s\":[",
		json_integer_value(id), key);
	size_t n = start_n;
	size_t i;
	json_t *item;

	memcpy(text, start, start_n);
	json_array_foreach (list, i, item) {
		size_t room = sizeof(text) - n - LIST_TAIL;
		size_t need = json_dumpb(item, text + n, room - 1, JSON_COMPACT);

		if (need == 0 || need > sizeof(text) - start_n - LIST_TAIL - 1)
			continue; /* cannot be: every text in it is bounded far below */
		if (need > room - 1) {
			n--; /* the last comma */
			n += (size_t)sprintf(text + n, "],\"more\":true}");
			send_text(c, text, n, -1);
			n = start_n;
			json_dumpb(item, text + n, need, JSON_COMPACT);
		}
		n += need;
		text[n++] = ',';
	}
	if (n > start_n)
		n--;
	n += (size_t)sprintf(text + n, "]}");
	send_text(c, text, n, -1);
	json_decref(list);
}

/* ---- events ---------------------------------------------------------------------------------- */

void ctl_client_event(struct ctl_client *c, const json_t *event)
{
	if (c->queued_n >= CTL_QUEUED_MAX)
		c->lost++;
	else
		send_json(c, event, -1);
}

void ctl_client_lost(struct ctl_client *c, uint64_t count)
{
	json_t *event = json_pack("{s:s, s:I}", "event", "lost", "count", (json_int_t)count);

	if (c->queued_n >= CTL_QUEUED_MAX)
		c->lost += count;
	else
		send_json(c, event, -1);
	json_decref(event);
}
