/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/format.h"

#define TIMEOUT_MS   15000
#define ANSWER_BYTES (64u << 20)
#define API_VERSION  "2016-11-01"

/* One call: what goes out, and what came back. */
struct call {
	const struct cli *cli;
	const char *path, *action; /* one of them */
	const struct client_param *params;
	bool post;
	long timeout_ms;

	long status; /* HTTP; 0: no answer */
	char *body;
	size_t n;
	bool too_long;
	json_t *answer;
	char error[CURL_ERROR_SIZE];
};

static size_t collect(char *p, size_t one, size_t n, void *arg)
{
	struct call *c = arg;
	char *grown;

	if (c->n + n > ANSWER_BYTES || !(grown = realloc(c->body, c->n + n + 1))) {
		c->too_long = true;
		return 0;
	}
	c->body = grown;
	memcpy(c->body + c->n, p, n);
	c->n += n;
	c->body[c->n] = '\0';
	return n;
}

static void add_pair(FILE *to, const char *sep, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);

	must(escaped);
	fprintf(to, "%s%s=%s", sep, name, escaped);
	curl_free(escaped);
}

/* "Action=...&Version=...&name=value"; the caller frees it. */
static char *form_of(const struct call *c)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);
	const char *sep = "";

	must(to);
	if (c->action) {
		add_pair(to, "", "Action", c->action);
		add_pair(to, "&", "Version", API_VERSION);
		sep = "&";
	}
	for (const struct client_param *p = c->params; p && p->name; p++) {
		if (!p->value)
			continue;
		add_pair(to, sep, p->name, p->value);
		sep = "&";
	}
	must(!fclose(to));
	return text;
}

/* The RPC API takes its parameters in the body, local paths in the query. */
static void perform(struct call *c, CURL *curl, const char *socket)
{
	char *form = form_of(c), *url = NULL;
	CURLcode rc;
	long os = 0;

	must(asprintf(&url, "http://localhost%s%s%s", c->action ? "/" : c->path,
		      !c->action && *form ? "?" : "", c->action ? "" : form) > 0);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, c->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (c->post)
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, c->action ? form : "");
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os);
	if (rc == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &c->status);
	else if (rc == CURLE_COULDNT_CONNECT && os) /* curl's own text names a host and a port */
		snprintf(c->error, sizeof(c->error), "%s", strerror((int)os));
	free(url);
	free(form);
}

static int outcome(const struct call *c)
{
	if (c->too_long)
		return CLI_FAILED;
	if (!c->status)
		return CLI_UNREACHABLE;
	if (c->status >= 400 && c->status < 500)
		return CLI_REFUSED;
	return c->status / 100 == 2 && c->answer ? CLI_OK : CLI_FAILED;
}

/* Runs the call; its answer stays in c->answer for the caller. */
static int run(struct call *c)
{
	CURL *curl = curl_easy_init();
	char *socket = NULL;

	must(curl);
	must(asprintf(&socket, "%s/api.sock", c->cli->state) > 0);
	perform(c, curl, socket);
	curl_easy_cleanup(curl);
	free(socket);
	if (c->n)
		c->answer = json_loadb(c->body, c->n, 0, NULL);
	free(c->body);
	c->body = NULL;
	return outcome(c);
}

/* Code and message of an error answer, or what else is known. */
static void explain(const struct call *c, char *dst, size_t n)
{
	const char *code = client_text(c->answer, "Code");
	char text[1024];

	if (c->too_long)
		snprintf(text, sizeof(text), "the answer is longer than %u bytes", ANSWER_BYTES);
	else if (!c->status)
		snprintf(text, sizeof(text), "%s", c->error);
	else if (*code)
		snprintf(text, sizeof(text), "%s: %s", code, client_text(c->answer, "Message"));
	else
		snprintf(text, sizeof(text), "the server answered with status %ld", c->status);
	format_safe(dst, n, text);
}

static int say(const struct call *c, int rc)
{
	char why[1024];

	explain(c, why, sizeof(why));
	if (rc == CLI_UNREACHABLE)
		return cli_fail(rc,
				"cannot reach Millrace at %s/api.sock (%s); is it running? Start "
				"it with `millrace up`, or name its state folder with --state",
				c->cli->state, why);
	if (c->cli->json && c->answer)
		client_print(c->answer);
	return cli_fail(rc, "%s", why);
}

static int talk(struct call *c, json_t **answer)
{
	int rc = run(c);

	if (rc == CLI_OK) {
		*answer = c->answer;
		return rc;
	}
	say(c, rc);
	json_decref(c->answer);
	return rc;
}

int client_get(const struct cli *cli, const char *path, const struct client_param *params,
	       json_t **answer)
{
	struct call c = {.cli = cli, .path = path, .params = params, .timeout_ms = TIMEOUT_MS};

	return talk(&c, answer);
}

int client_post(const struct cli *cli, const char *path, const struct client_param *params,
		json_t **answer)
{
	struct call c = {.cli = cli, .path = path, .params = params, .timeout_ms = TIMEOUT_MS};

	c.post = true;
	return talk(&c, answer);
}

int client_rpc(const struct cli *cli, const char *action, const struct client_param *params,
	       json_t **answer)
{
	struct call c = {.cli = cli, .action = action, .params = params, .timeout_ms = TIMEOUT_MS};

	c.post = true;
	return talk(&c, answer);
}

int client_try_get(const struct cli *cli, const char *path, long timeout_ms, json_t **answer)
{
	struct call c = {.cli = cli, .path = path, .timeout_ms = timeout_ms};
	int rc = run(&c);

	if (rc == CLI_OK)
		*answer = c.answer;
	else
		json_decref(c.answer);
	return rc;
}

int client_try_rpc(const struct cli *cli, const char *action, const struct client_param *params,
		   json_t **answer, char *why, size_t n)
{
	struct call c = {.cli = cli, .action = action, .params = params, .timeout_ms = TIMEOUT_MS};
	int rc;

	c.post = true;
	rc = run(&c);
	if (rc == CLI_OK) {
		*answer = c.answer;
		return rc;
	}
	explain(&c, why, n);
	json_decref(c.answer);
	return rc;
}

int client_act(const struct cli *cli, const char *action, const struct client_param *params,
	       const char *done)
{
	json_t *answer;
	int rc = client_rpc(cli, action, params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else if (done)
		puts(done);
	json_decref(answer);
	return CLI_OK;
}

int client_stream(const char *stream, char *text, size_t n, const char **app, const char **name)
{
	char *first, *second;

	snprintf(text, n, "%s", stream);
	first = strchr(text, '/');
	second = first ? strrchr(first + 1, '/') : NULL;
	if (!second || strlen(stream) >= n)
		return cli_fail(CLI_USAGE, "%.200s: must be DOMAIN/APP/NAME", stream);
	*first = *second = 0;
	*app = first + 1;
	*name = second + 1;
	return CLI_OK;
}

const char *client_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

double client_number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

bool client_flag(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_true(v) || (json_is_number(v) && json_number_value(v) != 0);
}

void client_print(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	putchar('\n');
	fflush(stdout);
}

int client_show(const struct cli *cli, json_t *answer, void (*print)(const json_t *answer))
{
	if (cli->json)
		client_print(answer);
	else
		print(answer);
	json_decref(answer);
	return CLI_OK;
}
