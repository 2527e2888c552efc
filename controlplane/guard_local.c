/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/guard_local.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "bpf/guard.h"
#include "controlplane/guard.h"

static void add_entry(void *rows, const char *range, enum guard_verdict verdict, bool configured)
{
	json_array_append_new(rows, json_pack("{ss ss ss}", "range", range, "verdict",
					      verdict == GUARD_ALLOW ? "allow" : "deny", "from",
					      configured ? "configuration" : "operator"));
}

void guard_local_show(struct cp *cp, struct http_call *c)
{
	json_t *rows = json_array(), *packets = json_object();
	uint64_t counts[GUARD_COUNTS];

	guard_each(cp->guard, add_entry, rows);
	if (guard_counts(cp->guard, counts))
		for (unsigned i = 0; i < GUARD_COUNTS; i++)
			json_object_set_new(packets, bpf_guard_count_name(i),
					    json_integer((json_int_t)counts[i]));
	http_reply_json(c, 200,
			json_pack("{sb ss so so}", "on", (int)guard_is_on(cp->guard), "trouble",
				  guard_trouble(cp->guard), "entries", rows, "packets", packets));
}

static void fail(struct http_call *c, int status, const char *code, const char *message)
{
	http_reply_json(c, status, json_pack("{ss ss}", "Code", code, "Message", message));
}

/* -1: another word. */
static int verdict_of(const char *word)
{
	static const char *const words[] = {"none", "allow", "deny"};

	for (size_t i = 0; word && i < array_len(words); i++)
		if (!strcmp(word, words[i]))
			return (int)i;
	return -1;
}

void guard_local_set(struct cp *cp, struct http_call *c)
{
	const char *range = params_value(&c->params, "range");
	int verdict = verdict_of(params_value(&c->params, "verdict"));
	char err[300];
	int rc;

	if (!range || verdict < 0) {
		fail(c, 400, "MissingParameter", "range, and verdict=allow, deny or none");
		return;
	}
	rc = guard_set(cp->guard, range, (enum guard_verdict)verdict, err, sizeof(err));
	if (rc == -EINVAL)
		fail(c, 400, "InvalidParameter", err);
	else if (rc == -ENOENT)
		fail(c, 404, "NotFound", err);
	else if (rc)
		fail(c, 503, "ServiceUnavailable", err);
	else
		guard_local_show(cp, c);
}
