/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "api/hls.h"
#include "base/log.h"
#include "base/usock.h"
#include "session/ctl_request.h"

#define PACKETS_AT_ONCE 16 /* of one channel in a turn */

static struct {
	struct engine *engine;
	int epoll;
	int fd[HLS_CHANNELS_MAX]; /* -1: a free place */
} all = {.epoll = -1};

static void channel_close(unsigned i)
{
	close(all.fd[i]);
	all.fd[i] = -1;
	log_info("hls_channel_end", "channel=%u", i);
}

/* What is wrong with a packet; a worker that does not read loses the answer, not us the time. */
static void complain(unsigned i, const char *stream, const struct ctl_error *e)
{
	json_t *answer = json_pack("{s:{s:s, s:s, s:s}, s:o}", "error", "code", e->code, "field",
				   e->field, "message", e->message, "stream", ctl_text(stream));
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	if (text)
		usock_send(all.fd[i], text, strlen(text), -1);
	free(text);
	json_decref(answer);
}

static void packet_run(unsigned i, const char *p, size_t n, int fd)
{
	struct ctl_error e = {.code = "", .field = ""};
	json_t *packet = json_loadb(p, n, JSON_REJECT_DUPLICATES, NULL);
	const char *stream = json_string_value(json_object_get(packet, "stream"));

	if (!stream)
		ctl_error_set(&e, "bad_request", "stream", "is missing");
	else
		ctl_error_set(&e, "not_found", "stream", "is not open on this channel");
	complain(i, stream ? stream : "", &e);
	json_decref(packet);
}

static void channel_read(unsigned i)
{
	char packet[HLS_PACKET_MAX];
	struct ctl_error e;

	for (unsigned k = 0; k < PACKETS_AT_ONCE; k++) {
		int fd = -1;
		ssize_t n = usock_recv(all.fd[i], packet, sizeof(packet), &fd);

		if (n > 0) {
			packet_run(i, packet, (size_t)n, fd);
		} else if (n == -EMSGSIZE) {
			ctl_error_set(&e, "bad_request", "", "longer than %d bytes",
				      HLS_PACKET_MAX);
			complain(i, "", &e);
		}
		if (fd >= 0)
			close(fd);
		if (n == -EAGAIN)
			return;
		if (n <= 0 && n != -EMSGSIZE) {
			channel_close(i);
			return;
		}
	}
}

int hls_channels_start(struct engine *e)
{
	all.engine = e;
	for (unsigned i = 0; i < HLS_CHANNELS_MAX; i++)
		all.fd[i] = -1;
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	return all.epoll < 0 ? -errno : 0;
}

void hls_channels_stop(void)
{
	if (all.epoll < 0)
		return;
	for (unsigned i = 0; i < HLS_CHANNELS_MAX; i++)
		if (all.fd[i] >= 0)
			channel_close(i);
	close(all.epoll);
	all.epoll = -1;
}

int hls_channels_fd(void)
{
	return all.epoll;
}

void hls_channels_serve(void)
{
	struct epoll_event ev[HLS_CHANNELS_MAX];
	int n = epoll_wait(all.epoll, ev, HLS_CHANNELS_MAX, 0);

	for (int k = 0; k < n; k++)
		if (all.fd[ev[k].data.u32] >= 0)
			channel_read(ev[k].data.u32);
}

int hls_channel_open(int *theirs)
{
	struct epoll_event ev = {.events = EPOLLIN};
	unsigned i = 0;
	int fd[2], r;

	while (i < HLS_CHANNELS_MAX && all.fd[i] >= 0)
		i++;
	if (i == HLS_CHANNELS_MAX)
		return -EMFILE;
	r = usock_pair(fd);
	if (r)
		return r;
	ev.data.u32 = i;
	if (epoll_ctl(all.epoll, EPOLL_CTL_ADD, fd[0], &ev)) {
		r = -errno;
		close(fd[0]);
		close(fd[1]);
		return r;
	}
	all.fd[i] = fd[0];
	*theirs = fd[1];
	log_info("hls_channel", "channel=%u", i);
	return 0;
}

json_t *hls_channel_streams(struct engine *e)
{
	(void)e;
	return json_array();
}
