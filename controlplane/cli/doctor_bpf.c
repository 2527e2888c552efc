/* SPDX-License-Identifier: Apache-2.0 */
/* What of BPF can be used, for millrace doctor: tries to load the smallest program of each type. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/cli/doctor.h"

#define BPF "BPF"

#define CAP_BPF_BIT	  39
#define CAP_NET_ADMIN_BIT 12
#define CAP_SYS_ADMIN_BIT 21
#define CGROUP2_MAGIC	  0x63677270

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

/* return 0 or 1, as the type wants it; 0 or -errno. */
static int try_program(enum bpf_prog_type type, enum bpf_attach_type attach, int result)
{
	struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = result},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {.prog_type = type,
			       .insns = (uintptr_t)program,
			       .insn_cnt = array_len(program),
			       .license = (uintptr_t) "GPL",
			       .expected_attach_type = attach};
	long fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		return -errno;
	close((int)fd);
	return 0;
}

static int try_map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t flags)
{
	union bpf_attr attr = {.map_type = type,
			       .key_size = key,
			       .value_size = value,
			       .max_entries = 1,
			       .map_flags = flags};
	long fd = bpf(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		return -errno;
	close((int)fd);
	return 0;
}

static bool capable(unsigned bit)
{
	FILE *s = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[128];

	while (s && fgets(line, sizeof(line), s))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (s)
		fclose(s);
	return caps >> bit & 1;
}

static void rights(struct findings *f)
{
	bool bpf_cap = capable(CAP_BPF_BIT) || capable(CAP_SYS_ADMIN_BIT);
	bool net = capable(CAP_NET_ADMIN_BIT);
	bool btf = !access("/sys/kernel/btf/vmlinux", R_OK);

	finding_add(
		f, bpf_cap && net ? GOOD : GAP, BPF, "right to load programs",
		"Run it as root, or give the data plane CAP_BPF and CAP_NET_ADMIN. Without them "
		"round-trip times and retransmits come from samples, and there is no packet guard.",
		"%s%s", bpf_cap ? "CAP_BPF" : "no CAP_BPF",
		net ? ", CAP_NET_ADMIN" : ", no CAP_NET_ADMIN");
	finding_add(f, btf ? GOOD : GAP, BPF, "types of the kernel (BTF)",
		    "A kernel with CONFIG_DEBUG_INFO_BTF is needed; Debian's have it.", "%s",
		    btf ? "yes" : "no");
}

static const char *error_text(int rc)
{
	if (rc == -EPERM)
		return "not permitted";
	return rc == -EINVAL ? "unknown to the kernel" : strerror(-rc);
}

static void types(struct findings *f)
{
	static const struct {
		const char *what, *advice;
		enum bpf_prog_type type;
		enum bpf_attach_type attach;
		int result;
	} rows[] = {
		{"sock_ops (tcpstat)", "No round-trip times and retransmits per stream without it.",
		 BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, 1},
		{"sk_reuseport (steer)",
		 "The kernel's hash chooses a connection's core without it.",
		 BPF_PROG_TYPE_SK_REUSEPORT, BPF_SK_REUSEPORT_SELECT, 1},
		{"XDP (guard)", "Floods cost more CPU without it: use the firewall.",
		 BPF_PROG_TYPE_XDP, BPF_XDP, 2},
		{"cgroup_skb (bytes on the wire)", "Bytes are counted by the application only.",
		 BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 1},
		{"sk_lookup (many addresses)", "Each address and port needs a listener of its own.",
		 BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1},
		{"sched_cls", NULL, BPF_PROG_TYPE_SCHED_CLS, 0, 0},
		{"kprobe", NULL, BPF_PROG_TYPE_KPROBE, 0, 0},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		int rc = try_program(rows[i].type, rows[i].attach, rows[i].result);
		enum grade without = rows[i].advice ? GAP : NOTE;

		finding_add(f, rc ? without : GOOD, BPF, rows[i].what, rows[i].advice, "%s",
			    rc ? error_text(rc) : "yes");
	}
}

static void maps(struct findings *f)
{
	int rc = try_map(BPF_MAP_TYPE_LPM_TRIE, 8, 8, BPF_F_NO_PREALLOC);

	finding_add(f, rc ? GAP : GOOD, BPF, "address lists (LPM_TRIE)",
		    "The guard needs them; see the right to load programs.", "%s",
		    rc ? error_text(rc) : "yes");
	rc = try_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 0);
	finding_add(f, rc ? GAP : GOOD, BPF, "listeners by core (SOCKARRAY)",
		    "Steering needs them; see the right to load programs.", "%s",
		    rc ? error_text(rc) : "yes");
}

static void tracing(struct findings *f)
{
	bool there = !access("/sys/kernel/tracing/available_filter_functions", F_OK) ||
		     !access("/sys/kernel/debug/tracing/available_filter_functions", F_OK);

	finding_add(f, NOTE, BPF, "tracing of functions (fentry)", NULL, "%s",
		    there ? "yes" : "not seen");
}

static void cgroup(struct findings *f)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	const char *place = NULL;
	struct statfs s;

	for (size_t i = 0; i < array_len(places) && !place; i++)
		if (!statfs(places[i], &s) && s.f_type == CGROUP2_MAGIC)
			place = places[i];
	finding_add(
		f, place ? GOOD : GAP, BPF, "cgroup v2",
		"sock_ops and cgroup_skb attach to one: mount -t cgroup2 none /sys/fs/cgroup/unified.",
		"%s", place ? place : "not mounted");
}

void doctor_bpf(struct findings *f)
{
	rights(f);
	types(f);
	maps(f);
	tracing(f);
	cgroup(f);
}
