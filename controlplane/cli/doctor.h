/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine has for Millrace, found by trying it and never by the kernel's version.
 *
 * Each check adds one finding to a list. A gap costs speed or a feature, and its advice says which
 * and what to do; only a finding that is MISSING keeps Millrace from running. Threads: one.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stddef.h>

enum grade { GOOD, NOTE, GAP, MISSING };

struct finding {
	const char *area; /* "io_uring" */
	char what[48], value[80];
	enum grade grade;
	const char *advice; /* of GAP and MISSING */
};

#define FINDINGS_MAX 128

struct findings {
	struct finding v[FINDINGS_MAX];
	size_t n;
};

/* advice is left out where the grade is GOOD or NOTE. */
__attribute__((format(printf, 6, 7))) void finding_add(struct findings *f, enum grade grade,
						       const char *area, const char *what,
						       const char *advice, const char *fmt, ...);
const char *grade_name(enum grade g);

/* Processors, memory, limits, settings. */
void doctor_host(struct findings *f);
/* io_uring and kernel TLS. */
void doctor_kernel(struct findings *f);
/* Capability, BTF, program types, cgroup. */
void doctor_bpf(struct findings *f);
/* Network interfaces and what their hardware does. */
void doctor_links(struct findings *f);
/* What net.backend dpdk needs. */
void doctor_dpdk(struct findings *f);

#endif
