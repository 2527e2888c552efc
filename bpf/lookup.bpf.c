/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many addresses and ports on one listener: new connections to a listed address go to the listener
 * that stands for it, wherever that one is bound. If it is one of a group, the group's own choice (see
 * steer.bpf.c) comes after. What is not listed is found as ever.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lookup_abi.h"

#define FAMILY_V4 2
#define FAMILY_V6 10

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, LOOKUP_LISTENERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct lookup_v4);
	__type(value, __u32);
} places_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct lookup_v6);
	__type(value, __u32);
} places_v6 SEC(".maps");

static __u32 *slot_of(struct bpf_sk_lookup *ctx)
{
	__u16 port = bpf_htons((__u16)ctx->local_port);

	if (ctx->family == FAMILY_V4) {
		struct lookup_v4 key = {.bits = LOOKUP_PORT_BITS + 32, .port = port};
		__u32 ip = ctx->local_ip4;

		__builtin_memcpy(key.addr, &ip, sizeof(ip));
		return bpf_map_lookup_elem(&places_v4, &key);
	}
	if (ctx->family == FAMILY_V6) {
		struct lookup_v6 key = {.bits = LOOKUP_PORT_BITS + 128, .port = port};
		__u32 ip[4] = {ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
			       ctx->local_ip6[3]};

		__builtin_memcpy(key.addr, ip, sizeof(ip));
		return bpf_map_lookup_elem(&places_v6, &key);
	}
	return 0;
}

SEC("sk_lookup")
int lookup(struct bpf_sk_lookup *ctx)
{
	__u32 *slot = ctx->protocol == IPPROTO_TCP ? slot_of(ctx) : 0;
	struct bpf_sock *sk;

	if (!slot)
		return SK_PASS;
	sk = bpf_map_lookup_elem(&listeners, slot);
	if (!sk)
		return SK_PASS;
	bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
