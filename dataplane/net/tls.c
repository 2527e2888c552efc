/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/check.h"
#include "net/tls_heap.h"

#define CERTS_MAX  1024
#define PATH_BYTES 2048

/* 128 bits are enough for anybody, and a fifth cheaper than 256; the client's choice is asked last. */
#define SERVER_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
/* TLS 1.2: forward secrecy and authenticated encryption, which is what the kernel can take over. */
#define SERVER_CIPHERS "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_cert {
	X509 *leaf;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;
};

struct tls_state {
	_Atomic unsigned refs;
	SSL_CTX *ctx;
	unsigned certs;
	struct tls_cert cert[]; /* the first is the default; sorted by file name after it */
};

struct net_tls {
	pthread_mutex_t lock;
	struct tls_state *now; /* NULL: nothing is loaded yet */
};

/* ---- errors ---- */

/* "tls.certificate /etc/x.crt: no start line" and forgets OpenSSL's errors. */
static int explain(const char *what, const char *path, const char *why, char *err, size_t n)
{
	const char *ssl = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(err, n, "%s%s%s: %s", what, *path ? " " : "", path,
		 why   ? why
		 : ssl ? ssl
		       : "cannot be used");
	ERR_clear_error();
	return -EINVAL;
}

/* ---- certificates ---- */

static void cert_fini(struct tls_cert *c)
{
	X509_free(c->leaf);
	EVP_PKEY_free(c->key);
	sk_X509_pop_free(c->chain, X509_free);
	*c = (struct tls_cert){0};
}

/* Instead of asking on the terminal. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
	return -1;
}

static BIO *file_open(const char *what, const char *path, char *err, size_t n)
{
	FILE *f = fopen(path, "re");

	if (!f) {
		explain(what, path, strerror(errno), err, n);
		return NULL;
	}
	return BIO_new_fp(f, BIO_CLOSE);
}

/* The leaf, then the rest of the chain to the end of the file. */
static int chain_read(struct tls_cert *c, const char *path, char *err, size_t n)
{
	BIO *file = file_open("certificate", path, err, n);
	X509 *more;

	if (!file)
		return -EINVAL;
	c->leaf = PEM_read_bio_X509_AUX(file, NULL, no_pass_phrase, NULL);
	c->chain = sk_X509_new_null();
	while (c->leaf && c->chain &&
	       (more = PEM_read_bio_X509(file, NULL, no_pass_phrase, NULL)) != NULL)
		must(sk_X509_push(c->chain, more) > 0);
	BIO_free(file);
	if (!c->leaf)
		return explain("certificate", path, NULL, err, n);
	ERR_clear_error(); /* the end of the file is one */
	return 0;
}

static int cert_read(struct tls_cert *c, const char *path, const char *key_path, char *err,
		     size_t n)
{
	BIO *file;

	*c = (struct tls_cert){0};
	if (chain_read(c, path, err, n))
		goto failed;
	file = file_open("key", key_path, err, n);
	if (!file)
		goto failed;
	c->key = PEM_read_bio_PrivateKey(file, NULL, no_pass_phrase, NULL);
	BIO_free(file);
	if (!c->key) {
		explain("key", key_path, NULL, err, n);
		goto failed;
	}
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		explain("key", key_path, "does not belong to the certificate", err, n);
		goto failed;
	}
	return 0;
failed:
	cert_fini(c);
	return -EINVAL;
}

/* ---- which certificate (interop H11) ---- */

static bool names(const struct tls_cert *c, const char *host, unsigned flags)
{
	return X509_check_host(c->leaf, host, 0, flags, NULL) == 1;
}

/* All that name the host, so that the client may choose among kinds of keys; how many. */
static int use_matching(SSL *ssl, const struct tls_state *s, const char *host, unsigned flags)
{
	int used = 0;

	for (unsigned i = 0; i < s->certs; i++) {
		const struct tls_cert *c = &s->cert[i];

		if (!names(c, host, flags))
			continue;
		if (!used)
			SSL_certs_clear(ssl);
		if (SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) != 1)
			return -1;
		used++;
	}
	return used;
}

static int choose_certificate(SSL *ssl, void *arg)
{
	const struct tls_state *s = arg;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	int used;

	if (!host)
		return 1;
	used = use_matching(ssl, s, host, X509_CHECK_FLAG_NO_WILDCARDS);
	if (!used)
		used = use_matching(ssl, s, host, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return used >= 0;
}

/* HTTP/1.1 for who offers it: long answers share no connection with others (interop H11). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
			   const unsigned char *in, unsigned in_n, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_n, ours, sizeof(ours) - 1, in, in_n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* ---- what a context holds ---- */

static struct tls_state *state_new(unsigned certs_max, const SSL_METHOD *method)
{
	struct tls_state *s = calloc(1, sizeof(*s) + certs_max * sizeof(*s->cert));

	if (!s)
		return NULL;
	s->refs = 1;
	s->ctx = SSL_CTX_new(method);
	if (!s->ctx || !SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION)) {
		tls_state_put(s);
		return NULL;
	}
	SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_ENABLE_KTLS);
	/* A quiet connection keeps no buffers; tickets make resumption work without a shared cache. */
	SSL_CTX_set_mode(s->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(s->ctx, 1);
	return s;
}

struct ssl_ctx_st *tls_state_ctx(struct tls_state *s)
{
	return s->ctx;
}

struct tls_state *tls_state_get(struct net_tls *t)
{
	struct tls_state *s;

	pthread_mutex_lock(&t->lock);
	s = t->now;
	if (s)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&t->lock);
	return s;
}

void tls_state_put(struct tls_state *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(s->ctx);
	for (unsigned i = 0; i < s->certs; i++)
		cert_fini(&s->cert[i]);
	free(s);
}

static void state_swap(struct net_tls *t, struct tls_state *s)
{
	struct tls_state *before;

	pthread_mutex_lock(&t->lock);
	before = t->now;
	t->now = s;
	pthread_mutex_unlock(&t->lock);
	tls_state_put(before);
}

/* ---- servers ---- */

static int is_crt(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && !strcmp(e->d_name + n - 4, ".crt");
}

static int folder_read(struct tls_state *s, const char *folder, struct dirent **files, int files_n,
		       char *err, size_t n)
{
	char crt[PATH_BYTES], key[PATH_BYTES];
	int r = 0;

	for (int i = 0; !r && i < files_n; i++) {
		const char *name = files[i]->d_name;

		snprintf(crt, sizeof(crt), "%s/%s", folder, name);
		snprintf(key, sizeof(key), "%s/%.*s.key", folder, (int)strlen(name) - 4, name);
		r = cert_read(&s->cert[s->certs], crt, key, err, n);
		s->certs += !r;
	}
	return r;
}

static int certs_read(struct tls_state *s, const struct net_tls_keys *k, struct dirent **files,
		      int files_n, char *err, size_t n)
{
	if (*k->certificate) {
		if (cert_read(&s->cert[0], k->certificate, k->key, err, n))
			return -EINVAL;
		s->certs = 1;
	}
	if (folder_read(s, k->folder, files, files_n, err, n))
		return -EINVAL;
	if (!s->certs)
		return explain("tls", k->folder, "no certificate is configured", err, n);
	return 0;
}

static int server_prepare(struct tls_state *s, char *err, size_t n)
{
	const struct tls_cert *first = &s->cert[0];

	if (!SSL_CTX_set_ciphersuites(s->ctx, SERVER_SUITES) ||
	    !SSL_CTX_set_cipher_list(s->ctx, SERVER_CIPHERS) ||
	    SSL_CTX_use_cert_and_key(s->ctx, first->leaf, first->key, first->chain, 1) != 1)
		return explain("certificate", "", NULL, err, n);
	SSL_CTX_set_cert_cb(s->ctx, choose_certificate, s);
	SSL_CTX_set_alpn_select_cb(s->ctx, choose_protocol, NULL);
	return 0;
}

int net_tls_serve(struct net_tls *t, const struct net_tls_keys *k, char *err, size_t n)
{
	struct dirent **files = NULL;
	struct tls_state *s;
	int r = -EINVAL, files_n = 0;

	if (*k->folder) {
		files_n = scandir(k->folder, &files, is_crt, alphasort);
		if (files_n < 0)
			return explain("tls.folder", k->folder, strerror(errno), err, n);
	}
	s = files_n < CERTS_MAX ? state_new((unsigned)files_n + 1, TLS_server_method()) : NULL;
	if (!s)
		explain("tls", k->folder,
			files_n < CERTS_MAX ? "no memory" : "more certificates than can be kept",
			err, n);
	else if (!certs_read(s, k, files, files_n, err, n))
		r = server_prepare(s, err, n);
	for (int i = 0; i < files_n; i++)
		free(files[i]);
	free(files);
	if (r)
		tls_state_put(s);
	else
		state_swap(t, s);
	return r;
}

/* ---- clients (interop P10) ---- */

/* Replaces OpenSSL's own verification, which knows no pins. */
static int judge(X509_STORE_CTX *certificate, void *arg)
{
	const SSL *ssl =
		X509_STORE_CTX_get_ex_data(certificate, SSL_get_ex_data_X509_STORE_CTX_idx());

	return tls_judge(SSL_get_app_data(ssl), certificate);
}

int net_tls_trust(struct net_tls *t, const char *ca, char *err, size_t n)
{
	struct tls_state *s = state_new(0, TLS_client_method());
	struct stat st = {0};
	int ok;

	if (!s)
		return explain("tls.ca", "", "no memory", err, n);
	if (!*ca)
		ok = SSL_CTX_set_default_verify_paths(s->ctx);
	else if (stat(ca, &st))
		ok = 0;
	else
		ok = S_ISDIR(st.st_mode) ? SSL_CTX_load_verify_dir(s->ctx, ca)
					 : SSL_CTX_load_verify_file(s->ctx, ca);
	if (!ok) {
		explain("tls.ca", ca, *ca && !st.st_mode ? strerror(errno) : NULL, err, n);
		tls_state_put(s);
		return -EINVAL;
	}
	SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(s->ctx, judge, NULL);
	state_swap(t, s);
	return 0;
}

/* ---- life ---- */

void net_tls_prepare(void)
{
	tls_heap_use();
}

struct net_tls *net_tls_new(void)
{
	struct net_tls *t = calloc(1, sizeof(*t));

	if (t)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

void net_tls_free(struct net_tls *t)
{
	if (!t)
		return;
	tls_state_put(t->now);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int net_tls_pin_parse(uint8_t out[NET_TLS_PIN_BYTES], const char *text)
{
	for (unsigned i = 0; i < NET_TLS_PIN_BYTES; i++) {
		int high, low;

		if (i && *text == ':')
			text++;
		high = hex_of(text[0]);
		low = high < 0 ? -1 : hex_of(text[1]);
		if (low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return *text ? -EINVAL : 0;
}
