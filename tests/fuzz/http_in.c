/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP heads and chunked bodies. Nothing is read beyond the input, what is found lies inside it, a
 * complete head stays complete when more bytes follow, and how a chunked body is cut does not
 * matter.
 */
#include <stdlib.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/http_in.h"

typedef int parse_head(const uint8_t *p, size_t n, struct http_head *out);

static void must_lie_in(struct slice s, const uint8_t *p, size_t n)
{
	must(!s.n || (s.p >= p && s.p + s.n <= p + n));
}

static void check_head(parse_head *parse, const uint8_t *data, size_t size)
{
	struct http_head whole, exact;
	int n = parse(data, size, &whole);
	uint8_t *copy;

	must(n <= (int)size);
	if (n <= 0)
		return;
	must_lie_in(whole.method_text, data, size);
	must_lie_in(whole.target, data, size);
	must(whole.headers_n <= HTTP_HEADERS_MAX);
	for (unsigned i = 0; i < whole.headers_n; i++) {
		must_lie_in(whole.headers[i].name, data, (size_t)n);
		must_lie_in(whole.headers[i].value, data, (size_t)n);
	}
	/* The same head alone, and one byte less, in memory of exactly that size. */
	copy = malloc((size_t)n);
	memcpy(copy, data, (size_t)n);
	must(parse(copy, (size_t)n, &exact) == n && exact.headers_n == whole.headers_n);
	must(parse(copy, (size_t)n - 1, &exact) == 0);
	free(copy);
}

struct body {
	uint64_t hash, bytes;
	size_t taken;
	bool end, bad;
};

static struct body unchunk(const uint8_t *data, size_t size, size_t piece)
{
	struct body b = {.hash = 0xcbf29ce484222325ull};
	struct http_chunked c;

	http_chunked_init(&c);
	while (b.taken < size && !b.end && !b.bad) {
		size_t n = min_of(piece, size - b.taken);
		struct slice run;
		int took = http_chunked_feed(&c, data + b.taken, n, &run, &b.end);

		b.bad = took < 0;
		if (b.bad)
			break;
		must(took > 0 && (size_t)took <= n);
		must_lie_in(run, data + b.taken, (size_t)took);
		for (size_t i = 0; i < run.n; i++)
			b.hash = (b.hash ^ run.p[i]) * 0x100000001b3ull;
		b.bytes += run.n;
		b.taken += (size_t)took;
	}
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct body whole, single;

	check_head(http_request_parse, data, size);
	check_head(http_response_parse, data, size);
	whole = unchunk(data, size, size);
	single = unchunk(data, size, 1);
	must(whole.bad == single.bad && whole.end == single.end);
	must(whole.bad || (whole.taken == single.taken && whole.hash == single.hash &&
			   whole.bytes == single.bytes));
	return 0;
}
