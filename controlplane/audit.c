/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/history.h"
#include "controlplane/view.h"

struct audit {
	struct store *store;
	char path[1200];
	int fd;
	off_t bytes;
};

/* ---- masks ------------------------------------------------------------------------------------------ */

static bool is_secret(const char *name)
{
	static const char *const names[] = {"key",    "auth_key1",     "auth_key2",
					    "secret", "NotifyAuthKey", "Content"};

	for (size_t i = 0; i < array_len(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* What follows '?' in each URL of a text, up to what ends a URL in a list. */
static json_t *without_queries(const char *text)
{
	char *out = NULL;
	json_t *masked;
	size_t n;
	FILE *to = open_memstream(&out, &n);

	must(to);
	for (const char *p = text; *p; p++) {
		fputc(*p, to);
		if (*p != '?')
			continue;
		fputs("***", to);
		p += strcspn(p, ";\", ") - 1;
	}
	must(!fclose(to) && out);
	masked = json_string(out);
	free(out);
	return masked ? masked : json_string("");
}

/* Functions of a request: argName and argValue stand beside each other. */
static void mask_args(json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "argName"));

	if (name && is_secret(name))
		json_object_set_new(o, "argValue", json_string("***"));
}

json_t *audit_masked(const json_t *document)
{
	json_t *out, *value;
	const char *name;
	size_t i;

	if (json_is_array(document)) {
		out = json_array();
		json_array_foreach ((json_t *)document, i, value)
			json_array_append_new(out, audit_masked(value));
		return out;
	}
	if (json_is_string(document))
		return strstr(json_string_value(document), "://")
			       ? without_queries(json_string_value(document))
			       : json_incref((json_t *)document);
	if (!json_is_object(document))
		return json_incref((json_t *)document);
	out = json_object();
	json_object_foreach ((json_t *)document, name, value)
		json_object_set_new(out, name,
				    is_secret(name) ? json_string("***") : audit_masked(value));
	mask_args(out);
	return out;
}

json_t *audit_masked_text(const char *name, const char *text)
{
	json_t *parsed, *masked;
	char *again;

	if (is_secret(name))
		return json_string("***");
	parsed = *text == '[' || *text == '{' ? json_loads(text, 0, NULL) : NULL;
	if (!parsed)
		return strstr(text, "://") ? without_queries(text) : json_string(text);
	masked = audit_masked(parsed);
	again = json_dumps(masked, JSON_COMPACT);
	json_decref(masked);
	json_decref(parsed);
	masked = json_string(again);
	free(again);
	return masked;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

bool audit_is_change(const char *action)
{
	static const char *const questions[] = {"Describe", "Query", "Generate", "List"};

	for (size_t i = 0; i < array_len(questions); i++)
		if (!strncmp(action, questions[i], strlen(questions[i])))
			return false;
	return true;
}

static json_t *params_of(const struct api_call *c)
{
	json_t *out = json_object();

	for (size_t i = 0; c->action->params[i].name; i++)
		if (c->args[i].text)
			json_object_set_new(
				out, c->action->params[i].name,
				audit_masked_text(c->action->params[i].name, c->args[i].text));
	return out;
}

static const char *user_of(const struct api_call *c)
{
	const char *id = c->http ? params_value(&c->http->params, "AccessKeyId") : NULL;

	if (!c->http)
		return "node";
	return c->http->door == HTTP_OWNER ? "owner" : id ? id : "";
}

static void append(struct audit *a, const json_t *row)
{
	char *text = json_dumps(row, JSON_COMPACT), *line, old[1210];
	int n;

	must(text);
	n = asprintf(&line, "%s\n", text);
	must(n > 0);
	if (a->bytes + n > AUDIT_FILE_BYTES) {
		snprintf(old, sizeof(old), "%s.1", a->path);
		if (!rename(a->path, old)) {
			close(a->fd);
			a->fd = open(a->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
			a->bytes = 0;
		}
	}
	if (write(a->fd, line, (size_t)n) != n)
		log_error("audit_file", "path=%s why=\"%s\"", a->path, strerror(errno));
	a->bytes += n;
	free(line);
	free(text);
}

/* Takes the row. */
static void keep(struct audit *a, json_t *row)
{
	append(a, row);
	history_add(a->store, HISTORY_AUDIT, AUDIT_SUBJECT, row);
}

void audit_note(struct audit *a, const struct api_call *c, int status, const char *code)
{
	json_t *row = json_pack("{sI ss ss ss ss so si ss}", "t", (json_int_t)clock_wall_ms(),
				"user", user_of(c), "from", c->http ? c->http->peer : "", "action",
				c->action->name, "request", c->request_id, "params", params_of(c),
				"status", status, "code", code);

	if (!row)
		return;
	if (c->before && status == 200) {
		json_object_set_new(row, "before", audit_masked(c->before));
		json_object_set_new(row, "after", audit_masked(c->after));
	}
	keep(a, row);
}

void audit_scheduled(void *arg, const char *id, json_t *before, json_t *after)
{
	char request[UUID_TEXT];
	json_t *row =
		json_pack("{sI ss ss ss ss s{ss} si ss}", "t", (json_int_t)clock_wall_ms(), "user",
			  "schedule", "from", "", "action",
			  after ? "StartLivePullToPush" : "DeleteLivePullToPush", "request",
			  uuid_make(request), "params", "TaskId", id, "status", 200, "code", "");

	if (!row)
		return;
	json_object_set_new(row, "before", json_pack("{so}", id, audit_masked(before)));
	json_object_set_new(row, "after",
			    json_pack("{so}", id, after ? audit_masked(after) : json_null()));
	keep(arg, row);
}

/* ---- life ------------------------------------------------------------------------------------------- */

struct audit *audit_new(struct store *store, const char *state_dir, char *err, size_t err_n)
{
	struct audit *a = calloc(1, sizeof(*a));
	struct stat st;

	must(a);
	a->store = store;
	snprintf(a->path, sizeof(a->path), "%s/audit.log", state_dir);
	a->fd = open(a->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->fd >= 0 && !fstat(a->fd, &st)) {
		a->bytes = st.st_size;
		return a;
	}
	snprintf(err, err_n, "%.1000s: %s", a->path, strerror(errno));
	audit_free(a);
	return NULL;
}

void audit_free(struct audit *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}
