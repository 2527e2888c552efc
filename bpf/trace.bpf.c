/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long connections that are made from here take to be there, and how long sends find no room:
 * the peer, or the way to it, does not take what it should get.
 *
 * These functions are the kernel's own business and no interface: where one is missing, the program
 * does not load. Sockets are watched that a process of one cgroup connects or sends on.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/log2.bpf.h"
#include "bpf/trace_abi.h"

#define NOSPACE (1ul << 2) /* SOCK_NOSPACE: somebody waits for room */

/* What is read of the kernel's types; where it stands there is found when the program is loaded. */
struct socket {
	unsigned long flags;
} __attribute__((preserve_access_index));

struct sock {
	struct socket *sk_socket;
} __attribute__((preserve_access_index));

/* When it began; 0: it is not so. */
struct moments {
	__u64 connect_ns, stall_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct moments);
} moments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_sums);
} sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_conf);
} conf SEC(".maps");

/* The socket's place, made if it is of the watched cgroup; only for what a process does. */
static struct moments *begin(struct sock *sk)
{
	__u32 zero = 0;
	const struct trace_conf *c = bpf_map_lookup_elem(&conf, &zero);

	if (!c || bpf_get_current_cgroup_id() != c->cgroup)
		return 0;
	return bpf_sk_storage_get(&moments, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

static void count(struct trace_hist *h, __u64 since_ns)
{
	__u64 us = (bpf_ktime_get_ns() - since_ns) / 1000;
	__u32 i = us >> 32 ? TRACE_BUCKETS : log2_of((__u32)us);

	if (i >= TRACE_BUCKETS)
		i = TRACE_BUCKETS - 1;
	h->sum_us += us;
	h->n[i]++;
}

static void end_stall(struct sock *sk)
{
	struct moments *m = bpf_sk_storage_get(&moments, sk, 0, 0);
	__u32 zero = 0;
	struct trace_sums *s = bpf_map_lookup_elem(&sums, &zero);

	if (!m || !m->stall_ns || !s)
		return;
	count(&s->stall, m->stall_ns);
	m->stall_ns = 0;
}

SEC("fentry/tcp_connect")
int BPF_PROG(connect_begins, struct sock *sk)
{
	struct moments *m = begin(sk);

	if (m)
		m->connect_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("fentry/tcp_finish_connect")
int BPF_PROG(connect_ends, struct sock *sk)
{
	struct moments *m = bpf_sk_storage_get(&moments, sk, 0, 0);
	__u32 zero = 0;
	struct trace_sums *s = bpf_map_lookup_elem(&sums, &zero);

	if (!m || !m->connect_ns || !s)
		return 0;
	count(&s->connect, m->connect_ns);
	m->connect_ns = 0;
	return 0;
}

SEC("fentry/sk_stream_wait_memory")
int BPF_PROG(stall_begins, struct sock *sk)
{
	struct moments *m = begin(sk);

	if (m && !m->stall_ns)
		m->stall_ns = bpf_ktime_get_ns();
	return 0;
}

/* Called for every acknowledgement that comes while somebody waits, enough room or not. */
SEC("fexit/sk_stream_write_space")
int BPF_PROG(stall_ends, struct sock *sk)
{
	struct socket *owner = sk->sk_socket;

	if (owner && !(owner->flags & NOSPACE))
		end_stall(sk);
	return 0;
}

SEC("fentry/tcp_close")
int BPF_PROG(close_ends_stall, struct sock *sk)
{
	end_stall(sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
