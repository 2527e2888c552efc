/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One domain's rules: read from JSON once, checked completely, never changed afterwards.
 *
 * All keys but "type" are optional; an unknown one is an error, and so is one that another contradicts.
 *
 *   {"version":7, "type":"ingest"|"play", "enabled":true, "viewer_events":false,
 *    "center":"push.example.com",      play: where its streams are published; absent: its own name
 *    "auth":{"type":"none"|"a"|"b"|"c", "key1":"..", "key2":"..", "publish":true, "play":true,
 *            "window_s":1800, "cut":false},              cut: sessions end with their signature
 *    "referer":{"mode":"off"|"allow"|"deny", "list":["*.example.com"], "empty":true},
 *    "ip":{"allow":["10.0.0.0/8"], "deny":["::/0"]},     deny first; an empty allow is everybody
 *    "ip_publish":{..},                                  for publishers, instead of "ip"
 *    "country":{"allow":["CN"], "deny":["US"]},          session/country.h; deny first, as "ip"
 *    "remote":{"publish":false, "play":false, "fail_open":false, "timeout_ms":2000,
 *              "ttl_ms":60000, "by_address":true},       an answer holds for one address only
 *    "publish":{"policy":"reject"|"replace_same"|"replace", "hold_ms":3000},
 *    "backup":{"on":false, "manual":["live/a"]},         session/backup.h; manual: never by itself
 *    "play":{"tick":"low"|"normal"|"bulk", "delay_s":0, "hls":"off"|"on_demand"|"always",
 *            "hls_idle_ms":60000, "rtmp_s":4, "flv_s":4},      players join that far back
 *    "streams":{"live/a":{"play":{"delay_s":60}}},       one stream's, stronger than all
 *    "apps":{"live":{"publish":{..}, "play":{..}}},      stronger than the domain's
 *    "pull":{"mode":"off"|"triggered", "idle_ms":60000, "wait_ms":8000, "negative_ms":5000}}
 *
 * Threads: parsing on any; a struct domain is read by all and belongs to session/domains.h.
 */
#ifndef SESSION_DOMAIN_CONFIG_H
#define SESSION_DOMAIN_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cidr.h"
#include "media/sign_url.h"
#include "session/country.h"
#include "session/ctl_request.h"

#define DOMAIN_NAME_MAX	 128
#define DOMAIN_APPS_MAX	 256
#define DOMAIN_LIST_MAX	 1000 /* entries of one list */
#define DOMAIN_DELAY_MIN 16   /* seconds */
#define DOMAIN_DELAY_MAX 3600
#define DOMAIN_START_MAX 60
#define DOMAIN_UNSET	 (-1)

enum domain_type { DOMAIN_INGEST, DOMAIN_PLAY };
enum domain_policy { DOMAIN_REJECT, DOMAIN_REPLACE_SAME, DOMAIN_REPLACE };
enum domain_hls { DOMAIN_HLS_OFF, DOMAIN_HLS_ON_DEMAND, DOMAIN_HLS_ALWAYS };
enum domain_referer { DOMAIN_REFERER_OFF, DOMAIN_REFERER_ALLOW, DOMAIN_REFERER_DENY };

/* DOMAIN_UNSET: the domain's, or else the configuration file's. */
struct domain_publish {
	int8_t policy; /* enum domain_policy */
	int64_t hold_ms;
};

struct domain_play {
	int8_t tick;	 /* enum tick_class */
	int8_t hls;	 /* enum domain_hls */
	bool tick_given; /* by the domain, not by the configuration */
	int16_t rtmp_s, flv_s;
	int32_t delay_s;
	int32_t hls_idle_ms; /* DOMAIN_UNSET: the configuration's hls.idle */
};

extern const struct domain_play domain_play_unset;

struct domain_app {
	char name[DOMAIN_NAME_MAX];
	struct domain_publish publish;
	struct domain_play play;
};

struct domain_ranges {
	unsigned n;
	struct cidr *range;
};

struct domain_ips {
	bool given;
	struct domain_ranges allow, deny;
};

struct domain_countries {
	unsigned allow_n, deny_n;
	struct country_set allow, deny;
};

struct domain_remote {
	bool publish, play, fail_open, by_address;
	uint32_t timeout_ms, ttl_ms;
};

struct domain {
	char name[DOMAIN_NAME_MAX], center[DOMAIN_NAME_MAX];
	int64_t version;
	uint8_t type; /* enum domain_type */
	bool enabled, viewer_events;
	uint32_t key_mark[2]; /* stand for the keys of `sign`; 0: there is none */
	struct sign_rule sign;
	bool sign_publish, sign_play, sign_cut;
	uint8_t referer; /* enum domain_referer */
	bool referer_empty;
	unsigned referers_n;
	char **referers;
	struct domain_ips ip, ip_publish;
	struct domain_countries countries;
	struct domain_remote remote;
	struct domain_publish publish;
	struct domain_play play;
	bool backups;
	unsigned manual_n; /* app/name of streams that are switched by hand only */
	char **manual;
	unsigned apps_n, streams_n;
	struct domain_app *apps, *streams; /* by name; those of streams are app/name */
	bool triggered;			   /* pull.mode */
	uint32_t pull_idle_ms, pull_wait_ms, pull_negative_ms;
	uint32_t mark; /* the same for all versions of it, and for no other domain; never 0 */
	/* session/domains.c only */
	struct domain *next_retired;
	uint64_t stamp;
};

/* NULL with *e: code, message, and in field where ("config.auth.key1"). */
struct domain *domain_new(const char *name, const json_t *config, struct ctl_error *e);
/* NULL is fine. */
void domain_free(struct domain *d);
/* A host name as domains have it: letters, digits, '.', '-', '_', lower case, no address. */
bool domain_name_ok(const char *name);

#endif
