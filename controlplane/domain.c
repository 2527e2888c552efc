/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/domain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/check.h"
#include "base/cidr.h"
#include "controlplane/rules.h"

#define NEEDED	 true
#define OPTIONAL false
#define INGEST	 DOMAIN_KIND_INGEST
#define PLAY	 DOMAIN_KIND_PLAY
#define BOTH	 DOMAIN_KIND_BOTH
#define PARAM(name, type, need, min, max, words, help) \
	{name, API_##type, need, min, max, words, help},
#define FUNCTION(sym, name, kinds, help, ...) \
	static const struct api_param sym##_params[] = {__VA_ARGS__{NULL}};
#include "controlplane/domain.def"
#undef FUNCTION

static const struct domain_function functions[] = {
#define FUNCTION(sym, name, kinds, help, ...) {name, kinds, help, sym##_params},
#include "controlplane/domain.def"
#undef FUNCTION
};

const struct domain_function *domain_functions(size_t *n)
{
	*n = array_len(functions);
	return functions;
}

const struct domain_function *domain_function(const char *name)
{
	for (size_t i = 0; i < array_len(functions); i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	return NULL;
}

/* ---- the document -------------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

bool domain_is_play(const json_t *doc)
{
	return !strcmp(text_of(doc, "type"), DOMAIN_PLAY);
}

/* Letters and digits that nobody can guess. */
static void make_key(char dst[DOMAIN_KEY_CHARS + 1])
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char b;

	for (int i = 0; i < DOMAIN_KEY_CHARS; i++) {
		do
			must(RAND_bytes(&b, 1) == 1);
		while (b >= 4 * (sizeof(set) - 1));
		dst[i] = set[b % (sizeof(set) - 1)];
	}
	dst[DOMAIN_KEY_CHARS] = 0;
}

json_t *domain_new(const char *type, const char *region, int64_t now_s)
{
	char key[DOMAIN_KEY_CHARS + 1];
	json_t *doc;

	make_key(key);
	doc = json_pack("{ss ss sI sI ss si s[{ss si s{ss ss ss}}]}", "type", type, "status",
			"online", "created", (json_int_t)now_s, "modified", (json_int_t)now_s,
			"region", region, "next", 2, "functions", "name", "aliauth", "id", 1,
			"args", "auth_type", "type_a", "auth_key1", key, "ali_auth_delta", "1800");
	must(doc);
	return doc;
}

static json_t *find(const json_t *doc, const char *function, size_t *at)
{
	json_t *list = json_object_get(doc, "functions"), *f;
	size_t i;

	json_array_foreach (list, i, f) {
		if (strcmp(text_of(f, "name"), function))
			continue;
		*at = i;
		return f;
	}
	return NULL;
}

json_t *domain_args(const json_t *doc, const char *function)
{
	size_t at;

	return json_object_get(find(doc, function, &at), "args");
}

const char *domain_arg(const json_t *doc, const char *function, const char *arg)
{
	return text_of(domain_args(doc, function), arg);
}

enum sign_type domain_sign_type(const json_t *doc)
{
	return sign_type_of(domain_arg(doc, "aliauth", "auth_type"));
}

int64_t domain_arg_int(const json_t *doc, const char *function, const char *arg, int64_t otherwise)
{
	int64_t n;

	return rule_is_int(domain_arg(doc, function, arg), &n) ? n : otherwise;
}

bool domain_del_function(json_t *doc, const char *function)
{
	size_t at;

	if (!find(doc, function, &at))
		return false;
	json_array_remove(json_object_get(doc, "functions"), at);
	return true;
}

/* ---- lists in arguments --------------------------------------------------------------------- */

bool domain_each_part(const char *text, bool (*fn)(void *arg, const char *part), void *arg)
{
	for (const char *p = text;; p++) {
		size_t n = strcspn(p, ","), skip = strspn(p, " ");
		char part[300];

		if (n >= sizeof(part) || skip >= n)
			return false;
		snprintf(part, sizeof(part), "%.*s", (int)(n - skip), p + skip);
		while (*part && part[strlen(part) - 1] == ' ')
			part[strlen(part) - 1] = 0;
		if (!fn(arg, part))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

static bool is_page(void *arg, const char *part)
{
	const char *host = !strncmp(part, "*.", 2) ? part + 2 : part;
	char lower[300];
	size_t n = strlen(host);

	if (n >= sizeof(lower))
		return false;
	for (size_t i = 0; i <= n; i++)
		lower[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 32 : host[i]);
	return !rule_domain(lower) || !strcmp(host, "localhost");
}

static bool is_range(void *arg, const char *part)
{
	struct cidr c;
	unsigned *n = arg;

	return !cidr_parse(&c, part, strlen(part)) && ++*n <= CIDR_RANGES_MAX;
}

static bool is_country(void *arg, const char *part)
{
	return part[0] >= 'A' && part[0] <= 'Z' && part[1] >= 'A' && part[1] <= 'Z' && !part[2];
}

/* What a list breaks beyond its table's bounds; NULL: nothing. */
static const char *list_rule(const char *arg, const char *text)
{
	unsigned n = 0;

	if (!strcmp(arg, "ip_list") && !domain_each_part(text, is_range, &n))
		return "must list up to 64 addresses or ranges (10.0.0.0/8, fc00::/7), separated by "
		       "commas";
	if (!strcmp(arg, "country_list") && !domain_each_part(text, is_country, NULL))
		return "must list countries by their two capital letters (ISO 3166-1: CN,HK), "
		       "separated by commas";
	if (!strncmp(arg, "refer_domain_", 13) && !domain_each_part(text, is_page, NULL))
		return "must list host names, *. before one for all below it, separated by commas";
	return NULL;
}

/* ---- functions of a request ------------------------------------------------------------------ */

struct parsing {
	struct refusal *r;
	size_t f; /* place in Functions */
};

static bool check_value(const struct parsing *p, const struct api_param *param, const char *where,
			const char *value)
{
	struct api_arg a = {.text = value};
	struct api_broken b;
	const char *rule;

	if (api_value_broken(param, &a, &b))
		return refuse(p->r, 400, "InvalidParameter", "%s (%s) %s; the value is \"%.60s\".",
			      where, param->name, b.rule, value);
	rule = list_rule(param->name, value);
	return !rule || refuse(p->r, 400, "InvalidParameter", "%s (%s) %s; the value is \"%.60s\".",
			       where, param->name, rule, value);
}

static bool parse_arg(const struct parsing *p, const struct domain_function *f, const json_t *one,
		      size_t i, json_t *args)
{
	const char *name = json_string_value(json_object_get(one, "argName"));
	const char *value = json_string_value(json_object_get(one, "argValue"));
	const struct api_param *param = f->params;
	char where[80];

	snprintf(where, sizeof(where), "Functions[%zu].functionArgs[%zu]", p->f, i);
	if (!name || !value)
		return refuse(p->r, 400, "InvalidParameter",
			      "%s must have argName and argValue, both texts.", where);
	while (param->name && strcmp(param->name, name))
		param++;
	if (!param->name)
		return refuse(p->r, 400, "InvalidParameter",
			      "%s.argName: function %s has no argument \"%.60s\".", where, f->name,
			      name);
	if (json_object_get(args, name))
		return refuse(p->r, 400, "InvalidParameter", "%s.argName: %s is given twice.",
			      where, name);
	/* Empty is as good as not given. */
	if (!*value && !param->needed)
		return true;
	snprintf(where + strlen(where), sizeof(where) - strlen(where), ".argValue");
	if (!check_value(p, param, where, value))
		return false;
	json_object_set_new(args, name, json_string(value));
	return true;
}

static bool check_whole(const struct parsing *p, const struct domain_function *f,
			const json_t *args)
{
	for (const struct api_param *param = f->params; param->name; param++)
		if (param->needed && !json_object_get(args, param->name))
			return refuse(p->r, 400, "MissingParameter",
				      "Functions[%zu].functionArgs: %s of %s is missing: %s.", p->f,
				      param->name, f->name, param->help);
	if (!strcmp(f->name, "aliauth") && strcmp(text_of(args, "auth_type"), "no_auth") &&
	    !*text_of(args, "auth_key1"))
		return refuse(p->r, 400, "MissingParameter",
			      "Functions[%zu].functionArgs: auth_key1 is missing: %s needs it.",
			      p->f, text_of(args, "auth_type"));
	if (!strcmp(f->name, "live_play")) {
		int64_t delay = 0;

		rule_is_int(text_of(args, "delay_s"), &delay);
		if (delay && delay < 16)
			return refuse(p->r, 400, "InvalidParameter",
				      "Functions[%zu].functionArgs: delay_s must be 0 or 16 to "
				      "3600; the value is \"%lld\".",
				      p->f, (long long)delay);
	}
	return true;
}

static bool parse_id(const struct parsing *p, const json_t *one, int64_t *id)
{
	const json_t *v = json_object_get(one, "configId");

	*id = 0;
	if (!v || json_is_null(v))
		return true;
	if (json_is_integer(v))
		*id = json_integer_value(v);
	else if (!json_is_string(v) || !rule_is_int(json_string_value(v), id))
		*id = -1;
	return *id > 0 || refuse(p->r, 400, "InvalidParameter",
				 "Functions[%zu].configId must be a whole number above 0.", p->f);
}

static bool parse_one(const struct parsing *p, const json_t *one, json_t *set)
{
	const char *name = json_string_value(json_object_get(one, "functionName"));
	const json_t *list = json_object_get(one, "functionArgs"), *arg;
	const struct domain_function *f = name ? domain_function(name) : NULL;
	json_t *row, *args, *other;
	int64_t id;
	size_t i;

	if (!name)
		return refuse(p->r, 400, "MissingParameter",
			      "Functions[%zu].functionName is missing.", p->f);
	if (!f)
		return refuse(p->r, 400, "InvalidParameter",
			      "Functions[%zu].functionName: \"%.60s\" is not a function of this "
			      "service.",
			      p->f, name);
	json_array_foreach (set, i, other)
		if (!strcmp(text_of(other, "name"), name))
			return refuse(p->r, 400, "InvalidParameter",
				      "Functions[%zu].functionName: %s is set twice.", p->f, name);
	if (!json_is_array(list) || json_array_size(list) > 32)
		return refuse(p->r, 400, "InvalidParameter",
			      "Functions[%zu].functionArgs must be a list of up to 32 arguments.",
			      p->f);
	if (!parse_id(p, one, &id))
		return false;
	args = json_object();
	row = json_pack("{ss sI so}", "name", name, "id", (json_int_t)id, "args", args);
	must(row);
	json_array_append_new(set, row);
	json_array_foreach (list, i, arg)
		if (!parse_arg(p, f, arg, i, args))
			return false;
	return check_whole(p, f, args);
}

bool domain_parse_functions(const char *text, json_t **set, struct refusal *r)
{
	json_error_t e;
	json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, &e), *one;
	struct parsing p = {.r = r};
	bool fine = true;

	*set = NULL;
	if (!list)
		return refuse(r, 400, "InvalidParameter",
			      "Functions must be JSON; line %d, column %d: %.100s.", e.line,
			      e.column, e.text);
	if (!json_is_array(list) || !json_array_size(list) ||
	    json_array_size(list) > DOMAIN_FUNCTIONS_MAX) {
		json_decref(list);
		return refuse(r, 400, "InvalidParameter",
			      "Functions must be a list of 1 to %d functions.",
			      DOMAIN_FUNCTIONS_MAX);
	}
	*set = json_array();
	json_array_foreach (list, p.f, one)
		if (fine)
			fine = parse_one(&p, one, *set);
	json_decref(list);
	if (!fine) {
		json_decref(*set);
		*set = NULL;
	}
	return fine;
}

static const char *const exclusive[][2] = {
	{"referer_white_list_set", "referer_black_list_set"},
	{"ip_allow_list_set", "ip_black_list_set"},
	{"country_allow_list_set", "country_black_list_set"},
};

static bool check_conflicts(const json_t *doc, const char *name, struct refusal *r)
{
	size_t at;

	for (size_t i = 0; i < array_len(exclusive); i++)
		if (find(doc, exclusive[i][0], &at) && find(doc, exclusive[i][1], &at))
			return refuse(r, 400, "OperationDenied.Conflict",
				      "Functions: %s and %s exclude each other on %s; delete one "
				      "first.",
				      exclusive[i][0], exclusive[i][1], name);
	return true;
}

static bool set_one(json_t *doc, const char *name, const json_t *row, struct refusal *r)
{
	const char *function = text_of(row, "name");
	const struct domain_function *f = domain_function(function);
	json_int_t id = json_integer_value(json_object_get(row, "id")), was_id, next;
	json_t *was, *copy = json_deep_copy(row);
	size_t at;

	was = find(doc, function, &at);
	was_id = json_integer_value(json_object_get(was, "id"));
	if (!(f->kinds & (domain_is_play(doc) ? DOMAIN_KIND_PLAY : DOMAIN_KIND_INGEST)) ||
	    (id && id != was_id)) {
		json_decref(copy);
		if (id && id != was_id)
			return refuse(r, 404, "InvalidConfigId.NotFound",
				      "Functions: configId %lld is not that of %s on %s.",
				      (long long)id, function, name);
		return refuse(r, 400, "InvalidParameter",
			      "Functions: %s is not for %s domains, and %s is one.", function,
			      domain_is_play(doc) ? "streaming" : "ingest", name);
	}
	if (was) {
		json_object_set_new(copy, "id", json_integer(was_id));
		json_array_set_new(json_object_get(doc, "functions"), at, copy);
		return true;
	}
	next = json_integer_value(json_object_get(doc, "next"));
	json_object_set_new(copy, "id", json_integer(next));
	json_object_set_new(doc, "next", json_integer(next + 1));
	json_array_append_new(json_object_get(doc, "functions"), copy);
	return true;
}

bool domain_set_functions(json_t *doc, const char *name, const json_t *set, struct refusal *r)
{
	json_t *row;
	size_t i;

	json_array_foreach (set, i, row)
		if (!set_one(doc, name, row, r))
			return false;
	return check_conflicts(doc, name, r);
}
