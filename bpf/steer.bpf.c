/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which core gets a new connection: one listener per core on the same address, and this chooses.
 *
 * By CPU keeps a connection where the NIC's queue delivers it. By load takes the better of two
 * listeners that the connection's hash names, so that a crowded core gets fewer. Whatever fails, the
 * kernel's own hash decides: nobody is refused here.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "bpf/steer_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, STEER_CORES);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STEER_CPUS);
	__type(key, __u32);
	__type(value, __u32);
} core_of_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STEER_CORES);
	__type(key, __u32);
	__type(value, __u32);
} loads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_conf);
} conf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		++*n;
}

static __u32 by_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 *core = bpf_map_lookup_elem(&core_of_cpu, &cpu);

	return core ? *core : STEER_NONE;
}

static __u32 by_load(__u32 hash, __u32 cores)
{
	/* A second, independent choice from the same hash. */
	__u32 a = hash % cores, b = (hash * 0x9e3779b1u >> 8) % cores;
	__u32 *load_a = bpf_map_lookup_elem(&loads, &a), *load_b = bpf_map_lookup_elem(&loads, &b);

	return load_a && load_b && *load_b < *load_a ? b : a;
}

SEC("sk_reuseport")
int steer(struct sk_reuseport_md *md)
{
	__u32 zero = 0, core = STEER_NONE;
	const struct steer_conf *c = bpf_map_lookup_elem(&conf, &zero);

	if (c && c->mode == STEER_BY_CPU)
		core = by_cpu();
	else if (c && c->mode == STEER_BY_LOAD && c->cores)
		core = by_load(md->hash, c->cores);
	if (core < STEER_CORES && !bpf_sk_select_reuseport(md, &listeners, &core, 0))
		count(STEER_CHOSEN);
	else
		count(STEER_FALLBACK);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
