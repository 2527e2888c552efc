/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a domain's owner is told of its streams: ingest callbacks in the field's form, and our own.
 *
 *   publish, publish_done   GET notify.url?action=&ip=&id=&app=&appname=&time=&usrargs=&node=&height=&width=
 *   exceptions              POST to notify.exception_url, JSON
 *   switches                POST to notify.switch_url, JSON
 *   OnPlay, OnStop          POST to notify_url of the function viewer_notify, JSON
 *
 * One queue per stream, kept in Redis before anything is sent (hooks.h). Every end of a delivery is a
 * row of the domain's history. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_LIVE_NOTIFY_H
#define CONTROLPLANE_LIVE_NOTIFY_H

#include "controlplane/live.h"

/* For hooks_set_live(); arg is the struct cp. */
extern const struct hooks_live_ops live_notify_ops;

/* Nothing follows where the stream's domain wants to know nothing. */
void live_notify_publish(struct cp *cp, const struct live_stream *s, uint64_t width,
			 uint64_t height);
void live_notify_done(struct cp *cp, const struct live_stream *s, const char *reason);
/* A backup publisher has taken s over: "manual", "no_data" or "lost". */
void live_notify_switch(struct cp *cp, const struct live_stream *s, const char *change);
/* "viewer.start" or "viewer.stop" as the data plane tells it. */
void live_notify_viewer(struct cp *cp, const char *name, const json_t *event);

/* The query of a publish or publish_done callback, after '?'; pure. The caller frees it. */
char *live_notify_query(const char *action, const struct live_stream *s, const char *node,
			int64_t now_s, bool size, uint64_t width, uint64_t height);

#endif
