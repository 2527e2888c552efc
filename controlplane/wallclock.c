/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/wallclock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/log.h"

struct wallclock {
	int fd;
	struct event *readable;
	wallclock_set *fn;
	void *arg;
};

/* A time that does not come: only a clock that is set ends the wait. */
static int arm(int fd)
{
	struct itimerspec never = {.it_value = {.tv_sec = INT32_MAX}};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wallclock *w = arg;
	uint64_t expired;
	bool set = read(fd, &expired, sizeof(expired)) < 0 && errno == ECANCELED;

	if (arm(fd))
		event_del(w->readable);
	if (!set)
		return;
	log_warn("clock_set", "what=\"the wall clock was set; schedules are looked at again\"");
	w->fn(w->arg);
}

struct wallclock *wallclock_new(struct event_base *base, wallclock_set *fn, void *arg)
{
	struct wallclock *w;
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return NULL;
	w = calloc(1, sizeof(*w));
	must(w && !arm(fd));
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	w->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, w);
	must(w->readable);
	event_add(w->readable, NULL);
	return w;
}

void wallclock_free(struct wallclock *w)
{
	if (!w)
		return;
	event_free(w->readable);
	close(w->fd);
	free(w);
}
