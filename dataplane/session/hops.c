/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hops.h"

#include <string.h>
#include <unistd.h>

#include "media/url.h"

bool hops_have_me(const struct config *conf, const char *params)
{
	char hops[512], me[65] = "";

	if (!params_get(params, "mr_hop", hops, sizeof(hops)))
		return false;
	if (!conf->node[0] && gethostname(me, sizeof(me) - 1))
		return false;
	for (char *rest = hops, *hop; (hop = strsep(&rest, ","));)
		if (*hop && !strcmp(hop, conf->node[0] ? conf->node : me))
			return true;
	return false;
}
