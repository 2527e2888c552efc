/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of programs in the kernel need, and how they say that it is not there. */
#ifndef TESTS_UNIT_BPF_NEEDS_H
#define TESTS_UNIT_BPF_NEEDS_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Skips the test where it is not permitted; anything else is a failure. */
static inline void unable(const char *why)
{
	if (!strstr(why, "not permitted"))
		fail_msg("%s", why);
	print_message("# skipped: %s\n", why);
	skip();
}

/* From here on this process has a network of its own, with a loopback that is up. */
static inline void need_own_network(void)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int sock;

	if (unshare(CLONE_NEWNET)) {
		print_message("# skipped: no network namespace: %s\n", strerror(errno));
		skip();
	}
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(sock >= 0);
	assert_int_equal(ioctl(sock, SIOCSIFFLAGS, &r), 0);
	close(sock);
}

#endif
