/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/flvsource.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavformat/avformat.h>

#include "base/check.h"
#include "controlplane/worker/fault.h"

#define READ_BYTES 262144
#define HEAD_MAX   16384

static uint8_t shared[FLVREAD_TAG_MAX + READ_BYTES]; /* touched as far as tags are long */

bool flvsource_place(struct flvsource_place *place, const char *url)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	char host[128], port[16];
	int number = 0;
	bool fine;

	av_url_split(NULL, 0, NULL, 0, host, sizeof(host), &number, NULL, 0, url);
	snprintf(port, sizeof(port), "%d", number > 0 ? number : 80);
	if (getaddrinfo(host, port, &hints, &found))
		return false;
	fine = found->ai_addrlen <= sizeof(place->address);
	if (fine) {
		memcpy(&place->address, found->ai_addr, found->ai_addrlen);
		place->n = found->ai_addrlen;
		snprintf(place->host, sizeof(place->host), strchr(host, ':') ? "[%s]:%s" : "%s:%s",
			 host, port);
	}
	freeaddrinfo(found);
	return fine;
}

void flvsource_init(struct flvsource *s)
{
	*s = (struct flvsource){.fd = -1};
}

/* A name's bytes as a path may hold them. */
static void put_path(char *dst, size_t room, const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~/";
	size_t n = 0;

	for (; *name && n + 4 < room; name++)
		if (strchr(plain, *name))
			dst[n++] = *name;
		else
			n += (size_t)snprintf(dst + n, room - n, "%%%02X", (unsigned char)*name);
	dst[n] = 0;
}

static int ask(struct flvsource *s, const struct flvsource_place *place, const char *stream,
	       const char *pass)
{
	const char *slash = strchr(stream, '/');
	char path[700];
	int n;

	if (!slash)
		return -EINVAL;
	put_path(path, sizeof(path), slash + 1);
	n = snprintf(s->request, sizeof(s->request),
		     "GET /%s.flv?vhost=%.*s&pass=%s HTTP/1.1\r\nHost: %s\r\n"
		     "User-Agent: millrace-worker\r\nConnection: close\r\n\r\n",
		     path, (int)(slash - stream), stream, pass, place->host);
	return n < (int)sizeof(s->request) ? 0 : -ENAMETOOLONG;
}

int flvsource_open(struct flvsource *s, const struct flvsource_place *place, const char *stream,
		   const char *pass)
{
	int rc = ask(s, place, stream, pass);

	flvsource_close(s);
	if (rc)
		return rc;
	s->fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	if (connect(s->fd, (const struct sockaddr *)&place->address, place->n) &&
	    errno != EINPROGRESS) {
		rc = -errno;
		flvsource_close(s);
		return rc;
	}
	s->state = FLVSOURCE_ASKING;
	s->asked_n = 0;
	return 0;
}

void flvsource_close(struct flvsource *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->left);
	s->left = NULL;
	s->left_n = 0;
	s->fd = -1;
	s->state = FLVSOURCE_CLOSED;
}

static bool send_request(struct flvsource *s, struct fault *f)
{
	size_t n = strlen(s->request + s->asked_n);
	ssize_t done = n ? send(s->fd, s->request + s->asked_n, n, MSG_NOSIGNAL) : 0;

	if (done < 0 && errno != EAGAIN && errno != ENOTCONN) {
		fault_set(f, errno == ECONNREFUSED ? REASON_CONNECT_REFUSED : REASON_REMOTE_CLOSED,
			  "%s", strerror(errno));
		return false;
	}
	s->asked_n += done > 0 ? (size_t)done : 0;
	return true;
}

/* The answer's head. Bytes taken, 0: more is needed, -1: it is no use. */
static ssize_t read_answer(const uint8_t *p, size_t n, struct fault *f)
{
	const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
	int status = 0;

	if (!end && n <= HEAD_MAX)
		return 0;
	if (!end || sscanf((const char *)p, "HTTP/1.%*1d %3d", &status) != 1)
		fault_set(f, REASON_REMOTE_PROTOCOL, "the answer is not HTTP");
	else if (status == 200)
		return end + 4 - p;
	else if (status == 404)
		fault_set(f, REASON_STREAM_NOT_FOUND, "the stream is not live");
	else
		fault_set(f, REASON_REMOTE_STATUS, "the data plane answered %d", status);
	return -1;
}

static ssize_t step(struct flvsource *s, const uint8_t *p, size_t n, struct flv_item *it,
		    struct fault *f)
{
	ssize_t took;

	*it = (struct flv_item){0};
	switch (s->state) {
	case FLVSOURCE_ASKING:
		took = read_answer(p, n, f);
		if (took > 0)
			s->state = FLVSOURCE_HEAD;
		return took;
	case FLVSOURCE_HEAD:
		took = flvread_head(p, n);
		if (took > 0) {
			s->audio = p[4] & 4;
			s->video = p[4] & 1;
			s->state = FLVSOURCE_FLOWING;
		}
		break;
	default:
		took = flvread_tag(p, n, it);
		break;
	}
	if (took < 0)
		fault_set(f, REASON_BAD_FLV, "the data plane's FLV cannot be read");
	return took;
}

static void keep(struct flvsource *s, const uint8_t *p, size_t n)
{
	free(s->left);
	s->left = NULL;
	s->left_n = n;
	if (!n)
		return;
	s->left = malloc(n);
	must(s->left);
	memcpy(s->left, p, n);
}

static bool take(struct flvsource *s, size_t n, void (*item)(void *arg, const struct flv_item *it),
		 void *arg, struct fault *f)
{
	struct flv_item it;
	size_t at = 0;
	ssize_t took;

	shared[n] = 0; /* the answer's head is read as text */
	while ((took = step(s, shared + at, n - at, &it, f)) > 0) {
		at += (size_t)took;
		if (it.what != FLV_NOTHING)
			item(arg, &it);
	}
	keep(s, shared + at, n - at);
	return took == 0;
}

bool flvsource_turn(struct flvsource *s, void (*item)(void *arg, const struct flv_item *it),
		    void *arg, struct fault *f)
{
	ssize_t n;

	if (s->state == FLVSOURCE_ASKING && !send_request(s, f))
		return false;
	n = recv(s->fd, shared + s->left_n, sizeof(shared) - s->left_n - 1, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
		return true;
	if (n <= 0) {
		fault_set(f, n ? REASON_REMOTE_CLOSED : REASON_REMOTE_ENDED, "%s",
			  n ? strerror(errno) : "the data plane closed the stream");
		return false;
	}
	if (s->left_n)
		memcpy(shared, s->left, s->left_n);
	return take(s, s->left_n + (size_t)n, item, arg, f);
}
