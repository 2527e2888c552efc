/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/web.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/check.h"

struct web {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
};

struct request {
	web_done *fn;
	void *arg;
};

static struct request *request_of(CURL *easy)
{
	char *private = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
	return (struct request *)private;
}

static void take_results(struct web *w)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(w->multi, &left))) {
		CURL *easy = m->easy_handle;
		CURLcode code = m->data.result;
		struct request r;

		if (m->msg != CURLMSG_DONE)
			continue;
		r = *request_of(easy);
		web_del(w, easy);
		r.fn(r.arg, easy, code);
	}
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct web *w = arg;
	int running, ready = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			     (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(w->multi, fd, ready, &running);
	take_results(w);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct web *w = arg;
	int running;

	curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_results(w);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct web *w = arg;
	struct event *e = socket_arg;
	short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

	if (e)
		event_free(e);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(w->multi, fd, NULL);
		return 0;
	}
	e = event_new(w->base, fd, events, on_socket_event, w);
	must(e && !event_add(e, NULL));
	curl_multi_assign(w->multi, fd, e);
	return 0;
}

static int want_timer(CURLM *multi, long wait_ms, void *arg)
{
	struct web *w = arg;
	struct timeval tv = {wait_ms / 1000, wait_ms % 1000 * 1000};

	if (wait_ms < 0)
		evtimer_del(w->timer);
	else
		evtimer_add(w->timer, &tv);
	return 0;
}

struct web *web_new(struct event_base *base, long connections)
{
	struct web *w = calloc(1, sizeof(*w));

	must(w && !curl_global_init(CURL_GLOBAL_DEFAULT));
	w->base = base;
	w->multi = curl_multi_init();
	w->timer = evtimer_new(base, on_timer, w);
	must(w->multi && w->timer);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
	curl_multi_setopt(w->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
	return w;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	curl_multi_cleanup(w->multi);
	event_free(w->timer);
	curl_global_cleanup();
	free(w);
}

void web_add(struct web *w, CURL *easy, web_done *fn, void *arg)
{
	struct request *r = calloc(1, sizeof(*r));

	must(r);
	*r = (struct request){fn, arg};
	curl_easy_setopt(easy, CURLOPT_PRIVATE, r);
	must(curl_multi_add_handle(w->multi, easy) == CURLM_OK);
}

void web_del(struct web *w, CURL *easy)
{
	curl_multi_remove_handle(w->multi, easy);
	free(request_of(easy));
	curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
}
