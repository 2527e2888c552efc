/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP health of the connections of a cgroup: round-trip times, retransmits, deliveries, and the bytes
 * that really go out.
 *
 * On establishment a connection gets a record in its socket's storage and asks to be called on timeouts and
 * state changes. What each packet that leaves costs is one look at that record: its bytes are added
 * there. At most once per interval, and at the end, what grew since the last time is added to the sums
 * of its key. User space writes a stream's id into a second storage (`tags`), so the two sides never
 * write the same value.
 */
#include <linux/bpf.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "bpf/log2.bpf.h"
#include "bpf/tcpstat_abi.h"

/* What was counted of a connection already. */
struct conn {
	struct tcpstat_key key;
	__u32 sent, retransmitted, delivered, duplicate;
	__u64 acked, next_ns;
	__u64 wire; /* bytes that left since the last time */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} tags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct tcpstat_key);
	__type(value, struct tcpstat_sums);
} sums SEC(".maps");

/* Times that `sums` was full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpstat_conf);
} conf SEC(".maps");

static const struct tcpstat_sums zero_sums;

/* For connections that begin or move; the others take only what is there, so that a stream that was
 * forgotten does not come back with their end. */
static struct tcpstat_sums *sums_made(const struct tcpstat_key *key)
{
	struct tcpstat_sums *s = bpf_map_lookup_elem(&sums, key);
	__u32 zero = 0;
	__u64 *n;

	if (s)
		return s;
	bpf_map_update_elem(&sums, key, &zero_sums, BPF_NOEXIST);
	s = bpf_map_lookup_elem(&sums, key);
	if (!s) {
		n = bpf_map_lookup_elem(&lost, &zero);
		if (n)
			++*n;
	}
	return s;
}

/* What must not drift: a soft interrupt may come between reading and writing. */
static void change(__u64 *n, __s64 by)
{
	__sync_fetch_and_add(n, by);
}

static void count_ratio(struct tcpstat_sums *s, __u32 sent, __u32 again)
{
	static const __u32 bounds[] = TCPSTAT_RATIO_BOUNDS;
	__u64 ratio = sent ? (__u64)again * 10000 / sent : 0;
	__u32 i = 0;

	if (!sent)
		return;
#pragma unroll
	for (__u32 b = 0; b < sizeof(bounds) / sizeof(*bounds); b++)
		i += ratio > bounds[b];
	if (i < TCPSTAT_RATIO_BUCKETS)
		s->ratio[i]++;
}

/* Adds what grew since the last time. */
static void count(struct conn *c, const struct bpf_tcp_sock *tp, struct tcpstat_sums *s)
{
	__u32 sent = tp->data_segs_out, again = tp->total_retrans, delivered = tp->delivered;
	__u32 duplicate = tp->dsack_dups;
	__u64 acked = tp->bytes_acked;

	s->segments_sent += sent - c->sent;
	s->segments_retransmitted += again - c->retransmitted;
	s->segments_delivered += delivered - c->delivered;
	s->segments_duplicate += duplicate - c->duplicate;
	s->bytes_acked += acked - c->acked;
	s->wire_bytes += c->wire;
	c->wire = 0;
	count_ratio(s, sent - c->sent, again - c->retransmitted);
	c->sent = sent;
	c->retransmitted = again;
	c->delivered = delivered;
	c->duplicate = duplicate;
	c->acked = acked;
}

static void count_rtt(struct tcpstat_sums *s, __u32 srtt_us)
{
	__u32 i = log2_of(srtt_us);

	if (i >= TCPSTAT_RTT_BUCKETS)
		i = TCPSTAT_RTT_BUCKETS - 1;
	s->samples++;
	s->srtt_us += srtt_us;
	s->rtt[i]++;
}

/* The connection belongs to another stream from now on. */
static void move(struct conn *c, __u32 stream)
{
	struct tcpstat_sums *s = bpf_map_lookup_elem(&sums, &c->key);

	if (s)
		change(&s->connections, -1);
	c->key.stream = stream;
	s = sums_made(&c->key);
	if (s)
		change(&s->connections, 1);
}

static void begin(struct bpf_sock_ops *ops, struct bpf_sock *sk, __u8 active)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct tcpstat_sums *s;

	if (!c)
		return;
	c->key.port = active ? 0 : ops->local_port;
	c->key.active = active;
	s = sums_made(&c->key);
	if (s) {
		change(&s->connections, 1);
		change(&s->opened, 1);
	}
	bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_RTO_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* now_ns 0: the connection ends. */
static void look(struct bpf_sock *sk, struct conn *c, __u64 now_ns)
{
	__u32 *tag = bpf_sk_storage_get(&tags, sk, 0, 0), zero = 0;
	const struct tcpstat_conf *cf = bpf_map_lookup_elem(&conf, &zero);
	struct tcpstat_sums *s;
	struct bpf_tcp_sock *tp;

	if (!cf)
		return;
	if (tag && *tag != c->key.stream)
		move(c, *tag);
	tp = bpf_tcp_sock(sk);
	s = bpf_map_lookup_elem(&sums, &c->key);
	if (!tp || !s)
		return;
	c->next_ns = now_ns + cf->interval_ns;
	count(c, tp, s);
	if (!now_ns)
		change(&s->connections, -1);
	else if (tp->srtt_us)
		count_rtt(s, tp->srtt_us >> 3);
}

static void look_at(struct bpf_sock *sk, __u64 now_ns)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, 0);

	if (c && (!now_ns || now_ns >= c->next_ns))
		look(sk, c, now_ns);
}

SEC("sockops")
int tcpstat(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;

	if (!sk)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		begin(ops, sk, 0);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		begin(ops, sk, 1);
		break;
	case BPF_SOCK_OPS_RTO_CB:
		look_at(sk, bpf_ktime_get_coarse_ns());
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] == BPF_TCP_CLOSE)
			look_at(sk, 0);
		break;
	}
	return 1;
}

/* What each further segment of a large packet will carry: IP and TCP headers. */
static __u32 headers_of(struct __sk_buff *skb)
{
	__u32 ip = sizeof(struct ipv6hdr);
	__u8 first, doff;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return 0;
	if (first >> 4 == 4)
		ip = (first & 15) * 4;
	if (bpf_skb_load_bytes(skb, ip + 12, &doff, 1))
		return 0;
	return ip + (doff >> 4) * 4;
}

/* A connection's packets leave one after the other, so nobody else writes its record meanwhile. */
SEC("cgroup_skb/egress")
int wire(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct conn *c;
	__u64 now_ns;

	sk = sk ? bpf_sk_fullsock(sk) : 0;
	c = sk ? bpf_sk_storage_get(&conns, sk, 0, 0) : 0;
	if (!c)
		return 1;
	c->wire += skb->len;
	if (skb->gso_segs > 1)
		c->wire += (skb->gso_segs - 1) * headers_of(skb);
	now_ns = bpf_ktime_get_coarse_ns();
	if (now_ns >= c->next_ns)
		look(sk, c, now_ns);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
