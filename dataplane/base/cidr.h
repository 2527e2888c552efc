/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet addresses as bytes, and ranges of them: who is trusted, where we never connect to.
 *
 * An IPv4 address and its mapped form ::ffff:a.b.c.d are the same struct ip, so that no spelling
 * slips past a range. A range of IPv6 (::/0 too) holds no IPv4 address; 0.0.0.0/0 holds all of them.
 * Threads: pure, any.
 */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIDR_RANGES_MAX 64

struct ip {
	uint8_t b[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
};

struct cidr {
	struct ip net;
	uint8_t bits; /* 0..128, of the 16 bytes */
};

/* At most CIDR_RANGES_MAX ranges; {0} is empty and holds nothing. */
struct cidr_set {
	unsigned n;
	struct cidr range[CIDR_RANGES_MAX];
};

struct ip ip_of_v4(const uint8_t b[4]);
bool ip_is_v4(const struct ip *a);
/* 127.0.0.0/8 or ::1. */
bool ip_is_loopback(const struct ip *a);
/* All n bytes of the text, without brackets, port or scope: "10.0.0.1", "fe80::1". 0 or -EINVAL. */
int ip_parse(struct ip *out, const char *text, size_t n);

/* "10.0.0.0/8", "fc00::/7", or a single address; bits beyond the prefix are ignored. 0 or -EINVAL. */
int cidr_parse(struct cidr *out, const char *text, size_t n);
bool cidr_holds(const struct cidr *c, const struct ip *a);
/*
 * Ranges separated by blanks or commas; "" is the empty set. 0, or -EINVAL or -E2BIG with the text
 * of the first range that cannot be used in bad[bad_n]; then *out is empty.
 */
int cidr_set_parse(struct cidr_set *out, const char *text, char *bad, size_t bad_n);
bool cidr_set_holds(const struct cidr_set *s, const struct ip *a);

#endif
