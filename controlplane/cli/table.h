/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned columns for people. Cells are copied and made safe for a terminal.
 *
 * Threads: one owner.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#define TABLE_COLS 16

struct table {
	const char *const *heads; /* a leading '>' aligns the column to the right */
	unsigned cols, cells;
	char **cell;
	/* The escape sequence for a cell's text, or NULL; NULL: no colours. */
	const char *(*tint)(unsigned col, const char *text);
};

/* heads must outlive the table. */
void table_init(struct table *t, const char *const *heads, unsigned cols);
/* One cell after the other, row by row; NULL is an empty cell. */
void table_add(struct table *t, const char *text);
/* Prints heads and rows; nothing but the heads' line when there are no rows. */
void table_print(const struct table *t, FILE *to);
void table_fini(struct table *t);

#endif
