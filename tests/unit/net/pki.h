/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates that a test makes for itself, in a folder of its own that goes with the test, and a
 * peer that speaks TLS on a non-blocking socket, turned by hand like the others of world.h.
 */
#ifndef TESTS_UNIT_NET_PKI_H
#define TESTS_UNIT_NET_PKI_H

#include "tests/unit/net/world.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/stat.h>

struct issued {
	X509 *cert;
	EVP_PKEY *key;
};

struct pki {
	char folder[32];
	struct issued ca;
	unsigned serial;
};

static inline void extend(X509 *cert, X509 *issuer, int what, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, what, value);
	must(e && X509_add_ext(cert, e, -1));
	X509_EXTENSION_free(e);
}

/* names: "DNS:a.example,IP:127.0.0.1"; valid for so many seconds from now; by == NULL: by itself. */
static inline struct issued issue(struct pki *p, const struct issued *by, const char *cn,
				  const char *names, long valid_s)
{
	struct issued out = {X509_new(), EVP_EC_gen("P-256")};
	X509_NAME *name = X509_get_subject_name(out.cert);

	must(out.key);
	X509_set_version(out.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(out.cert), ++p->serial);
	X509_gmtime_adj(X509_getm_notBefore(out.cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(out.cert), valid_s);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
	X509_set_issuer_name(out.cert, by ? X509_get_subject_name(by->cert) : name);
	X509_set_pubkey(out.cert, out.key);
	if (names)
		extend(out.cert, by ? by->cert : out.cert, NID_subject_alt_name, names);
	else
		extend(out.cert, out.cert, NID_basic_constraints, "critical,CA:TRUE");
	must(X509_sign(out.cert, by ? by->key : out.key, EVP_sha256()));
	return out;
}

static inline void issued_free(struct issued *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
}

static inline char *pki_path(const struct pki *p, const char *name, const char *ending)
{
	static char path[8][300];
	static unsigned turn;
	char *dst = path[turn++ % array_len(path)];

	snprintf(dst, sizeof(path[0]), "%s/%s%s", p->folder, name, ending);
	return dst;
}

/* Writes NAME.crt and NAME.key. */
static inline void pki_write(struct pki *p, const char *name, const struct issued *i)
{
	FILE *f = fopen(pki_path(p, name, ".crt"), "w");

	must(f && PEM_write_X509(f, i->cert));
	fclose(f);
	f = fopen(pki_path(p, name, ".key"), "w");
	must(f && PEM_write_PrivateKey(f, i->key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

/* Issues and writes; `by` NULL: the authority. */
static inline void pki_add(struct pki *p, const char *name, const char *names, long valid_s)
{
	struct issued i = issue(p, &p->ca, name, names, valid_s);

	pki_write(p, name, &i);
	issued_free(&i);
}

#define HOUR 3600L

static inline void pki_open(struct pki *p)
{
	*p = (struct pki){.folder = "/tmp/tls-XXXXXX"};
	must(mkdtemp(p->folder));
	p->ca = issue(p, NULL, "authority", NULL, HOUR);
	pki_write(p, "ca", &p->ca);
	/* Not a server's: only for who trusts. */
	must(rename(pki_path(p, "ca", ".crt"), pki_path(p, "ca", ".pem")) == 0);
	must(unlink(pki_path(p, "ca", ".key")) == 0);
}

static inline void pki_close(struct pki *p)
{
	DIR *d = opendir(p->folder);

	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			unlink(pki_path(p, e->d_name, ""));
	closedir(d);
	must(rmdir(p->folder) == 0);
	issued_free(&p->ca);
}

/* A server's context with NAME as its certificate, the whole folder beside it if asked for. */
static inline struct net_tls *pki_server(struct pki *p, const char *name, bool folder)
{
	struct net_tls *t = net_tls_new();
	struct net_tls_keys k = {pki_path(p, name, ".crt"), pki_path(p, name, ".key"),
				 folder ? p->folder : ""};
	char err[300] = "";

	if (net_tls_serve(t, &k, err, sizeof(err)))
		fail_msg("%s", err);
	return t;
}

/* A group of tests begins: an authority, and a server's context with a certificate for a.example. */
static inline struct net_tls *pki_begin(struct pki *p)
{
	signal(SIGPIPE, SIG_IGN);
	pki_open(p);
	pki_add(p, "a", "DNS:a.example", HOUR);
	return pki_server(p, "a", false);
}

static inline struct net_tls *pki_client(struct pki *p)
{
	struct net_tls *t = net_tls_new();
	char err[300] = "";

	if (net_tls_trust(t, pki_path(p, "ca", ".pem"), err, sizeof(err)))
		fail_msg("%s", err);
	return t;
}

/* The world listens by TLS from now on. */
static inline void world_tls(struct world *w, struct net_tls *tls)
{
	const union net_addr any = loopback(AF_INET);
	int fd = net_listener_open(&any, 100);

	must(fd >= 0);
	w->at = name_of(fd);
	must(net_listen_tls(w->net, fd, 7, tls) == 0);
}

/* ---- a peer ---- */

struct peer {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

/* host: asked for by SNI, NULL: none; version: the only one, 0: any. It trusts everybody. */
static inline struct peer peer_tls(struct world *w, const char *host, int version)
{
	struct peer p = {peer_connect(&w->at), SSL_CTX_new(TLS_client_method()), NULL};

	SSL_CTX_set_security_level(p.ctx, 0);
	if (version) {
		must(SSL_CTX_set_min_proto_version(p.ctx, version));
		must(SSL_CTX_set_max_proto_version(p.ctx, version));
	}
	SSL_CTX_set_mode(p.ctx,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	p.ssl = SSL_new(p.ctx);
	must(SSL_set_fd(p.ssl, p.fd));
	if (host)
		must(SSL_set_tlsext_host_name(p.ssl, host));
	SSL_set_connect_state(p.ssl);
	return p;
}

static inline void peer_free(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
}

/* 0, or OpenSSL's kind of error. */
static inline int peer_shake(struct world *w, struct peer *p)
{
	uint64_t until = clock_us() + PATIENCE_US;
	int rc, kind;

	for (;;) {
		ERR_clear_error();
		rc = SSL_do_handshake(p->ssl);
		kind = rc == 1 ? 0 : SSL_get_error(p->ssl, rc);
		if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
			return kind;
		must(clock_us() < until);
		world_step(w);
	}
}

/* Bytes, or minus OpenSSL's kind of error. */
static inline int peer_tls_read(struct world *w, struct peer *p, void *dst, int n)
{
	uint64_t until = clock_us() + PATIENCE_US;
	int rc, kind;

	for (;;) {
		ERR_clear_error();
		rc = SSL_read(p->ssl, dst, n);
		if (rc > 0)
			return rc;
		kind = SSL_get_error(p->ssl, rc);
		if (kind != SSL_ERROR_WANT_READ)
			return -kind;
		must(clock_us() < until);
		world_step(w);
	}
}

static inline struct peer peer_tls_join(struct world *w, const char *host, int version)
{
	struct peer p = peer_tls(w, host, version);

	must(peer_shake(w, &p) == 0);
	return p;
}

/* The subject's common name of what the peer was shown. */
static inline const char *peer_shown(const struct peer *p)
{
	static char cn[64];

	cn[0] = '\0';
	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(p->ssl)),
				  NID_commonName, cn, sizeof(cn));
	return cn;
}

/* Writes and reads on until `total` bytes have come back. */
static inline void peer_tls_echo(struct world *w, struct peer *p, uint64_t from, uint64_t total)
{
	uint64_t wrote = 0, read_n = 0, until = clock_us() + PATIENCE_US;
	static uint8_t chunk[65536], in[65536];

	while (read_n < total) {
		size_t n = min_of(sizeof(chunk), (size_t)(total - wrote));
		int rc;

		must(clock_us() < until);
		pattern_fill(chunk, n, from + wrote);
		rc = n ? SSL_write(p->ssl, chunk, (int)n) : 0;
		wrote += rc > 0 ? (uint64_t)rc : 0;
		world_step(w);
		while ((rc = SSL_read(p->ssl, in, sizeof(in))) > 0) {
			assert_true(pattern_is(in, (size_t)rc, from + read_n));
			read_n += (uint64_t)rc;
		}
		must(SSL_get_error(p->ssl, rc) == SSL_ERROR_WANT_READ);
	}
}

#endif
