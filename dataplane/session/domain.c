/* SPDX-License-Identifier: Apache-2.0 */
#include "session/domain.h"

#include <stdio.h>

const char *domain_of(const char *host)
{
	(void)host;
	return "default";
}

char *domain_stream_key(char *dst, const struct stream_name *name)
{
	snprintf(dst, STREAM_KEY_MAX, "%s/%s/%s", domain_of(name->domain), name->app, name->name);
	return dst;
}
