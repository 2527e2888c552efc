/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "controlplane/guard.h"
#include "controlplane/tls.h"

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

int settings_read(const struct cp *cp, const char *content, struct config *out,
		  struct conf_error *e)
{
	static struct config c; /* 20 KiB; one loop, one reader */
	int rc = content ? conf_load_text(&c, cp->conf_path, content, strlen(content), e)
			 : conf_load(&c, cp->conf_path, e);

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

struct changes {
	const struct config *from, *to;
	json_t *list;
};

static void note_change(void *arg, const struct conf_key *k)
{
	struct changes *c = arg;
	char from[1100], to[1100];

	conf_value_shown(c->from, k, from, sizeof(from));
	conf_value_shown(c->to, k, to, sizeof(to));
	json_array_append_new(c->list, json_pack("{ss ss ss ss}", "Key", k->path, "From", from,
						 "To", to, "Effect", conf_when_text(k->when)));
}

json_t *settings_changes(const struct cp *cp, const struct config *next)
{
	struct changes c = {&cp->conf, next, json_array()};

	conf_diff(c.from, c.to, note_change, &c);
	return c.list;
}

void settings_take(struct cp *cp, const struct config *next)
{
	static struct config taken;
	struct config *both[] = {&cp->conf, &taken};
	char err[512];

	taken = *next;
	conf_diff(&cp->conf, next, keep_old, both);
	cp->conf = taken;
	if (*cp->conf.api_tls_certificate &&
	    tls_load(cp->tls, cp->conf.api_tls_certificate, cp->conf.api_tls_key, err, sizeof(err)))
		log_error("tls_certificate", "why=\"%s\"", err);
	guard_configure(cp->guard, &cp->conf);
	log_set_level((enum log_level)log_level_of(taken.log_level));
	log_set_format(taken.log_format);
	log_info("reloaded", "file=%s", cp->conf_path ? cp->conf_path : "none");
}
