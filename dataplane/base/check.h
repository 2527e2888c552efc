/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grades of certainty: what is checked when, and what happens if it does not hold.
 *
 *   static_assert  the compiler knows
 *   must()         our own invariant, always on: says where and aborts
 *   expensive()    our own invariant, costs time: only with -DEXPENSIVE_CHECKS (tests, sanitizers)
 * What a peer sent is never asserted; it is refused with an enum reason. Threads: any.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <assert.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Writes "file:line: function: must: expr" to standard error and aborts. */
__attribute__((noreturn, cold)) void check_failed(const char *file, int line, const char *func,
						  const char *expr);

#define must(expr) (likely(expr) ? (void)0 : check_failed(__FILE__, __LINE__, __func__, #expr))

#ifdef EXPENSIVE_CHECKS
#define expensive(expr) must(expr)
#else
#define expensive(expr) ((void)0)
#endif

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define array_len(a)			(sizeof(a) / sizeof((a)[0]))

#define min_of(a, b) ((a) < (b) ? (a) : (b))
#define max_of(a, b) ((a) > (b) ? (a) : (b))

#endif
