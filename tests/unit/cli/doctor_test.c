/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/doctor.h"

static void (*const parts[])(struct findings *f) = {doctor_host, doctor_kernel, doctor_bpf,
						    doctor_links};

static void examine(struct findings *f)
{
	f->n = 0;
	for (size_t i = 0; i < array_len(parts); i++)
		parts[i](f);
}

static void test_a_list_that_is_full_takes_no_more(void **state)
{
	static struct findings f;

	for (unsigned i = 0; i < FINDINGS_MAX + 5; i++)
		finding_add(&f, GAP, "area", "what", "advice", "%u", i);
	assert_int_equal(f.n, FINDINGS_MAX);
	assert_string_equal(f.v[FINDINGS_MAX - 1].value, "127");
}

static void test_only_what_is_lacking_has_advice(void **state)
{
	static struct findings f;

	f.n = 0;
	finding_add(&f, GOOD, "a", "x", "do", "yes");
	finding_add(&f, NOTE, "a", "x", "do", "no");
	finding_add(&f, GAP, "a", "x", "do", "no");
	finding_add(&f, MISSING, "a", "x", "do", "no");
	assert_null(f.v[0].advice);
	assert_null(f.v[1].advice);
	assert_string_equal(f.v[2].advice, "do");
	assert_string_equal(f.v[3].advice, "do");
}

static void test_this_machine_can_run_millrace_and_every_gap_has_advice(void **state)
{
	static struct findings f;

	examine(&f);
	assert_true(f.n > 30 && f.n < FINDINGS_MAX);
	for (size_t i = 0; i < f.n; i++) {
		assert_int_not_equal(f.v[i].grade, MISSING);
		assert_true(f.v[i].what[0] && f.v[i].value[0]);
		if (f.v[i].grade == GAP)
			assert_non_null(f.v[i].advice);
	}
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_nothing_stays_open(void **state)
{
	static struct findings f;
	unsigned before = open_files();

	for (unsigned i = 0; i < 3; i++)
		examine(&f);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_list_that_is_full_takes_no_more),
		cmocka_unit_test(test_only_what_is_lacking_has_advice),
		cmocka_unit_test(test_this_machine_can_run_millrace_and_every_gap_has_advice),
		cmocka_unit_test(test_nothing_stays_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
