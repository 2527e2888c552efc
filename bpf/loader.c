/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/loader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

static char complaint[200];

static int keep(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBBPF_WARN || complaint[0])
		return 0;
	vsnprintf(complaint, sizeof(complaint), fmt, ap);
	complaint[strcspn(complaint, "\n")] = 0;
	return 0;
}

void loader_listen(void)
{
	complaint[0] = 0;
	libbpf_set_print(keep);
}

int loader_fail(const char *what, int rc, char *err, size_t err_n)
{
	if (rc == -EPERM || rc == -EACCES)
		snprintf(err, err_n, "%s: not permitted; it needs CAP_BPF and CAP_NET_ADMIN", what);
	else
		snprintf(err, err_n, "%s: %s%s%s%s", what, strerror(-rc), complaint[0] ? " (" : "",
			 complaint, complaint[0] ? ")" : "");
	return rc;
}
