/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/history.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "controlplane/store_redis_words.h"

#define KEY_TEXT 560

/* As long as the documented questions reach back. */
static const struct {
	const char *name, *keep_s, *last;
} kinds[HISTORY_KINDS] = {
	[HISTORY_PUBLISH] = {"publish", "2592000", "9999"},
	[HISTORY_CONTROL] = {"control", "604800", "9999"},
	[HISTORY_NOTIFY] = {"notify", "604800", "9999"},
	[HISTORY_MINUTES] = {"minutes", "172800", "2879"},
	[HISTORY_AUDIT] = {"audit", "31536000", "9999"},
	[HISTORY_SWITCH] = {"switch", "604800", "999"},
	[HISTORY_CODES] = {"codes", "604800", "19999"},
};

static const char *key_of(char dst[KEY_TEXT], enum history_kind kind, const char *subject)
{
	snprintf(dst, KEY_TEXT, "mr:history:{%.512s}:%s", subject, kinds[kind].name);
	return dst;
}

void history_add(struct store *s, enum history_kind kind, const char *subject, json_t *row)
{
	char *text = json_dumps(row, JSON_COMPACT), key[KEY_TEXT];

	must(text);
	key_of(key, kind, subject);
	store_tell(s, STORE_WORDS("LPUSH", key, text));
	store_tell(s, STORE_WORDS("LTRIM", key, "0", kinds[kind].last));
	store_tell(s, STORE_WORDS("EXPIRE", key, kinds[kind].keep_s));
	free(text);
	json_decref(row);
}

struct question {
	history_fn *fn;
	void *arg;
	int64_t from_ms, to_ms;
};

static void on_rows(void *arg, const struct store_reply *r)
{
	struct question *q = arg;
	json_t *rows;

	if (r->error) {
		q->fn(q->arg, NULL, r->error);
		free(q);
		return;
	}
	rows = json_array();
	for (size_t i = 0; i < r->n; i++) {
		json_t *row = r->text[i] ? json_loads(r->text[i], 0, NULL) : NULL;
		json_int_t t = json_integer_value(json_object_get(row, "t"));

		if (row && t >= q->from_ms && t < q->to_ms)
			json_array_append(rows, row);
		json_decref(row);
	}
	q->fn(q->arg, rows, NULL);
	json_decref(rows);
	free(q);
}

void history_ask(struct store *s, enum history_kind kind, const char *subject, int64_t from_ms,
		 int64_t to_ms, history_fn *fn, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));
	char key[KEY_TEXT];

	must(q);
	*q = (struct question){fn, arg, from_ms, to_ms};
	store_ask(s, STORE_WORDS("LRANGE", key_of(key, kind, subject), "0", "-1"), on_rows, q);
}
