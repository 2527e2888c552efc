/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests of this process: libcurl's multi interface on the event loop.
 *
 * The caller makes and frees the easy handle; its CURLOPT_PRIVATE is ours. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_WEB_H
#define CONTROLPLANE_WEB_H

#include <curl/curl.h>

struct event_base;
struct web;

/* The request has ended and is out of the multi handle already; fn may free easy. */
typedef void web_done(void *arg, CURL *easy, CURLcode code);

/* connections: at most so many at a time, others wait; 0: any number. */
struct web *web_new(struct event_base *base, long connections);
/* Every request must have ended or been taken back. */
void web_free(struct web *w);
/* Begins the request: never ends from within. */
void web_add(struct web *w, CURL *easy, web_done *fn, void *arg);
/* Takes it back: fn is not called. */
void web_del(struct web *w, CURL *easy);

#endif
