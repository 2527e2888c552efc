/* SPDX-License-Identifier: Apache-2.0 */
/* millrace doctor: what this machine supports and what to do about each gap. */
#include "controlplane/cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/table.h"

void finding_add(struct findings *f, enum grade grade, const char *area, const char *what,
		 const char *advice, const char *fmt, ...)
{
	struct finding *one;
	va_list ap;

	if (f->n == FINDINGS_MAX)
		return;
	one = &f->v[f->n++];
	*one = (struct finding){.area = area, .grade = grade};
	if (grade >= GAP)
		one->advice = advice;
	snprintf(one->what, sizeof(one->what), "%s", what);
	va_start(ap, fmt);
	vsnprintf(one->value, sizeof(one->value), fmt, ap);
	va_end(ap);
}

const char *grade_name(enum grade g)
{
	static const char *const names[] = {"good", "note", "gap", "missing"};

	return names[g];
}

/* ---- output -------------------------------------------------------------------------------- */

static void print_json(const struct findings *f, size_t gaps, size_t missing)
{
	json_t *rows = json_array(), *all;

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->v[i];

		json_array_append_new(rows,
				      json_pack("{ss ss ss ss ss*}", "area", one->area, "what",
						one->what, "grade", grade_name(one->grade), "value",
						one->value, "advice", one->advice));
	}
	all = json_pack("{sI sI so}", "gaps", (json_int_t)gaps, "missing", (json_int_t)missing,
			"findings", rows);
	client_print(all);
	json_decref(all);
}

static const char *tint(unsigned col, const char *text)
{
	if (col != 2)
		return NULL;
	if (!strcmp(text, grade_name(GOOD)))
		return "\033[32m";
	if (!strcmp(text, grade_name(GAP)))
		return "\033[33m";
	return strcmp(text, grade_name(MISSING)) ? NULL : "\033[31m";
}

static void print_table(const struct cli *cli, const struct findings *f)
{
	static const char *const heads[] = {"AREA", "WHAT", "STATE", "VALUE"};
	struct table t;

	table_init(&t, heads, array_len(heads));
	if (cli->color)
		t.tint = tint;
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->v[i];

		table_add(&t, one->area);
		table_add(&t, one->what);
		table_add(&t, grade_name(one->grade));
		table_add(&t, one->value);
	}
	table_print(&t, stdout);
	table_fini(&t);
}

/* Each advice once, under what it is for. */
static void print_advice(const struct findings *f)
{
	const char *last = NULL;

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->v[i];

		if (!one->advice)
			continue;
		if (one->advice == last) {
			printf(", %s", one->what);
			continue;
		}
		if (last)
			printf("\n    %s\n", last);
		printf("%s%s: %s", last ? "" : "\nWhat to do\n", one->area, one->what);
		last = one->advice;
	}
	if (last)
		printf("\n    %s\n", last);
}

static size_t count(const struct findings *f, enum grade g)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->v[i].grade == g;
	return n;
}

static int run_doctor(struct cli *cli, const struct args *a)
{
	static struct findings f;
	size_t gaps, missing;

	doctor_host(&f);
	doctor_kernel(&f);
	doctor_bpf(&f);
	doctor_links(&f);
	doctor_dpdk(&f);
	gaps = count(&f, GAP);
	missing = count(&f, MISSING);
	if (cli->json) {
		print_json(&f, gaps, missing);
	} else {
		print_table(cli, &f);
		print_advice(&f);
		printf("\n%s", missing ? "Millrace cannot run here yet." : "Millrace runs here.");
		if (gaps)
			printf(" %zu %s something; none is required.", gaps,
			       gaps == 1 ? "gap costs" : "gaps cost");
		putchar('\n');
	}
	return missing ? CLI_NOT_STARTED : CLI_OK;
}

const struct command doctor_commands[] = {
	{"doctor", "", "Say what this machine supports, and what to do about gaps",
	 "Looks at limits and settings and tries io_uring, kernel TLS, BPF and the network\n"
	 "interfaces, with the rights of whoever asks: run it as the user of the data plane. It\n"
	 "changes nothing. Exit status 5 means that something required is missing.",
	 NULL, 0, 0, run_doctor},
	{NULL},
};
