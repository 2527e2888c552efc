/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/access.h"
#include "controlplane/audit.h"
#include "controlplane/rules.h"

#define NEEDED	 true
#define OPTIONAL false
#define PARAM(name, type, need, min, max, words, help) \
	{name, API_##type, need, min, max, words, help},
#define ACTION(sym, name, handler, help, ...) \
	static const struct api_param sym##_params[] = {__VA_ARGS__{NULL}};
#include "controlplane/api.def"
#undef ACTION

static const struct api_action actions[] = {
#define ACTION(sym, name, handler, help, ...) {name, handler, help, sym##_params},
#include "controlplane/api.def"
#undef ACTION
};

const struct api_action *api_actions(size_t *n)
{
	*n = array_len(actions);
	return actions;
}

/* ---- parameters ---------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool breaks(struct api_broken *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->rule, sizeof(b->rule), fmt, ap);
	va_end(ap);
	return true;
}

static bool length_broken(const struct api_param *p, const char *text, struct api_broken *b)
{
	size_t n = strlen(text);

	if ((int64_t)n < p->min || (int64_t)n > p->max)
		return breaks(b, "must have %lld to %lld bytes; it has %zu", (long long)p->min,
			      (long long)p->max, n);
	return false;
}

static bool int_broken(const struct api_param *p, const char *text, int64_t *out,
		       struct api_broken *b)
{
	if (!rule_is_int(text, out) || *out < p->min || *out > p->max)
		return breaks(b, "must be a whole number from %lld to %lld", (long long)p->min,
			      (long long)p->max);
	return false;
}

static bool word_broken(const struct api_param *p, const char *text, struct api_broken *b)
{
	size_t n = strlen(text);

	for (const char *w = p->words; *w; w += strspn(w, " ")) {
		size_t word_n = strcspn(w, " ");

		if (word_n == n && !strncmp(w, text, n))
			return false;
		w += word_n;
	}
	return breaks(b, "must be one of: %s", p->words);
}

static bool urls_broken(const struct api_param *p, struct api_arg *a, struct api_broken *b)
{
	const char *text = a->text;
	json_t *list = json_loads(text, 0, NULL), *one;
	bool bad = !json_is_array(list);
	size_t i, n = json_array_size(list);

	json_array_foreach (list, i, one)
		bad = bad || !json_is_string(one) || json_string_length(one) > 2000 ||
		      !rule_is_plain(json_string_value(one));
	json_decref(list);
	if (bad)
		return breaks(b, "must be a JSON list of URLs of at most 2000 bytes each");
	if ((int64_t)n < p->min || (int64_t)n > p->max)
		return breaks(b, "must list %lld to %lld URLs; it lists %zu", (long long)p->min,
			      (long long)p->max, n);
	if (!n)
		a->text = "";
	return false;
}

bool api_value_broken(const struct api_param *p, struct api_arg *a, struct api_broken *b)
{
	const char *text = a->text, *rule = NULL;

	switch (p->type) {
	case API_INT:
		return int_broken(p, text, &a->number, b);
	case API_TIME:
		if (!time_parse(text, &a->number))
			return breaks(b, "must have the form yyyy-MM-ddTHH:mm:ssZ (UTC)");
		return false;
	case API_ONEOF:
		return word_broken(p, text, b);
	case API_URLS:
		return urls_broken(p, a, b);
	default:
		break;
	}
	if (length_broken(p, text, b))
		return true;
	if (p->type == API_WORD && !rule_is_word(text))
		rule = "may hold letters, digits, '-', '_' and '.' only";
	else if (p->type == API_DOMAIN)
		rule = rule_domain(text);
	else if (p->type == API_NAME && !rule_is_name(text))
		rule = "must be a name as it stands in a URL: no blanks, none of ?#%&*\\, no empty part";
	else if (p->type == API_RTMP)
		rule = rule_destination(text);
	else if (p->type == API_HTTP && *text)
		rule = rule_url(text, RULE_HTTP | RULE_HTTPS);
	else if (p->type != API_LINES && !rule_is_plain(text))
		rule = "must not hold control characters";
	return rule ? breaks(b, "%s", rule) : false;
}

/* Empty is as good as not given where an empty value could mean nothing. */
static bool is_given(const struct api_param *p, const char *text)
{
	return text && (*text || (!p->needed && (p->type == API_TEXT || p->type == API_HTTP)));
}

bool api_check(const struct api_action *action, const struct params *p, int64_t retry_min,
	       struct api_arg args[API_PARAMS_MAX], struct refusal *r)
{
	for (size_t i = 0; action->params[i].name; i++) {
		struct api_param param = action->params[i];
		const char *text = params_value(p, param.name);
		struct api_broken b;

		must(i < API_PARAMS_MAX);
		args[i] = (struct api_arg){0};
		/* The documented bound is for the documented policy. */
		if (!strcmp(param.name, "RetryInterval") && !params_value(p, "RetryPolicy"))
			param.min = retry_min;
		if (!is_given(&param, text)) {
			if (!param.needed)
				continue;
			return refuse(r, 400, "MissingParameter", "%s is missing: %s.", param.name,
				      param.help);
		}
		args[i].text = text;
		if (api_value_broken(&param, &args[i], &b))
			return refuse(r, 400, "InvalidParameter",
				      "%s %s; the value is \"%.100s%s\".", param.name, b.rule, text,
				      strlen(text) > 100 ? "..." : "");
	}
	return true;
}

const struct api_arg *api_arg(const struct api_call *c, const char *name)
{
	for (size_t i = 0; c->action->params[i].name; i++)
		if (!strcmp(c->action->params[i].name, name))
			return &c->args[i];
	must(!"a parameter of this action");
	return NULL;
}

json_t *api_given(const struct api_call *c)
{
	const struct api_param *p = c->action->params;
	json_t *given = json_object();

	for (size_t i = 0; p[i].name; i++)
		if (c->args[i].text)
			json_object_set_new(given, p[i].name, json_string(c->args[i].text));
	return given;
}

/* ---- answers ------------------------------------------------------------------------------- */

/* RequestIds are upper case. */
static void name_request(struct api_call *c)
{
	uuid_make(c->request_id);
	for (char *p = c->request_id; *p; p++)
		if (*p >= 'a' && *p <= 'f')
			*p -= 'a' - 'A';
}

static void reply(struct api_call *c, int status, json_t *body)
{
	const char *code = json_string_value(json_object_get(body, "Code"));

	c->cp->api_calls++;
	if (c->authentic && audit_is_change(c->action->name))
		audit_note(c->cp->audit, c, status, status != 200 && code ? code : "");
	json_decref(c->before);
	json_decref(c->after);
	json_object_set_new(body, "RequestId", json_string(c->request_id));
	if (c->http) {
		http_reply_json(c->http, status, body);
	} else {
		c->done(c->done_arg, status, body);
		json_decref(body);
	}
	free(c);
}

void api_answer(struct api_call *c, json_t *body)
{
	reply(c, 200, body);
}

void api_refuse(struct api_call *c, const struct refusal *r)
{
	const char *host = c->http && c->http->host[0] ? c->http->host : c->cp->node;
	json_t *message = json_string(r->message), *body;
	char text[600];

	/* A value that was cut to fit may have been cut inside a character. */
	if (!message)
		message = json_string("a parameter breaks its rule");
	body = json_pack("{ss ss so}", "HostId", host, "Code", r->code, "Message", message);
	must(body);
	c->cp->api_refused++;
	log_info("api_refused", "action=%s code=%s request=%s why=%s",
		 c->action ? c->action->name : "none", r->code, c->request_id,
		 log_q(text, sizeof(text), r->message));
	reply(c, r->status, body);
}

void api_relay_answer(struct api_call *c, int status, json_t *body)
{
	if (status != 200)
		c->cp->api_refused++;
	reply(c, status, json_copy(body));
}

/* ---- requests ------------------------------------------------------------------------------ */

static const struct api_action *find_action(const char *name)
{
	for (size_t i = 0; i < array_len(actions); i++)
		if (!strcmp(actions[i].name, name))
			return &actions[i];
	return NULL;
}

static bool check_form(struct api_call *c, struct refusal *r)
{
	const struct params *p = &c->http->params;
	const char *action = params_value(p, "Action");
	const char *version = params_value(p, "Version");
	const char *format = params_value(p, "Format");

	if (!action || !*action)
		return refuse(r, 400, "MissingParameter", "Action is missing.");
	c->action = find_action(action);
	if (!c->action)
		return refuse(r, 404, "InvalidAction.NotFound",
			      "Action \"%.64s\" is not served here.", action);
	if (!version || !*version)
		return refuse(r, 400, "MissingParameter", "Version is missing: %s is served.",
			      API_VERSION);
	if (strcmp(version, API_VERSION))
		return refuse(r, 400, "InvalidVersion",
			      "Version must be %s; the value is \"%.64s\".", API_VERSION, version);
	if (format && *format && strcasecmp(format, "JSON"))
		return refuse(r, 400, "InvalidParameter",
			      "Format must be JSON, the only one served; the value is \"%.64s\".",
			      format);
	return true;
}

/* Who calls: the owner, or who has a key. *user: NULL for one who may do everything. */
static bool check_caller(struct api_call *c, const json_t **user, struct refusal *r)
{
	const struct params *p = &c->http->params;
	const char *id = params_value(p, "AccessKeyId");
	uint64_t window = (uint64_t)c->cp->conf.api_clock_window;
	struct creds creds = c->cp->creds;

	*user = NULL;
	if (c->http->door == HTTP_OWNER)
		return true;
	if (id && strcmp(id, creds.id))
		*user = access_find(c->cp->access, id, &creds);
	return sign_check(p, c->http->method, &creds, c->cp->nonces, clock_wall_ms(), window, r) &&
	       access_rate(c->cp->access, id, clock_us(), r);
}

void api_handle(struct cp *cp, struct http_call *http)
{
	struct api_call *c = calloc(1, sizeof(*c));
	const json_t *user;
	struct refusal r;

	must(c);
	c->cp = cp;
	c->http = http;
	name_request(c);
	if (!check_form(c, &r) || !check_caller(c, &user, &r)) {
		api_refuse(c, &r);
		return;
	}
	c->authentic = true;
	if (api_check(c->action, &http->params, cp->conf.tasks_retry_min, c->args, &r) &&
	    access_allows(user, c->action, c->args, &r))
		c->action->handle(c);
	else
		api_refuse(c, &r);
}

static void run(struct cp *cp, const struct api_action *action, const struct params *p, bool here,
		void (*done)(void *arg, int status, json_t *body), void *arg)
{
	struct api_call *c = calloc(1, sizeof(*c));
	struct refusal r;

	must(c && action);
	c->cp = cp;
	c->done = done;
	c->done_arg = arg;
	c->here = here;
	/* Another node has noted what it passes on. */
	c->authentic = !here;
	c->action = action;
	name_request(c);
	if (api_check(c->action, p, cp->conf.tasks_retry_min, c->args, &r))
		c->action->handle(c);
	else
		api_refuse(c, &r);
}

void api_run(struct cp *cp, const char *action, const struct params *p,
	     void (*done)(void *arg, int status, json_t *body), void *arg)
{
	run(cp, find_action(action), p, false, done, arg);
}

bool api_run_here(struct cp *cp, const char *action, const struct params *p,
		  void (*done)(void *arg, int status, json_t *body), void *arg)
{
	const struct api_action *found = find_action(action);

	if (found)
		run(cp, found, p, true, done, arg);
	return found;
}
