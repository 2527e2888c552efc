/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/usock.h"

static int parent = -1; /* written to when ready */

int service_detach(void)
{
	int ends[2];
	char one;
	pid_t pid;

	if (pipe(ends))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(ends[1]);
		_exit(read(ends[0], &one, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	close(ends[0]);
	parent = ends[1];
	return 0;
}

void service_ready(void)
{
	const char *where = getenv("NOTIFY_SOCKET"); /* sd_notify(3) */
	char text[64];

	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", (int)getpid());
	if (where)
		usock_notify(where, text);
	if (parent < 0)
		return;
	if (write(parent, "", 1) < 0)
		log_debug("detach", "message=\"nobody waits any more\"");
	close(parent);
	parent = -1;
}
