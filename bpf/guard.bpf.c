/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who may open connections, decided before the kernel allocates anything.
 *
 * Only TCP segments to guarded ports are judged. The longest prefix of the lists that holds the
 * source decides: deny drops, allow passes. Otherwise a new connection (SYN without ACK) takes from
 * the bucket of its source prefix, IPv4 /24 or IPv6 /56. A bucket is one time: when its debt will be
 * paid (the generic cell rate algorithm), so it needs no refill. Two CPUs may write it at once; the
 * rate is then a little higher than it says. What cannot be read is left to the kernel.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/guard_abi.h"

#define VLANS	   2
#define EXTENSIONS 4
#define IP_OFFSET  0x1fff

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct guard_v4);
	__type(value, __u32);
} list_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct guard_v6);
	__type(value, __u32);
} list_v6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct guard_prefix);
	__type(value, __u64);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GUARD_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct guard_conf);
} conf SEC(".maps");

struct packet {
	void *at, *end;
	__u32 verdict;
	struct guard_prefix prefix;
};

/* Which counts are of packets that are dropped. */
#define GUARD(sym, name, drops, help) | (drops) << GUARD_##sym
enum {
	DROPS = 0
#include "bpf/guard.def"
};
#undef GUARD

static int done(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		++*n;
	return DROPS >> what & 1 ? XDP_DROP : XDP_PASS;
}

/* Behind Ethernet and VLAN tags; the type of what follows, or 0. */
static __u16 read_ethernet(struct packet *p)
{
	struct ethhdr *eth = p->at;
	__u16 type;

	if ((void *)(eth + 1) > p->end)
		return 0;
	type = eth->h_proto;
	p->at = eth + 1;
#pragma unroll
	for (int i = 0; i < VLANS; i++) {
		__u16 *tag = p->at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 2) > p->end)
			return 0;
		type = tag[1];
		p->at = tag + 2;
	}
	return type;
}

/* false: no TCP, or not its beginning. */
static int read_v4(struct packet *p)
{
	struct iphdr *ip = p->at;
	struct guard_v4 key = {.bits = 32};
	__u32 *verdict;

	if ((void *)(ip + 1) > p->end || ip->ihl < 5 || ip->protocol != IPPROTO_TCP ||
	    ip->frag_off & bpf_htons(IP_OFFSET))
		return 0;
	__builtin_memcpy(key.addr, &ip->saddr, sizeof(key.addr));
	verdict = bpf_map_lookup_elem(&list_v4, &key);
	p->verdict = verdict ? *verdict : GUARD_NONE;
	__builtin_memcpy(p->prefix.addr, &ip->saddr, 3);
	p->prefix.family = 4;
	p->at += ip->ihl * 4;
	return 1;
}

static int read_v6(struct packet *p)
{
	struct ipv6hdr *ip = p->at;
	struct guard_v6 key = {.bits = 128};
	__u32 *verdict;
	__u8 next;

	if ((void *)(ip + 1) > p->end)
		return 0;
	__builtin_memcpy(key.addr, &ip->saddr, sizeof(key.addr));
	__builtin_memcpy(p->prefix.addr, &ip->saddr, sizeof(p->prefix.addr));
	p->prefix.family = 6;
	next = ip->nexthdr;
	p->at = ip + 1;
#pragma unroll
	for (int i = 0; i < EXTENSIONS; i++) {
		__u8 *ext = p->at;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			break;
		if ((void *)(ext + 8) > p->end)
			return 0;
		next = ext[0];
		p->at += (ext[1] + 1) * 8;
	}
	if (next != IPPROTO_TCP)
		return 0;
	verdict = bpf_map_lookup_elem(&list_v6, &key);
	p->verdict = verdict ? *verdict : GUARD_NONE;
	return 1;
}

static int guarded(const struct guard_conf *c, __u16 port)
{
	if (!c->ports_n)
		return 1;
#pragma unroll
	for (__u32 i = 0; i < GUARD_PORTS; i++)
		if (i < c->ports_n && c->ports[i] == port)
			return 1;
	return 0;
}

/* Whether the prefix may open one more connection now. */
static int affordable(const struct guard_conf *c, const struct guard_prefix *prefix)
{
	__u64 now = bpf_ktime_get_ns(), paid = now + c->syn_cost_ns;
	__u64 *until = bpf_map_lookup_elem(&buckets, prefix);

	if (!until) {
		bpf_map_update_elem(&buckets, prefix, &paid, BPF_ANY);
		return 1;
	}
	if (*until > now) {
		if (*until - now > c->syn_burst_ns)
			return 0;
		paid = *until + c->syn_cost_ns;
	}
	*until = paid;
	return 1;
}

SEC("xdp")
int guard(struct xdp_md *ctx)
{
	struct packet p = {.at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end};
	__u32 zero = 0;
	const struct guard_conf *c = bpf_map_lookup_elem(&conf, &zero);
	__u16 type = read_ethernet(&p);
	struct tcphdr *tcp;

	if (!c || !(type == bpf_htons(ETH_P_IP)	    ? read_v4(&p)
		    : type == bpf_htons(ETH_P_IPV6) ? read_v6(&p)
						    : 0))
		return done(GUARD_OTHER);
	tcp = p.at;
	if ((void *)(tcp + 1) > p.end || !guarded(c, tcp->dest))
		return done(GUARD_OTHER);
	if (p.verdict == GUARD_DENY)
		return done(GUARD_DENIED);
	if (p.verdict == GUARD_ALLOW)
		return done(GUARD_ALLOWED);
	if (c->only_listed)
		return done(GUARD_UNLISTED);
	if (c->syn_cost_ns && tcp->syn && !tcp->ack && !affordable(c, &p.prefix))
		return done(GUARD_RATE);
	return done(GUARD_PASSED);
}

char LICENSE[] SEC("license") = "GPL";
