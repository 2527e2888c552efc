/* SPDX-License-Identifier: Apache-2.0 */
#include "session/event_queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SLOTS 4096u

static struct {
	_Atomic bool open, rung;
	_Atomic uint64_t put, lost;
	uint64_t taken;
	int fd;
	struct {
		_Atomic uint64_t
			turn; /* position p may be written when turn is p, read when p + 1 */
		struct event event;
	} slot[SLOTS];
} queue = {.fd = -1};

int event_queue_open(void)
{
	if (queue.fd < 0)
		queue.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue.fd < 0)
		return -errno;
	if (atomic_load(&queue.put) == 0)
		for (uint64_t i = 0; i < SLOTS; i++)
			atomic_store(&queue.slot[i].turn, i);
	atomic_store(&queue.open, true);
	return 0;
}

void event_queue_close(void)
{
	struct event left;

	atomic_store(&queue.open, false);
	while (event_take(&left))
		free(left.more);
}

int event_queue_fd(void)
{
	return queue.fd;
}

static void ring(void)
{
	const uint64_t one = 1;

	if (atomic_exchange(&queue.rung, true))
		return;
	/* It can only fail when it is readable anyway. */
	if (write(queue.fd, &one, sizeof(one)) < 0)
		return;
}

void event_push(const struct event *e)
{
	uint64_t at = atomic_load_explicit(&queue.put, memory_order_relaxed);

	if (!atomic_load_explicit(&queue.open, memory_order_acquire)) {
		free(e->more);
		return;
	}
	for (;;) {
		_Atomic uint64_t *turn = &queue.slot[at % SLOTS].turn;
		int64_t ahead = (int64_t)(atomic_load_explicit(turn, memory_order_acquire) - at);

		if (ahead < 0) {
			atomic_fetch_add(&queue.lost, 1);
			free(e->more);
			break;
		}
		if (ahead > 0) {
			at = atomic_load_explicit(&queue.put, memory_order_relaxed);
			continue;
		}
		if (!atomic_compare_exchange_weak(&queue.put, &at, at + 1))
			continue;
		queue.slot[at % SLOTS].event = *e;
		atomic_store_explicit(turn, at + 1, memory_order_release);
		break;
	}
	ring();
}

void event_queue_heard(void)
{
	uint64_t n;

	while (read(queue.fd, &n, sizeof(n)) > 0)
		;
	atomic_store(&queue.rung, false);
}

bool event_take(struct event *out)
{
	uint64_t at = queue.taken;
	_Atomic uint64_t *turn = &queue.slot[at % SLOTS].turn;

	if (atomic_load_explicit(turn, memory_order_acquire) != at + 1)
		return false;
	*out = queue.slot[at % SLOTS].event;
	atomic_store_explicit(turn, at + SLOTS, memory_order_release);
	queue.taken = at + 1;
	return true;
}

uint64_t event_queue_lost(void)
{
	return atomic_exchange(&queue.lost, 0);
}
