/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/cidr.h"
#include "base/place.h"
#include "base/cidr.h"
#include "base/conf_value.h"
#include "base/log.h"
#include "base/word.h"

static const struct conf_key keys[] = {
#define CONF(field, key, type, def, min, max, when, help) \
	{key, help, CONF_##type, CONF_##when, min, max, offsetof(struct config, field)},
#include "api/config.def"
#undef CONF
};

const struct conf_key *conf_keys(size_t *n)
{
	*n = array_len(keys);
	return keys;
}

#define DEFAULT_NUMBER(f, def)	   c->f = (def)
#define DEFAULT_TEXT(f, def)	   snprintf(c->f, sizeof(c->f), "%s", def)
#define CONF_DEFAULT_BOOL(f, def)  DEFAULT_NUMBER(f, def)
#define CONF_DEFAULT_INT(f, def)   DEFAULT_NUMBER(f, def)
#define CONF_DEFAULT_MS(f, def)	   DEFAULT_NUMBER(f, def)
#define CONF_DEFAULT_BYTES(f, def) DEFAULT_NUMBER(f, def)
#define CONF_DEFAULT_STR(f, def)   DEFAULT_TEXT(f, def)
#define CONF_DEFAULT_ADDR(f, def)  DEFAULT_TEXT(f, def)
#define CONF_DEFAULT_ENUM(f, def)  DEFAULT_TEXT(f, def)

void conf_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
#define CONF(field, key, type, def, min, max, when, help) CONF_DEFAULT_##type(field, def);
#include "api/config.def"
#undef CONF
}

/* ---- one key ---- */

void conf_unknown_text(const char *name, char *dst, size_t n)
{
	/* Two slips, or a third of a long name; but never another word altogether. */
	unsigned len = (unsigned)strlen(name), best = min_of(max_of(len / 3, 2u) + 1, len);
	char nearest[128] = "", section[128], shown[96];

	for (size_t i = 0; i < array_len(keys); i++) {
		const char *dot = strchr(keys[i].path, '.');
		const char *candidates[] = {keys[i].path, section};

		snprintf(section, sizeof(section), "%.*s", dot ? (int)(dot - keys[i].path) : 0,
			 keys[i].path);
		for (size_t j = 0; j < array_len(candidates); j++) {
			unsigned d = word_distance(name, candidates[j]);

			if (*candidates[j] && d < best) {
				best = d;
				snprintf(nearest, sizeof(nearest), "%s", candidates[j]);
			}
		}
	}
	log_q(shown, sizeof(shown), name);
	if (*shown != '"')
		snprintf(shown, sizeof(shown), "\"%.90s\"", name);
	if (*nearest)
		snprintf(dst, n, "unknown key %s; did you mean \"%s\"?", shown, nearest);
	else
		snprintf(dst, n, "unknown key %s; `millrace config --sample` lists all keys",
			 shown);
}

int conf_set(struct config *c, const char *key, const char *value, struct conf_error *e)
{
	char rule[256], shown[96];

	for (size_t i = 0; i < array_len(keys); i++) {
		if (strcmp(keys[i].path, key))
			continue;
		if (conf_value_set(c, &keys[i], value, rule, sizeof(rule)))
			return 0;
		log_q(shown, sizeof(shown), value);
		snprintf(e->text, sizeof(e->text), "%s: %s is not allowed: must be %s", key, shown,
			 rule);
		return -EINVAL;
	}
	conf_unknown_text(key, e->text, sizeof(e->text));
	return -EINVAL;
}

/* ---- rules between keys ---- */

static int broken(struct conf_error *e, const char *text)
{
	snprintf(e->text, sizeof(e->text), "%s", text);
	return -EINVAL;
}

static bool tick_ok(int64_t ms)
{
	return ms > 0 && ms % 5 == 0 && 150 % ms == 0;
}

static bool redis_url_ok(const char *url)
{
	return !*url || (!strncmp(url, "redis://", 8) && url[8]) ||
	       (!strncmp(url, "redis+sentinel://", 17) && strchr(url + 17, '/')) ||
	       (!strncmp(url, "unix:///", 8) && url[8]);
}

static bool ranges_ok(const char *key, const char *text, struct conf_error *e)
{
	struct cidr_set set;
	char bad[64];
	int r = cidr_set_parse(&set, text, bad, sizeof(bad));

	if (r == -E2BIG)
		snprintf(e->text, sizeof(e->text), "%s: more than %d ranges", key, CIDR_RANGES_MAX);
	else if (r)
		snprintf(e->text, sizeof(e->text),
			 "%s: %s is no range of addresses: must be like 10.0.0.0/8 or ::1", key,
			 bad);
	return !r;
}

static bool places_ok(const struct config *c, struct conf_error *e)
{
	struct place places[PLACES_MAX];
	char bad[64], shown[96];
	int r = places_parse(places, c->bpf_lookup, bad, sizeof(bad));

	if (r == -E2BIG)
		snprintf(e->text, sizeof(e->text), "bpf.lookup: more than %d places", PLACES_MAX);
	else if (r < 0)
		snprintf(e->text, sizeof(e->text),
			 "bpf.lookup: %s: must be kind=addresses:port, like "
			 "rtmp=203.0.113.0/24:1935 or https=[2001:db8::/32]:443",
			 log_q(shown, sizeof(shown), bad));
	return r >= 0;
}

static int ranges_check(const char *key, const char *ranges, struct conf_error *e)
{
	struct cidr_set set;
	char bad[64], shown[96];

	if (cidr_set_parse(&set, ranges, bad, sizeof(bad)) == 0)
		return 0;
	snprintf(e->text, sizeof(e->text), "%s: %s is not an address range, or one too many", key,
		 log_q(shown, sizeof(shown), bad));
	return -EINVAL;
}

/* "scheme://host:port", at most one of each scheme. */
static bool nodes_ok(const char *s)
{
	static const char *const schemes[] = {"rtmp://", "rtmps://", "http://", "https://"};
	bool seen[array_len(schemes)] = {false};
	char at[300];

	for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
		size_t n = strcspn(s, " "), i = 0, head;

		while (i < array_len(schemes) && strncmp(s, schemes[i], strlen(schemes[i])))
			i++;
		if (i == array_len(schemes) || seen[i])
			return false;
		head = strlen(schemes[i]);
		if (n - head >= sizeof(at))
			return false;
		snprintf(at, sizeof(at), "%.*s", (int)(n - head), s + head);
		if (at[0] == ':' || !conf_addresses_ok(at))
			return false;
		seen[i] = true;
		s += n;
	}
	return true;
}

int conf_check(const struct config *c, struct conf_error *e)
{
	if (c->dp_block & (c->dp_block - 1))
		return broken(e, "memory.block: must be a power of two");
	if (!tick_ok(c->tick_low) || !tick_ok(c->tick_normal) || !tick_ok(c->tick_bulk))
		return broken(e, "play.tick_low, play.tick_normal, play.tick_bulk: each must be a "
				 "multiple of 5ms that divides 150ms");
	if (c->tick_low > c->tick_normal || c->tick_normal > c->tick_bulk)
		return broken(e, "play.tick_low, play.tick_normal, play.tick_bulk: must not get "
				 "shorter in this order");
	if (c->play_max_lag > c->stream_retain / 2)
		return broken(e, "play.max_lag: must be at most half of stream.retain");
	if (c->hls_part && (c->hls_part < 100 || c->hls_part > c->hls_segment))
		return broken(e, "hls.part: must be 0, or 100ms or more and at most hls.segment");
	if (c->limit_message > c->limit_connection_bytes)
		return broken(e, "limits.message_bytes: must not exceed limits.connection_bytes");
	if (!ranges_ok("proxy.trusted", c->proxy_trusted, e) ||
	    !ranges_ok("relay.deny", c->relay_deny, e) ||
	    !ranges_ok("bpf.guard_allow", c->guard_allow, e) ||
	    !ranges_ok("bpf.guard_deny", c->guard_deny, e) || !places_ok(c, e))
		return -EINVAL;
	if (!nodes_ok(c->drain_redirect))
		return broken(e,
			      "drain.redirect: must be like rtmp://host:port http://host:port, at "
			      "most one each of rtmp, rtmps, http and https, or empty");
	if (!redis_url_ok(c->redis_url))
		return broken(e,
			      "redis.url: must be redis://[user:password@]host[:port][/db], "
			      "redis+sentinel://[user:password@]host[:port][,...]/master[/db] or "
			      "unix:///path, or empty for a private Redis; TLS (rediss://) is not "
			      "served: use stunnel");
	if (ranges_check("relay.deny", c->relay_deny, e) ||
	    ranges_check("proxy.trusted", c->proxy_trusted, e))
		return -EINVAL;
	return 0;
}

void conf_value_shown(const struct config *c, const struct conf_key *k, char *dst, size_t n)
{
	char value[1100];

	conf_value_text(c, k, value, sizeof(value));
	if (!strcmp(k->path, "redis.url"))
		log_url(dst, n, value);
	else
		snprintf(dst, n, "%s", strcmp(k->path, "callback.key") || !*value ? value : "***");
}

const char *conf_when_text(enum conf_when when)
{
	static const char *const words[] = {
		[CONF_NOW] = "now", [CONF_NEW] = "new_sessions", [CONF_RESTART] = "restart"};

	return words[when];
}

void conf_diff(const struct config *a, const struct config *b,
	       void (*each)(void *arg, const struct conf_key *k), void *arg)
{
	char was[1100], is[1100];

	for (size_t i = 0; i < array_len(keys); i++) {
		conf_value_text(a, &keys[i], was, sizeof(was));
		conf_value_text(b, &keys[i], is, sizeof(is));
		if (strcmp(was, is))
			each(arg, &keys[i]);
	}
}

int conf_state_dir(const struct config *c, char *dst, size_t n)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	const struct passwd *pw;
	int len;

	if (!home && (pw = getpwuid(geteuid())))
		home = pw->pw_dir;
	if (*c->state_dir)
		len = snprintf(dst, n, "%s", c->state_dir);
	else if (geteuid() == 0)
		len = snprintf(dst, n, "/var/lib/millrace");
	else if (base && *base == '/')
		len = snprintf(dst, n, "%s/millrace", base);
	else
		len = snprintf(dst, n, "%s/.local/state/millrace", home ? home : "");
	return len < 0 || (size_t)len >= n ? -ENAMETOOLONG : 0;
}
