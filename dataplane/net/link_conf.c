/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "net/link.h"

static const struct ip none;

static bool same(const struct ip *a, const struct ip *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* ---- texts ---- */

static int bad(char *err, size_t n, const char *key, const char *word, size_t len, const char *why)
{
	snprintf(err, n, "dpdk.%s: %.*s: %s", key, (int)len, word, why);
	return -EINVAL;
}

/* Each word of a text; each() returns NULL or what is wrong with it. */
static int words(struct link_conf *c, const char *key, const char *text, char *err, size_t n,
		 const char *(*each)(struct link_conf *c, const char *word, size_t len))
{
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		const char *why = each(c, text, len);

		if (why)
			return bad(err, n, key, text, len, why);
		text += len;
	}
	return 0;
}

/* In its place: the longest prefix first. */
static const char *route_add(struct link_conf *c, const struct cidr *to, const struct ip *via)
{
	unsigned i = c->routes;

	if (c->routes == LINK_ROUTES)
		return "too many networks and routes";
	for (; i && c->route[i - 1].to.bits < to->bits; i--)
		c->route[i] = c->route[i - 1];
	c->route[i] = (struct link_route){*to, *via};
	c->routes++;
	return NULL;
}

static const char *add_local(struct link_conf *c, const char *word, size_t len)
{
	const char *slash = memchr(word, '/', len);
	struct cidr net;
	struct ip a;

	if (!slash || ip_parse(&a, word, (size_t)(slash - word)) || cidr_parse(&net, word, len))
		return "must be an address with the length of its network: 192.0.2.10/24";
	if (c->locals == LINK_LOCALS)
		return "too many addresses";
	if (link_is_local(c, &a))
		return "is there twice";
	c->local[c->locals++] = a;
	return route_add(c, &net, &none);
}

static const char *via_rule(const struct link_conf *c, const struct ip *via)
{
	struct ip hop;

	if (link_is_local(c, via))
		return "is an own address";
	if (!link_next_hop(c, via, &hop) || !same(&hop, via))
		return "is not on a network of dpdk.addresses";
	return NULL;
}

static const char *add_gateway(struct link_conf *c, const char *word, size_t len)
{
	struct cidr all;
	struct ip via;
	const char *why;

	if (ip_parse(&via, word, len))
		return "must be an address";
	why = via_rule(c, &via);
	if (why)
		return why;
	must(!cidr_parse(&all, ip_is_v4(&via) ? "0.0.0.0/0" : "::/0", ip_is_v4(&via) ? 9 : 4));
	for (unsigned i = 0; i < c->routes; i++)
		if (c->route[i].to.bits == all.bits && same(&c->route[i].to.net, &all.net))
			return "is the second one";
	return route_add(c, &all, &via);
}

static const char *add_route(struct link_conf *c, const char *word, size_t len)
{
	const char *eq = memchr(word, '=', len), *why;
	struct cidr to;
	struct ip via;

	if (!eq || cidr_parse(&to, word, (size_t)(eq - word)) ||
	    ip_parse(&via, eq + 1, len - (size_t)(eq + 1 - word)) ||
	    ip_is_v4(&to.net) != ip_is_v4(&via))
		return "must be network=router: 10.0.0.0/8=192.0.2.2";
	why = via_rule(c, &via);
	return why ? why : route_add(c, &to, &via);
}

static bool mac_parse(uint8_t mac[LINK_MAC_BYTES], const char *text, size_t len)
{
	char copy[24];
	int end = 0;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return sscanf(copy, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
		      &mac[3], &mac[4], &mac[5], &end) == 6 &&
	       (size_t)end == len && !(mac[0] & 1);
}

static const char *add_fixed(struct link_conf *c, const char *word, size_t len)
{
	const char *eq = memchr(word, '=', len);

	if (c->fixed == LINK_FIXED)
		return "too many";
	if (!eq || ip_parse(&c->neighbour[c->fixed].ip, word, (size_t)(eq - word)) ||
	    !mac_parse(c->neighbour[c->fixed].mac, eq + 1, len - (size_t)(eq + 1 - word)))
		return "must be address=link address: 192.0.2.1=02:00:00:00:00:01";
	c->fixed++;
	return NULL;
}

int link_conf_parse(struct link_conf *c, const char *addresses, const char *gateways,
		    const char *routes, const char *neighbours, char *err, size_t n)
{
	int r;

	c->locals = c->routes = c->fixed = 0;
	r = words(c, "addresses", addresses, err, n, add_local);
	if (!r && !c->locals)
		r = bad(err, n, "addresses", "", 0, "at least one is needed");
	if (!r)
		r = words(c, "gateways", gateways, err, n, add_gateway);
	if (!r)
		r = words(c, "routes", routes, err, n, add_route);
	if (!r)
		r = words(c, "neighbours", neighbours, err, n, add_fixed);
	return r;
}

/* ---- ways ---- */

bool link_is_local(const struct link_conf *c, const struct ip *a)
{
	for (unsigned i = 0; i < c->locals; i++)
		if (same(&c->local[i], a))
			return true;
	return false;
}

bool link_next_hop(const struct link_conf *c, const struct ip *dst, struct ip *via)
{
	for (unsigned i = 0; i < c->routes; i++) {
		const struct link_route *r = &c->route[i];

		if (!cidr_holds(&r->to, dst))
			continue;
		*via = same(&r->via, &none) ? *dst : r->via;
		return true;
	}
	return false;
}

/* Of the network that the next hop is on, or else any of the family. */
const struct ip *link_source(const struct link_conf *c, const struct ip *dst)
{
	const struct ip *any = NULL;
	struct ip via;

	if (!link_next_hop(c, dst, &via))
		return NULL;
	for (unsigned i = 0; i < c->locals; i++) {
		if (ip_is_v4(&c->local[i]) != ip_is_v4(dst))
			continue;
		if (!any)
			any = &c->local[i];
		for (unsigned r = 0; r < c->routes; r++) {
			const struct link_route *net = &c->route[r];

			if (same(&net->via, &none) && cidr_holds(&net->to, &via) &&
			    cidr_holds(&net->to, &c->local[i]))
				return &c->local[i];
		}
	}
	return any;
}
