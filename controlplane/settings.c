/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "controlplane/guard.h"

/* "key=value" */
static int apply_set(struct config *c, const char *text, struct conf_error *e)
{
	const char *eq = strchr(text, '=');
	char key[128];

	if (!eq || (size_t)(eq - text) >= sizeof(key)) {
		snprintf(e->text, sizeof(e->text), "--set %.100s: must be key=value", text);
		return -1;
	}
	snprintf(key, sizeof(key), "%.*s", (int)(eq - text), text);
	return conf_set(c, key, eq + 1, e);
}

int settings_read(const struct cp *cp, struct config *out, struct conf_error *e)
{
	static struct config c; /* 20 KiB; one loop, one reader */
	int rc = conf_load(&c, cp->conf_path, e);

	for (char **set = cp->sets; !rc && set && *set; set++)
		rc = apply_set(&c, *set, e);
	if (!rc)
		rc = conf_check(&c, e);
	if (!rc)
		*out = c;
	return rc;
}

/* Keeps what only a start can change. */
static void keep_old(void *arg, const struct conf_key *k)
{
	struct config **both = arg;
	size_t n = k->type == CONF_STR || k->type == CONF_ADDR ? sizeof(both[0]->state_dir)
		   : k->type == CONF_ENUM		       ? sizeof(both[0]->log_level)
							       : sizeof(int64_t);

	if (k->when == CONF_RESTART)
		memcpy((char *)both[1] + k->offset, (const char *)both[0] + k->offset, n);
}

int settings_reload(struct cp *cp, struct conf_error *e)
{
	static struct config next;
	struct config *both[] = {&cp->conf, &next};
	int rc = settings_read(cp, &next, e);

	if (rc)
		return rc;
	conf_diff(&cp->conf, &next, keep_old, both);
	cp->conf = next;
	guard_configure(cp->guard, &cp->conf);
	log_set_level((enum log_level)log_level_of(next.log_level));
	log_set_format(next.log_format);
	log_info("reloaded", "file=%s", cp->conf_path ? cp->conf_path : "none");
	return 0;
}
