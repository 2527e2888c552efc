/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/cli.h"

#include <stdarg.h>

int cli_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("millrace: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}
