/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *func, const char *expr)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%s:%d: %s: must: %s\n", file, line, func, expr);

	/* One write and no stdio: another thread may hold its lock. */
	if (n > 0 && write(STDERR_FILENO, text, min_of((size_t)n, sizeof(text) - 1)) < 0)
		abort();
	abort();
}
