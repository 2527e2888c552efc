/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring and kernel TLS, for millrace doctor: by the kernel's interface itself, without a library. */
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/cli/doctor.h"

#define URING "io_uring"

/* Newer than the headers of Debian 12. */
#define FEAT_RECVSEND_BUNDLE (1u << 14)
#define FEAT_MIN_TIMEOUT     (1u << 15)
#define REGISTER_NAPI	     27
#define OP_SEND_ZC	     47
#define OP_SENDMSG_ZC	     48
#define OP_RECV_ZC	     58

/* ---- io_uring ------------------------------------------------------------------------------ */

static int ring_open(uint32_t flags, struct io_uring_params *p)
{
	int fd;

	*p = (struct io_uring_params){.flags = flags};
	fd = (int)syscall(__NR_io_uring_setup, 8, p);
	return fd < 0 ? -errno : fd;
}

static int ring_register(int ring, unsigned op, void *arg, unsigned n)
{
	return syscall(__NR_io_uring_register, ring, op, arg, n) < 0 ? -errno : 0;
}

static void found(struct findings *f, const char *what, bool there, enum grade without,
		  const char *advice)
{
	finding_add(f, there ? GOOD : without, URING, what, advice, "%s", there ? "yes" : "no");
}

static void ring_modes(struct findings *f)
{
	struct io_uring_params p;
	int fd = ring_open(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, &p);

	found(f, "deferred completions (DEFER_TASKRUN)", fd >= 0, GAP,
	      "Linux 6.1 has it. Without it completions interrupt the core: more CPU per viewer.");
	if (fd >= 0)
		close(fd);
	fd = ring_open(IORING_SETUP_COOP_TASKRUN, &p);
	found(f, "cooperative completions (COOP_TASKRUN)", fd >= 0, MISSING,
	      "Linux 5.19 or newer is needed.");
	if (fd >= 0)
		close(fd);
}

static bool has_op(const struct io_uring_probe *probe, unsigned op)
{
	return op <= probe->last_op && probe->ops[op].flags & IO_URING_OP_SUPPORTED;
}

static void ring_operations(struct findings *f, int ring)
{
	struct io_uring_probe *probe =
		calloc(1, sizeof(*probe) + 256 * sizeof(struct io_uring_probe_op));

	must(probe);
	if (!ring_register(ring, IORING_REGISTER_PROBE, probe, 256)) {
		found(f, "accept, connect, receive, send",
		      has_op(probe, IORING_OP_ACCEPT) && has_op(probe, IORING_OP_CONNECT) &&
			      has_op(probe, IORING_OP_RECV) && has_op(probe, IORING_OP_SEND),
		      MISSING, "Linux 5.19 or newer is needed.");
		found(f, "sends without a copy (SEND_ZC)", has_op(probe, OP_SEND_ZC), GAP,
		      "Linux 6.0 has it. Large sends are copied instead.");
		found(f, "vectored, without a copy (SENDMSG_ZC)", has_op(probe, OP_SENDMSG_ZC), GAP,
		      "Linux 6.1 has it. Large sends are copied instead.");
		found(f, "receives without a copy (RECV_ZC)", has_op(probe, OP_RECV_ZC), NOTE,
		      NULL);
	}
	free(probe);
}

static void ring_buffers(struct findings *f, int ring)
{
	size_t bytes = (size_t)getpagesize();
	void *page = aligned_alloc(bytes, bytes);
	struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)page, .ring_entries = 8, .bgid = 1};
	int rc;

	must(page);
	rc = ring_register(ring, IORING_REGISTER_PBUF_RING, &reg, 1);
	found(f, "receive buffer rings", !rc, MISSING, "Linux 5.19 or newer is needed.");
	if (!rc)
		ring_register(ring, IORING_UNREGISTER_PBUF_RING, &reg, 1);
	free(page);
}

static void ring_registered_memory(struct findings *f, int ring)
{
	size_t bytes = 16u << 20;
	void *p = aligned_alloc(4096, bytes);
	struct iovec {
		void *base;
		size_t n;
	} v = {p, bytes};
	int rc;

	must(p);
	rc = ring_register(ring, IORING_REGISTER_BUFFERS, &v, 1);
	finding_add(f, rc ? GAP : GOOD, URING, "16 MiB of registered buffers",
		    "Raise LimitMEMLOCK or grant CAP_IPC_LOCK: sends from registered memory skip "
		    "the pinning of pages.",
		    "%s", rc ? strerror(-rc) : "yes");
	if (!rc)
		ring_register(ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	free(p);
}

static void ring_polling(struct findings *f, int ring)
{
	struct {
		uint32_t timeout_us;
		uint8_t prefer, pad[3];
		uint64_t reserved;
	} napi = {.timeout_us = 1};

	found(f, "busy polling of NICs (NAPI)", !ring_register(ring, REGISTER_NAPI, &napi, 1), NOTE,
	      NULL);
}

static void uring(struct findings *f)
{
	struct io_uring_params p;
	int ring = ring_open(0, &p);

	finding_add(f, ring < 0 ? MISSING : GOOD, URING, "rings",
		    ring == -EPERM || ring == -EACCES
			    ? "It is forbidden: set kernel.io_uring_disabled to 0, or allow "
			      "io_uring_setup in the container's seccomp profile."
			    : "Linux 5.19 or newer with CONFIG_IO_URING is needed.",
		    "%s", ring < 0 ? strerror(-ring) : "yes");
	if (ring < 0)
		return;
	ring_modes(f);
	found(f, "no lost completions (NODROP)", p.features & IORING_FEAT_NODROP, MISSING,
	      "Linux 5.19 or newer is needed.");
	ring_operations(f, ring);
	ring_buffers(f, ring);
	ring_registered_memory(f, ring);
	found(f, "bundled sends and receives", p.features & FEAT_RECVSEND_BUNDLE, NOTE, NULL);
	found(f, "waiting for several at once (MIN_TIMEOUT)", p.features & FEAT_MIN_TIMEOUT, NOTE,
	      NULL);
	ring_polling(f, ring);
	close(ring);
}

/* ---- kernel TLS ---------------------------------------------------------------------------- */

/* Two connected TCP sockets of the loopback; false: not to be had. */
static bool tcp_pair(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(a);
	bool ok;

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd[1] = -1;
	ok = listener >= 0 && fd[0] >= 0 && !bind(listener, (struct sockaddr *)&a, n) &&
	     !listen(listener, 1) && !getsockname(listener, (struct sockaddr *)&a, &n) &&
	     !connect(fd[0], (struct sockaddr *)&a, n);
	if (ok)
		fd[1] = accept(listener, NULL, NULL);
	if (listener >= 0)
		close(listener);
	return fd[1] >= 0;
}

static void kernel_tls(struct findings *f)
{
	int fd[2], rc = 0;

	if (!tcp_pair(fd))
		rc = -ECONNREFUSED;
	else if (setsockopt(fd[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		rc = -errno;
	finding_add(
		f, rc ? GAP : GOOD, "TLS", "encryption by the kernel (kTLS)",
		"`modprobe tls`, and a line `tls` in /etc/modules-load.d/millrace.conf. Without it "
		"TLS viewers cost a copy and user-space encryption.",
		"%s",
		rc == -ENOENT ? "no module tls"
		: rc	      ? strerror(-rc)
			      : "yes");
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

void doctor_kernel(struct findings *f)
{
	uring(f);
	kernel_tls(f);
}
