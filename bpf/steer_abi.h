/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What steer.bpf.c and steer.c share.
 */
#ifndef BPF_STEER_ABI_H
#define BPF_STEER_ABI_H

#include <linux/types.h>

#define STEER_CORES 256
#define STEER_CPUS  1024
#define STEER_NONE  0xffffffffu /* the CPU has no core of its own */

enum steer_mode {
	STEER_BY_CPU,  /* the core of the CPU that handles the connection's first packet */
	STEER_BY_LOAD, /* of two cores that its hash names, the one with less load */
	STEER_OFF,     /* the kernel's hash */
};

/* A SYN that is sent again counts again. */
enum steer_count {
	STEER_CHOSEN,	/* connections that got the core that was chosen for them */
	STEER_FALLBACK, /* no such listener: the kernel's hash chose */
	STEER_COUNTS,
};

struct steer_conf {
	__u32 mode, cores;
};

#endif
