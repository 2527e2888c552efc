/* SPDX-License-Identifier: Apache-2.0 */
#include "base/word.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/check.h"

unsigned word_distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX]; /* from what was read of a to each beginning of b */
	size_t nb = strlen(b);

	if (nb >= array_len(row))
		return UINT_MAX;
	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (; *a; a++) {
		unsigned diagonal = row[0]++;

		for (size_t j = 1; j <= nb; j++) {
			unsigned change = diagonal + (*a != b[j - 1]);

			diagonal = row[j];
			row[j] = min_of(change, min_of(row[j], row[j - 1]) + 1);
		}
	}
	return row[nb];
}
