/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP health of connections by stream: the program tcpstat.bpf.c from user space.
 *
 *   open (attached to a cgroup) --tag a socket with its stream, as often as it changes--> read, forget
 *
 * A connection that has no tag counts for its local port. Tagging and reading need no privilege on
 * Linux 5.19 or newer, so both go on after capabilities are dropped. Connections that existed before
 * the program was attached are not seen. Numbers of a stream stay until they are forgotten.
 *
 * Threads: tag from any, at the same time; the rest from one.
 */
#ifndef BPF_TCPSTAT_H
#define BPF_TCPSTAT_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/tcpstat_abi.h"

struct bpf_tcpstat;

struct bpf_tcpstat_options {
	uint32_t keys_max;    /* streams times ports with numbers of their own; 0: 16384 */
	uint32_t interval_ms; /* a connection is looked at once in it; 0: 1000 */
};

/*
 * cgroup: a folder of cgroup v2; sockets made by processes in it (or below) are watched. opt may be
 * NULL. 0 or -errno with one line in err; *out is then NULL.
 */
int bpf_tcpstat_open(struct bpf_tcpstat **out, const char *cgroup,
		     const struct bpf_tcpstat_options *opt, char *err, size_t err_n);
void bpf_tcpstat_close(struct bpf_tcpstat *t);
/* stream: any number but 0. 0 or -errno. */
int bpf_tcpstat_tag(struct bpf_tcpstat *t, int fd, uint32_t stream);
/* Every key with its sums over all CPUs; 0 or -errno. */
typedef void bpf_tcpstat_each(void *arg, const struct tcpstat_key *key,
			      const struct tcpstat_sums *sums);
int bpf_tcpstat_read(struct bpf_tcpstat *t, bpf_tcpstat_each *each, void *arg);
/* One key goes; -ENOENT: there is none. Not from inside bpf_tcpstat_read(). */
int bpf_tcpstat_drop(struct bpf_tcpstat *t, const struct tcpstat_key *key);
/* The map of tags, for who writes them without this library; -1 where there is none. */
int bpf_tcpstat_tags(const struct bpf_tcpstat *t);
/* The stream has ended: its keys go; connections of it that are still open no longer count. */
void bpf_tcpstat_forget(struct bpf_tcpstat *t, uint32_t stream);
/* Times that there was no room for another key. */
uint64_t bpf_tcpstat_lost(struct bpf_tcpstat *t);

#endif
