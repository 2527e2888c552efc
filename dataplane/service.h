/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager and whoever starts an upgrade are told: that this process serves.
 *
 *   service_detach --the child goes on--> ... service_ready --> the parent ends well
 *
 * Threads: main.
 */
#ifndef DATAPLANE_SERVICE_H
#define DATAPLANE_SERVICE_H

/*
 * Goes on in a child process; the parent stays until the child is ready (exits 0) or has ended (1).
 * 0 or -errno. Before any other thread.
 */
int service_detach(void);
/* Tells the parent, and systemd by $NOTIFY_SOCKET, whose main process this one becomes. */
void service_ready(void);

#endif
