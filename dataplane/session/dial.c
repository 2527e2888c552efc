/* SPDX-License-Identifier: Apache-2.0 */
#include "session/dial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

static struct net_tls *trust;

int dial_trust(const struct config *c, struct conf_error *err)
{
	if (!trust)
		trust = net_tls_new();
	if (!trust) {
		snprintf(err->text, sizeof(err->text), "no memory for TLS");
		return -EINVAL;
	}
	return net_tls_trust(trust, c->tls_ca, err->text, sizeof(err->text));
}

void dial_forget(void)
{
	net_tls_free(trust);
	trust = NULL;
}

/* ---- pins ---- */

/* What tls.pins has for the server: the text after '=', or NULL. */
static const char *pin_find(const char *pins, const struct url *u, size_t *n)
{
	char with_port[sizeof(u->host) + 16];
	const char *names[] = {u->host, with_port};

	snprintf(with_port, sizeof(with_port), u->v6 ? "[%s]:%u" : "%s:%u", u->host, u->port);
	for (pins += strspn(pins, " "); *pins; pins += strspn(pins, " ")) {
		size_t len = strcspn(pins, " "), name = strcspn(pins, "= ");

		for (size_t i = 0; i < array_len(names); i++) {
			if (name < len && name == strlen(names[i]) &&
			    !strncasecmp(pins, names[i], name)) {
				*n = len - name - 1;
				return pins + name + 1;
			}
		}
		pins += len;
	}
	return NULL;
}

static enum reason pin_set(struct dial *d, const struct config *c, const struct url *u,
			   const char **rule)
{
	char text[NET_TLS_PIN_BYTES * 3 + 1];
	size_t n = 0;
	const char *pin = pin_find(c->tls_pins, u, &n);

	if (!pin)
		return REASON_NONE;
	snprintf(text, sizeof(text), "%.*s", (int)n, pin);
	if (n >= sizeof(text) || net_tls_pin_parse(d->pin, text)) {
		/* A pin that nobody can meet is safer than none. */
		*rule = "what tls.pins has for this host is not a SHA-256 fingerprint";
		return REASON_TLS_VERIFY;
	}
	d->net.pin = d->pin;
	return REASON_NONE;
}

/* ---- dials ---- */

enum reason dial_init(struct dial *d, const struct config *c, const struct url *u,
		      const char **rule)
{
	char bad[64];

	*d = (struct dial){0};
	if (cidr_set_parse(&d->deny, c->relay_deny, bad, sizeof(bad))) {
		*rule = "relay.deny has what is not an address range";
		return REASON_ADDRESS_DENIED;
	}
	d->net.deny = &d->deny;
	if (u->scheme != URL_RTMPS && u->scheme != URL_HTTPS)
		return REASON_NONE;
	must(trust); /* no leg begins without; in clear it must never go */
	d->net.tls = trust;
	d->net.host = u->host;
	d->net.unverified = !c->tls_verify;
	return pin_set(d, c, u, rule);
}
