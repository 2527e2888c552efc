/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domains of this node: an immutable table, replaced as a whole.
 *
 * A change makes a new table and publishes it by one pointer; old tables and domains are freed after
 * every core has passed a quiet point, so readers neither lock nor wait, and a whole publish or play
 * request sees one and the same domain.
 *
 * A stream's key is CENTER/app/name: an ingest domain is its own center, play domains name one. Names
 * that are no configured domain map to nothing, so that no peer can make domains up (interop U3).
 *
 *   open    no domain is configured: all names map to "default". Open to connections from this machine
 *           and on loopback listeners, and with domain.open to everybody
 *   closed  STATE/domains.json could not be read, or domain.wait waits for the control plane: nobody
 *   set     at least one domain is configured: others are unknown
 *
 * STATE/domains.json is read at start: {"domains":{NAME:config,..}, "blocks":[{"stream":s,
 * "until_ms":i, "reason":s?},..]}; the control plane writes it (0600, by rename), so that a data plane
 * that starts by itself never opens what was closed.
 *
 * Threads: domain_* readers on cores (what they return is valid until the core's next quiet point) and
 * on the control thread; domains_* on the control thread, and on main before and after the cores run.
 */
#ifndef SESSION_DOMAINS_H
#define SESSION_DOMAINS_H

#include "core/core.h"
#include "media/stream_name.h"
#include "session/domain_config.h"

#define DOMAINS_MAX 10000

enum domains_state { DOMAINS_OPEN, DOMAINS_CLOSED, DOMAINS_SET };

/* ---- readers ---- */
enum domains_state domains_state(void);
/* The configured domain of that name, or NULL. */
const struct domain *domain_find(const char *name);
/* "center/app/name" into dst[STREAM_KEY_MAX]; returns dst. */
char *domain_stream_key(char *dst, const struct stream_name *name);
/* What holds for an application, or for a stream in it; where the domain (NULL: none) says nothing, the configuration does. */
struct domain_publish domain_publish_rules(const struct domain *d, const char *app,
					   const struct config *conf);
struct domain_play domain_play_rules(const struct domain *d, const char *app, const char *name,
				     const struct config *conf);
/* The same for a stream by its key, as its ingest domain has it. */
struct domain_publish domain_publish_of(const char *key, const struct config *conf);
/* Whether several may publish that name at once, and whether they take over by themselves. */
bool domain_has_backups(const char *key);
bool domain_switches_by_itself(const char *key);
/* The longest pull.idle_ms of the triggered pulls that the stream may come from; 0: there is none. */
uint32_t domain_pull_idle_ms(const char *key);
/* What the viewers of all domains that play a stream want of it, by its key. */
struct stream_wish domain_wish(const char *key);
/*
 * How long nobody must have asked for a stream by HLS to make it idle: the longest of the domains that
 * play it; otherwise_ms counts for those that say nothing. For one thread now and then: looks at all.
 */
uint64_t domain_hls_idle_ms(const char *key, uint64_t otherwise_ms);

/* ---- the table ---- */
/* Reads the snapshot; where there is none, `wait` decides between open and closed. 0, or -EINVAL
 * where it could not be used (closed, and logged). */
int domains_start(struct engine *e, const char *path, bool wait);
void domains_fini(void);
/* 0, or -EINVAL with *e and nothing changed. */
int domains_set(const char *name, const json_t *config, struct ctl_error *e);
/* Removes the others; from then on the table is complete. 0, or -EINVAL with *e. */
int domains_keep(const json_t *names, struct ctl_error *e);
/* [{"domain":s,"type":s,"version":i}] */
json_t *domains_list(void);
/* Frees what no core reads any more. */
void domains_settle(void);

#endif
