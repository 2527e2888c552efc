/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/book.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/store_redis_words.h"

#define DUMP (JSON_COMPACT | JSON_SORT_KEYS)

struct book {
	struct store *store;
	char key[80], version_key[96];
	book_changed *fn;
	void *arg;
	json_t *docs, *texts; /* name -> document; name -> how it stands in Redis */
	int64_t version;
	bool known, reading;
};

/* ---- reading ------------------------------------------------------------------------------- */

static void read_all(struct book *b);

/* Whether something changed. */
static bool take_all(struct book *b, const struct store_reply *r)
{
	json_t *docs = json_object(), *texts = json_object();
	bool same;

	for (size_t i = 0; i + 1 < r->n; i += 2) {
		json_t *doc = r->text[i + 1] ? json_loads(r->text[i + 1], 0, NULL) : NULL;

		if (!json_is_object(doc) || json_object_set(docs, r->text[i], doc))
			log_error("document_unreadable", "key=%s", b->key);
		else
			json_object_set_new(texts, r->text[i], json_string(r->text[i + 1]));
		json_decref(doc);
	}
	same = b->known && json_equal(texts, b->texts);
	json_decref(b->docs);
	json_decref(b->texts);
	b->docs = docs;
	b->texts = texts;
	b->known = true;
	return !same;
}

static void on_all(void *arg, const struct store_reply *r)
{
	struct book *b = arg;

	b->reading = false;
	if (r->error)
		return;
	if (take_all(b, r))
		b->fn(b->arg);
}

/* The version is read before the documents: at worst they are read once more. */
static void on_version(void *arg, const struct store_reply *r)
{
	struct book *b = arg;

	if (!r->error)
		b->version = r->n && r->text[0] ? strtoll(r->text[0], NULL, 10) : 0;
}

static void read_all(struct book *b)
{
	if (b->reading)
		return;
	b->reading = true;
	store_ask(b->store, STORE_WORDS("GET", b->version_key), on_version, b);
	store_ask(b->store, STORE_WORDS("HGETALL", b->key), on_all, b);
}

static void on_ready(void *arg)
{
	read_all(arg);
}

static void on_polled(void *arg, const struct store_reply *r)
{
	struct book *b = arg;
	int64_t version = !r->error && r->n && r->text[0] ? strtoll(r->text[0], NULL, 10) : 0;

	if (!r->error && version != b->version)
		read_all(b);
}

void book_poll(struct book *b)
{
	if (store_ready(b->store) && b->known && !b->reading)
		store_ask(b->store, STORE_WORDS("GET", b->version_key), on_polled, b);
	else if (store_ready(b->store) && !b->known)
		read_all(b);
}

/* ---- changing ------------------------------------------------------------------------------ */

/* KEYS: the hash, its version; ARGV: name, what it is now, what it shall be ("": not there), ... */
static const char commit_lua[] =
	"for i = 1, #ARGV, 3 do\n"
	"  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then\n"
	"    return redis.error_reply('BUSY another change was faster') end\n"
	"end\n"
	"for i = 1, #ARGV, 3 do\n"
	"  if ARGV[i + 2] == '' then redis.call('HDEL', KEYS[1], ARGV[i])\n"
	"  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end\n"
	"end\n"
	"return redis.call('INCR', KEYS[2])\n";

struct change {
	struct book *book;
	json_t *changes, *texts;
	store_done *done;
	void *arg;
};

static void change_free(struct change *c)
{
	json_decref(c->changes);
	json_decref(c->texts);
	free(c);
}

static void apply(struct change *c)
{
	struct book *b = c->book;
	const char *name;
	json_t *doc;

	json_object_foreach (c->changes, name, doc) {
		if (json_is_null(doc)) {
			json_object_del(b->docs, name);
			json_object_del(b->texts, name);
		} else {
			json_object_set(b->docs, name, doc);
			json_object_set(b->texts, name, json_object_get(c->texts, name));
		}
	}
}

static void on_committed(void *arg, const struct store_reply *r)
{
	struct change *c = arg;
	struct book *b = c->book;

	if (r->error) {
		if (!strncmp(r->error, BOOK_BUSY, strlen(BOOK_BUSY)))
			read_all(b);
		c->done(c->arg, r->error);
		change_free(c);
		return;
	}
	apply(c);
	/* One more than known: nobody else changed anything in between. */
	if (r->number == b->version + 1)
		b->version = r->number;
	b->fn(b->arg);
	c->done(c->arg, NULL);
	change_free(c);
}

void book_commit(struct book *b, json_t *changes, store_done *done, void *arg)
{
	const char *words[5 + 3 * BOOK_CHANGES_MAX] = {"EVAL", commit_lua, "2", b->key,
						       b->version_key};
	struct change *c = calloc(1, sizeof(*c));
	const char *name;
	json_t *doc;
	size_t n = 5;

	must(c && json_object_size(changes) <= BOOK_CHANGES_MAX);
	*c = (struct change){b, changes, json_object(), done, arg};
	json_object_foreach (changes, name, doc) {
		const char *was = json_string_value(json_object_get(b->texts, name));
		char *text = json_is_null(doc) ? strdup("") : json_dumps(doc, DUMP);

		must(text && !json_object_set_new(c->texts, name, json_string(text)));
		free(text);
		words[n++] = name;
		words[n++] = was ? was : "";
		words[n++] = json_string_value(json_object_get(c->texts, name));
	}
	store_ask(b->store, words, n, on_committed, c);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct book *book_new(struct store *store, const char *name, book_changed *fn, void *arg)
{
	struct book *b = calloc(1, sizeof(*b));

	must(b);
	b->store = store;
	snprintf(b->key, sizeof(b->key), "mr:{%s}", name);
	snprintf(b->version_key, sizeof(b->version_key), "mr:{%s}:version", name);
	b->fn = fn;
	b->arg = arg;
	b->docs = json_object();
	b->texts = json_object();
	store_watch(store, on_ready, b);
	return b;
}

void book_free(struct book *b)
{
	if (!b)
		return;
	json_decref(b->docs);
	json_decref(b->texts);
	free(b);
}

bool book_known(const struct book *b)
{
	return b->known;
}

json_t *book_all(const struct book *b)
{
	return b->docs;
}

json_t *book_get(const struct book *b, const char *name)
{
	return json_object_get(b->docs, name);
}
