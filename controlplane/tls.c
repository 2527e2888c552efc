/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/check.h"

struct tls {
	SSL_CTX *ctx; /* NULL: no certificate yet */
};

struct tls *tls_new(void)
{
	struct tls *t = calloc(1, sizeof(*t));

	must(t);
	return t;
}

void tls_free(struct tls *t)
{
	if (t)
		SSL_CTX_free(t->ctx);
	free(t);
}

static int broken(const char *file, char *err, size_t err_n)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(err, err_n, "%s: %s", file, why ? why : "cannot be used");
	ERR_clear_error();
	return -EINVAL;
}

int tls_load(struct tls *t, const char *certificate, const char *key, char *err, size_t err_n)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int rc = 0;

	must(ctx);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		rc = broken(certificate, err, err_n);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(ctx) != 1)
		rc = broken(key, err, err_n);
	if (rc) {
		SSL_CTX_free(ctx);
		return rc;
	}
	SSL_CTX_free(t->ctx);
	t->ctx = ctx;
	return 0;
}

struct bufferevent *tls_accept(struct event_base *base, void *arg)
{
	struct tls *t = arg;
	SSL *ssl = SSL_new(t->ctx);
	struct bufferevent *bev;

	/* Without one the server would speak in the clear. */
	must(ssl);
	bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	must(bev);
	/* Programs that close without a goodbye are not odd. */
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}
