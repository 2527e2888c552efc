/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_heap.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* A record is 16 KiB, with OpenSSL's headers and alignment somewhat more. */
#define RECORD_MIN 16384u
#define RECORD_MAX 20480u

struct spare {
	struct spare *next;
};

static _Thread_local struct {
	struct spare *first;
	unsigned n;
	uint64_t taken;
} mine;

static bool is_record(size_t n)
{
	return n >= RECORD_MIN && n <= RECORD_MAX;
}

/* Every block of a record's size can hold every record. */
static void *take(size_t n, const char *file, int line)
{
	struct spare *s = mine.first;

	if (!n)
		return NULL;
	if (!is_record(n))
		return malloc(n);
	if (!s) {
		mine.taken++;
		return malloc(RECORD_MAX);
	}
	mine.first = s->next;
	mine.n--;
	return s;
}

/* The C library may have given a little more than RECORD_MAX, never less. */
static void give(void *p, const char *file, int line)
{
	struct spare *s = p;

	if (!p || mine.n == TLS_HEAP_SPARES || malloc_usable_size(p) < RECORD_MAX ||
	    malloc_usable_size(p) >= 2 * RECORD_MAX) {
		free(p);
		return;
	}
	s->next = mine.first;
	mine.first = s;
	mine.n++;
}

static void *resize(void *p, size_t n, const char *file, int line)
{
	if (!n) {
		give(p, file, line);
		return NULL;
	}
	return realloc(p, n);
}

bool tls_heap_use(void)
{
	static bool tried, used;

	if (!tried)
		used = CRYPTO_set_mem_functions(take, resize, give) == 1;
	tried = true;
	return used;
}

uint64_t tls_heap_taken(void)
{
	return mine.taken;
}

void tls_heap_trim(void)
{
	struct spare *next;

	for (struct spare *s = mine.first; s; s = next) {
		next = s->next;
		free(s);
	}
	mine.first = NULL;
	mine.n = 0;
}
