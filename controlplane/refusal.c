/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/refusal.h"

#include <stdarg.h>
#include <stdio.h>

bool refuse(struct refusal *r, int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	r->status = status;
	snprintf(r->code, sizeof(r->code), "%s", code);
	va_start(ap, fmt);
	vsnprintf(r->message, sizeof(r->message), fmt, ap);
	va_end(ap);
	return false;
}

bool refuse_redis(struct refusal *r, const char *why)
{
	return refuse(r, 503, "ServiceUnavailable", "Redis is not available (%.200s).", why);
}
