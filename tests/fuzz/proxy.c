/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROXY protocol heads. A head that is taken is the shortest beginning of the input that is one, it
 * reads the same alone, and before it every beginning needs more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/proxy.h"

/* In memory of exactly that size, so that sanitizers see a read beyond. */
static int parse_exact(const uint8_t *data, size_t n, struct proxy_head *out)
{
	uint8_t *copy = malloc(n ? n : 1);
	int took;

	if (n)
		memcpy(copy, data, n);
	took = proxy_parse(copy, n, out);
	free(copy);
	return took;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_head whole = {0}, part = {0};
	int took = parse_exact(data, size, &whole);

	must(took <= (int)size && took <= (int)PROXY_V2_MAX);
	if (took <= 0)
		return 0;
	for (int n = 0; n < took; n++)
		must(parse_exact(data, (size_t)n, &part) == 0);
	must(parse_exact(data, (size_t)took, &part) == took);
	must(!memcmp(&whole, &part, sizeof(whole)));
	return 0;
}
