/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that every benchmark program does. Threads: pure, or any. */
#ifndef BENCH_SOCK_H
#define BENCH_SOCK_H

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Says why on standard error and ends the program. */
#define die(...)                              \
	do {                                  \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr);          \
		exit(1);                      \
	} while (0)

/* rtmp://127.0.0.1:1935/app/name, http://127.0.0.1:8080/app/name, raw://127.0.0.1:9000 */
struct target {
	char scheme[8], host[64], app[64], name[64];
	struct sockaddr_in to;
};

/* Ends the program when it is not a target. */
struct target target_parse(const char *url);
/* The name of stream i: as it is when only one is asked for, else with the number behind it. */
const char *target_stream(char dst[80], const struct target *t, unsigned i, unsigned streams);
/* A blocking, connected socket; ends the program when there is none. */
int target_connect(const struct target *t);
/* All of it, blocking; ends the program when the peer goes. */
void send_all(int fd, const void *p, size_t n);
void recv_all(int fd, void *p, size_t n);
/* As many descriptors as the system lets us have; ends the program below `want`. */
void descriptors_raise(unsigned want);
unsigned long option_number(const char *name, const char *text, unsigned long max);

#endif
