/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/reach.h"

#include <stdio.h>
#include <string.h>

void reach(char *dst, size_t n, const char *listen)
{
	size_t len = strcspn(listen, " ");
	const char *port = memrchr(listen, ':', len);
	size_t host = port ? (size_t)(port - listen) : len;

	if (!host || !strncmp(listen, "0.0.0.0:", 8))
		snprintf(dst, n, "127.0.0.1%.*s", (int)(len - host), listen + host);
	else if (!strncmp(listen, "[::]:", 5))
		snprintf(dst, n, "[::1]%.*s", (int)(len - host), listen + host);
	else
		snprintf(dst, n, "%.*s", (int)len, listen);
}
