/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/format.h"

void table_init(struct table *t, const char *const *heads, unsigned cols)
{
	must(cols >= 1 && cols <= TABLE_COLS);
	*t = (struct table){.heads = heads, .cols = cols};
}

void table_add(struct table *t, const char *text)
{
	unsigned n = t->cells;
	char *copy;

	if (n % 64 == 0) {
		t->cell = realloc(t->cell, (n + 64) * sizeof(*t->cell));
		must(t->cell);
	}
	if (!text || !*text)
		text = "-";
	copy = malloc(strlen(text) + 1);
	must(copy);
	format_safe(copy, strlen(text) + 1, text);
	t->cell[t->cells++] = copy;
}

static const char *head_text(const struct table *t, unsigned col)
{
	return t->heads[col] + (t->heads[col][0] == '>');
}

static void print_cell(const struct table *t, FILE *to, unsigned col, const char *text,
		       unsigned width, const char *tint)
{
	unsigned pad = width - format_columns(text);
	bool right = t->heads[col][0] == '>', last = col + 1 == t->cols;

	if (right)
		fprintf(to, "%*s", (int)pad, "");
	fprintf(to, "%s%s%s", tint ? tint : "", text, tint ? "\033[0m" : "");
	if (!last)
		fprintf(to, "%*s", (int)(right ? 2 : pad + 2), "");
	else
		fputc('\n', to);
}

void table_print(const struct table *t, FILE *to)
{
	unsigned width[TABLE_COLS];

	for (unsigned c = 0; c < t->cols; c++) {
		width[c] = format_columns(head_text(t, c));
		for (unsigned i = c; i < t->cells; i += t->cols)
			width[c] = max_of(width[c], format_columns(t->cell[i]));
	}
	for (unsigned c = 0; c < t->cols; c++)
		print_cell(t, to, c, head_text(t, c), width[c], t->tint ? "\033[1m" : NULL);
	for (unsigned i = 0; i < t->cells; i++) {
		unsigned c = i % t->cols;

		print_cell(t, to, c, t->cell[i], width[c], t->tint ? t->tint(c, t->cell[i]) : NULL);
	}
}

void table_fini(struct table *t)
{
	for (unsigned i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
	t->cell = NULL;
	t->cells = 0;
}
