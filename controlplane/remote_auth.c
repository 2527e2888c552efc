/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/remote_auth.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/url_encode.h"
#include "controlplane/web.h"

#define FUNCTION  "remote_auth"
#define AGE_MAX_S 86400

/* One open question. */
struct ask {
	struct remote_auth *auth;
	CURL *easy;
	json_int_t number;
	char domain[129], error[CURL_ERROR_SIZE];
	long success, fail;
	bool pass; /* without an answer */
	int64_t ttl_s;
	TAILQ_ENTRY(ask) link;
};

struct remote_auth {
	struct cp *cp;
	struct web *web;
	TAILQ_HEAD(, ask) asks;
	size_t n;
};

/* ---- the question ---------------------------------------------------------------------------- */

static const char *const ours[] = {"action",  "domain",	  "app",    "stream",
				   "address", "protocol", "referer"};
static const char *const of_event[] = {"kind",	  "domain",   "app",	"name",
				       "address", "protocol", "referer"};

static bool is_ours(const char *name, size_t n)
{
	for (size_t i = 0; i < array_len(ours); i++)
		if (strlen(ours[i]) == n && !strncasecmp(ours[i], name, n))
			return true;
	return false;
}

/* As they were written, escapes too, but nothing that would end or change the request. */
static void add_params(FILE *to, const char *p)
{
	for (; *p; p += *p == '&') {
		size_t n = strcspn(p, "&"), name_n = strcspn(p, "=&");

		if (n && !is_ours(p, name_n) && !memchr(p, '%', name_n)) {
			fputc('&', to);
			for (size_t i = 0; i < n; i++)
				if (isgraph((unsigned char)p[i]) && !strchr("#\"<>\\", p[i]))
					fputc(p[i], to);
				else
					fprintf(to, "%%%02X", (unsigned char)p[i]);
		}
		p += n;
	}
}

char *remote_auth_url(const char *address, const json_t *event)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	must(to);
	fprintf(to, "%s%c", address, strchr(address, '?') ? '&' : '?');
	for (size_t i = 0; i < array_len(ours); i++) {
		fprintf(to, "%s%s=", i ? "&" : "", ours[i]);
		url_encode(to, dp_text(event, of_event[i]), "");
	}
	add_params(to, dp_text(event, "params"));
	must(!fclose(to) && text);
	return text;
}

int64_t remote_auth_max_age(const char *value)
{
	const char *p = value ? strcasestr(value, "max-age=") : NULL;
	long s = p && isdigit((unsigned char)p[8]) ? strtol(p + 8, NULL, 10) : -1;

	return s > AGE_MAX_S ? AGE_MAX_S : s;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void on_told(void *arg, json_t *answer)
{
}

static void answer(struct remote_auth *a, json_int_t number, bool allow, int64_t ttl_s)
{
	if (dp_up(a->cp->dp))
		dp_request(a->cp->dp, "auth.answer",
			   json_pack("{sI sb sI}", "ask", number, "allow", (int)allow, "ttl_ms",
				     (json_int_t)ttl_s * 1000),
			   on_told, NULL);
}

static void ask_free(struct ask *q)
{
	TAILQ_REMOVE(&q->auth->asks, q, link);
	q->auth->n--;
	curl_easy_cleanup(q->easy);
	free(q);
}

static void on_answer(void *arg, CURL *easy, CURLcode code)
{
	struct ask *q = arg;
	struct curl_header *h;
	char text[CURL_ERROR_SIZE + 64];
	int64_t ttl_s = q->ttl_s, age = -1;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (!curl_easy_header(easy, "Cache-Control", 0, CURLH_HEADER, -1, &h))
		age = remote_auth_max_age(h->value);
	if (age >= 0)
		ttl_s = age;
	if (!code && (status == q->success || status == q->fail)) {
		answer(q->auth, q->number, status == q->success, ttl_s);
	} else {
		log_warn("remote_auth", "domain=%s status=%ld pass=%d why=%s", q->domain, status,
			 q->pass, log_q(text, sizeof(text), q->error));
		answer(q->auth, q->number, q->pass, 0);
	}
	ask_free(q);
}

static size_t ignore_body(char *p, size_t size, size_t n, void *arg)
{
	return size * n;
}

static void put(struct ask *q, const char *url, long timeout_ms)
{
	CURL *e = curl_easy_init();

	must(e);
	q->easy = e;
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, ignore_body);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, q->error);
	web_add(q->auth->web, e, on_answer, q);
}

void remote_auth_ask(struct remote_auth *a, const json_t *event)
{
	const char *domain = dp_text(event, "domain"), *address;
	json_int_t number = json_integer_value(json_object_get(event, "ask"));
	const json_t *doc = domains_get(a->cp->domains, domain);
	bool pass = !strcmp(domain_arg(doc, FUNCTION, "remote_auth_timeout_action"), "pass");
	struct ask *q;
	char *url;

	address = domain_arg(doc, FUNCTION, "remote_auth_addr");
	if (!*address || a->n >= AUTH_OPEN_MAX) {
		answer(a, number, *address && pass, 0);
		return;
	}
	q = calloc(1, sizeof(*q));
	must(q);
	q->auth = a;
	q->number = number;
	q->pass = pass;
	snprintf(q->domain, sizeof(q->domain), "%s", domain);
	q->success = (long)domain_arg_int(doc, FUNCTION, "remote_auth_success_code", 200);
	q->fail = (long)domain_arg_int(doc, FUNCTION, "remote_auth_fail_code", 403);
	q->ttl_s = domain_arg_int(doc, FUNCTION, "remote_auth_ttl", 60);
	TAILQ_INSERT_TAIL(&a->asks, q, link);
	a->n++;
	url = remote_auth_url(address, event);
	put(q, url, (long)domain_arg_int(doc, FUNCTION, "remote_auth_timeout", 500));
	free(url);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct remote_auth *remote_auth_new(struct cp *cp)
{
	struct remote_auth *a = calloc(1, sizeof(*a));

	must(a);
	a->cp = cp;
	a->web = web_new(cp->base, AUTH_CONNECTIONS);
	TAILQ_INIT(&a->asks);
	return a;
}

void remote_auth_free(struct remote_auth *a)
{
	struct ask *q;

	if (!a)
		return;
	while ((q = TAILQ_FIRST(&a->asks))) {
		web_del(a->web, q->easy);
		ask_free(q);
	}
	web_free(a->web);
	free(a);
}
