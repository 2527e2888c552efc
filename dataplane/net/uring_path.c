/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's TCP tells about a connection, and what it is told. */
#include "net/uring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

bool uring_path(const struct net_conn *pub, struct net_path *out)
{
	const struct uring_conn *c = uring_conn_of((struct net_conn *)pub);
	struct tcp_info i = {0};
	socklen_t n = sizeof(i);

	if (c->fd < 0 || getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &i, &n))
		return false;
	*out = (struct net_path){
		.srtt_us = i.tcpi_rtt,
		.sent = i.tcpi_data_segs_out,
		.retransmitted = i.tcpi_total_retrans,
		.duplicate = i.tcpi_dsack_dups,
		.delivered = i.tcpi_delivered,
		.acked_bytes = i.tcpi_bytes_acked,
	};
	return true;
}

/* By the system call: the data plane needs no library for one write. */
int uring_note(const struct net_conn *pub, int map, uint32_t value)
{
	const struct uring_conn *c = uring_conn_of((struct net_conn *)pub);
	union bpf_attr a = {
		.map_fd = (uint32_t)map,
		.key = (uintptr_t)&c->fd,
		.value = (uintptr_t)&value,
	};

	return syscall(__NR_bpf, BPF_MAP_UPDATE_ELEM, &a, sizeof(a)) ? -errno : 0;
}
