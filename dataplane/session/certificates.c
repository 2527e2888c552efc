/* SPDX-License-Identifier: Apache-2.0 */
#include "session/certificates.h"

#include <errno.h>
#include <stdio.h>

static struct net_tls *server;

struct net_tls *certificates_init(void)
{
	if (!server)
		server = net_tls_new();
	return server;
}

int certificates_load(const struct config *c, struct conf_error *err)
{
	const struct net_tls_keys keys = {
		.certificate = c->tls_certificate, .key = c->tls_key, .folder = c->tls_folder};

	if (!server || (!*c->rtmps_listen && !*c->https_listen))
		return 0;
	if (!*keys.certificate && !*keys.folder) {
		snprintf(err->text, sizeof(err->text),
			 "%s: a TLS listener needs tls.certificate and tls.key, or tls.folder",
			 *c->rtmps_listen ? "rtmps.listen" : "https.listen");
		return -EINVAL;
	}
	return net_tls_serve(server, &keys, err->text, sizeof(err->text));
}

void certificates_fini(void)
{
	net_tls_free(server);
	server = NULL;
}
