/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loaders of the programs share: libbpf's words as one line for an operator.
 *
 * Threads: opening programs is for one thread at a time.
 */
#ifndef BPF_LOADER_H
#define BPF_LOADER_H

#include <stddef.h>

/* libbpf says nothing by itself from here on; its last complaint is kept. */
void loader_listen(void);
/* "what: why" into err, with what is needed where it was not permitted. Returns rc. */
int loader_fail(const char *what, int rc, char *err, size_t err_n);

#endif
