/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/check.h"

static SSL_CTX *context(void)
{
	static SSL_CTX *ctx;

	if (!ctx) {
		ctx = SSL_CTX_new(TLS_client_method());
		must(ctx);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	}
	return ctx;
}

static SSL *ssl_of(const struct tls *t)
{
	return (SSL *)t;
}

/* False where rc is an error that waiting does not cure. */
static bool wants_more(const struct tls *t, int rc)
{
	int why = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_of(t), rc);

	ERR_clear_error();
	return why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ;
}

static bool shake(struct tls *t)
{
	return wants_more(t, SSL_do_handshake(ssl_of(t)));
}

struct tls *tls_new(void)
{
	SSL *ssl = SSL_new(context());
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	must(ssl && in && out);
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	must(shake((struct tls *)ssl));
	return (struct tls *)ssl;
}

void tls_free(struct tls *t)
{
	SSL_free(ssl_of(t));
}

bool tls_feed(struct tls *t, const void *p, size_t n)
{
	if (BIO_write(SSL_get_rbio(ssl_of(t)), p, (int)n) != (int)n)
		return false;
	return tls_is_open(t) || shake(t);
}

bool tls_is_open(const struct tls *t)
{
	return SSL_is_init_finished(ssl_of(t));
}

int tls_read(struct tls *t, uint8_t dst[TLS_RECORD_BYTES])
{
	int rc = SSL_read(ssl_of(t), dst, TLS_RECORD_BYTES);

	if (rc > 0)
		return rc;
	return wants_more(t, rc) ? 0 : -1;
}

bool tls_write(struct tls *t, const void *p, size_t n)
{
	return SSL_write(ssl_of(t), p, (int)n) == (int)n;
}

size_t tls_take(struct tls *t, void *dst, size_t n)
{
	int rc = BIO_read(SSL_get_wbio(ssl_of(t)), dst, (int)n);

	return rc > 0 ? (size_t)rc : 0;
}
