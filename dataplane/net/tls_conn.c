/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/cidr.h"
#include "net/tls_heap.h"

#define RECORD_OVERHEAD 128u /* header, padding and authentication of any cipher */
/* As many as the viewers of one slot of the tick wheel use at once, within 20 MiB of each size. */
#define SPARE_RECORDS 1024u
#define SPARE_BATCHES 256u

struct tls_spare {
	struct tls_spare *next;
};

/* ---- what a core's connections share ---- */

/* ENOTCONN: the kernel knows TLS, only that this socket is not connected. */
static bool kernel_knows_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool known;

	if (fd < 0)
		return false;
	known = !setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) || errno == ENOTCONN;
	close(fd);
	return known;
}

void tls_core_init(struct tls_core *core, bool offload, uint64_t *allocs)
{
	*core = (struct tls_core){.offload = offload && kernel_knows_tls(), .allocs = allocs};
}

static void spares_fini(struct tls_spares *spares)
{
	for (struct tls_spare *s = spares->first, *next; s; s = next) {
		next = s->next;
		free(s);
	}
}

void tls_core_fini(struct tls_core *core)
{
	spares_fini(&core->records);
	spares_fini(&core->batches);
	free(core->plain);
	tls_heap_trim();
}

static void *allocate(struct tls_core *core, size_t n)
{
	if (core->allocs)
		(*core->allocs)++;
	return malloc(n);
}

/* What OpenSSL took from the heap for its records counts as well. */
static void count_heap(struct tls_core *core)
{
	uint64_t taken = tls_heap_taken();

	if (core->allocs)
		*core->allocs += taken - core->heap_seen;
	core->heap_seen = taken;
}

static uint8_t *buffer_get(struct tls_core *core, size_t n)
{
	struct tls_spares *spares = n == TLS_OUT_BYTES ? &core->batches : &core->records;
	struct tls_spare *s = spares->first;

	if (!s)
		return allocate(core, n);
	spares->first = s->next;
	spares->n--;
	return (uint8_t *)s;
}

static void buffer_put(struct tls_core *core, uint8_t *p, size_t n)
{
	bool batch = n == TLS_OUT_BYTES;
	struct tls_spares *spares = batch ? &core->batches : &core->records;
	struct tls_spare *s = (struct tls_spare *)p;

	if (!p || spares->n == (batch ? SPARE_BATCHES : SPARE_RECORDS)) {
		free(p);
		return;
	}
	s->next = spares->first;
	spares->first = s;
	spares->n++;
}

/* ---- ciphertext ---- */

struct slice tls_pending(const struct tls_conn *t)
{
	if (!t->out)
		return (struct slice){0};
	return (struct slice){t->out + t->out_off, t->out_n - t->out_off};
}

void tls_sent(struct tls_conn *t, size_t n)
{
	must(n <= t->out_n - t->out_off);
	t->out_off += (uint32_t)n;
	if (t->out_off < t->out_n)
		return;
	buffer_put(t->core, t->out, t->out_bytes);
	t->out = NULL;
	t->out_off = t->out_n = 0;
}

void tls_flush(struct tls_conn *t)
{
	struct slice rest = tls_pending(t);
	ssize_t n = rest.n ? send(t->fd, rest.p, rest.n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	/* An error shows at the next receive. */
	if (n > 0) {
		t->flushed += (uint64_t)n;
		tls_sent(t, (size_t)n);
	}
}

static size_t out_room(const struct tls_conn *t)
{
	return t->out_bytes - t->out_n;
}

/* A buffer for n bytes of plaintext, if there is none; false: no memory. */
static bool out_begin(struct tls_conn *t, size_t n)
{
	const size_t spoken_for = TLS_CONTROL_BYTES + RECORD_OVERHEAD;

	if (t->out)
		return true;
	t->out_bytes = n + spoken_for <= TLS_RECORD_BYTES ? TLS_RECORD_BYTES : TLS_OUT_BYTES;
	t->out = buffer_get(t->core, t->out_bytes);
	return t->out != NULL;
}

/* ---- OpenSSL's ends: reading what was fed, writing into the buffer ---- */

static struct {
	pthread_once_t once;
	BIO_METHOD *in, *out;
} ends = {.once = PTHREAD_ONCE_INIT};

static int in_read(BIO *b, char *dst, int max)
{
	struct tls_conn *t = BIO_get_data(b);
	size_t n = min_of((size_t)max, t->in.n);

	BIO_clear_retry_flags(b);
	if (!n) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(dst, t->in.p, n);
	t->in.p += n;
	t->in.n -= n;
	return (int)n;
}

/* Nothing of the kernel's TLS is used for receiving. */
static long in_ctrl(BIO *b, int cmd, long num, void *arg)
{
	return cmd == BIO_CTRL_FLUSH;
}

/* The kernel encrypts: a control message of OpenSSL's goes out at once, and must not wait. */
static int kernel_write(BIO *b, const struct tls_conn *t, const char *p, int n)
{
	int flags = fcntl(t->fd, F_GETFL), wrote;

	fcntl(t->fd, F_SETFL, flags | O_NONBLOCK);
	wrote = BIO_write(BIO_next(b), p, n);
	BIO_copy_next_retry(b);
	fcntl(t->fd, F_SETFL, flags);
	return wrote;
}

static int out_write(BIO *b, const char *p, int n)
{
	struct tls_conn *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (BIO_next(b) && BIO_get_ktls_send(BIO_next(b)))
		return kernel_write(b, t, p, n);
	/* A handshake's flight is as long as the certificates are. */
	if (!out_begin(t, t->shaking ? TLS_OUT_BYTES : (size_t)n) || out_room(t) < (size_t)n) {
		t->overrun = true;
		return -1;
	}
	memcpy(t->out + t->out_n, p, (size_t)n);
	t->out_n += (uint32_t)n;
	return n;
}

/*
 * Whatever else OpenSSL asks is about handing the keys to the kernel, and for the socket's end. With
 * ciphertext still waiting here the answer is no: the kernel would encrypt it once more.
 */
static long out_ctrl(BIO *b, int cmd, long num, void *arg)
{
	struct tls_conn *t = BIO_get_data(b);

	switch (cmd) {
	case BIO_CTRL_FLUSH:
		if (t->shaking)
			tls_flush(t);
		return 1;
	case BIO_CTRL_PUSH:
	case BIO_CTRL_POP:
		return 0;
	default:
		return BIO_next(b) && !t->out ? BIO_ctrl(BIO_next(b), cmd, num, arg) : 0;
	}
}

static void ends_make(void)
{
	const int type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;

	ends.in = BIO_meth_new(type, "received bytes");
	ends.out = BIO_meth_new(type, "bytes to send");
	must(ends.in && ends.out);
	BIO_meth_set_read(ends.in, in_read);
	BIO_meth_set_ctrl(ends.in, in_ctrl);
	BIO_meth_set_write(ends.out, out_write);
	BIO_meth_set_ctrl(ends.out, out_ctrl);
}

static BIO *end_new(const BIO_METHOD *method, struct tls_conn *t)
{
	BIO *b = BIO_new(method);

	if (b) {
		BIO_set_data(b, t);
		BIO_set_init(b, 1);
	}
	return b;
}

static int ends_attach(struct tls_conn *t)
{
	BIO *in, *out, *sock = NULL;

	pthread_once(&ends.once, ends_make);
	in = end_new(ends.in, t);
	out = end_new(ends.out, t);
	if (t->core->offload)
		sock = BIO_new_socket(t->fd, BIO_NOCLOSE);
	if (!in || !out || (t->core->offload && !sock)) {
		BIO_free(in);
		BIO_free(out);
		BIO_free(sock);
		return -ENOMEM;
	}
	if (sock)
		BIO_push(out, sock);
	SSL_set0_rbio(t->ssl, in);
	SSL_set0_wbio(t->ssl, out);
	return 0;
}

/* ---- life ---- */

static int conn_init(struct tls_conn *t, struct net_tls *with, struct tls_core *core, int fd)
{
	t->core = core;
	t->fd = fd;
	t->shaking = true;
	t->state = tls_state_get(with);
	if (!t->state)
		return -ENOKEY;
	if (!core->plain)
		core->plain = allocate(core, TLS_PLAIN_BYTES);
	t->ssl = core->plain ? SSL_new(tls_state_ctx(t->state)) : NULL;
	if (!t->ssl || ends_attach(t)) {
		tls_fini(t);
		return -ENOMEM;
	}
	SSL_set_app_data(t->ssl, t);
	return 0;
}

int tls_init_server(struct tls_conn *t, struct net_tls *with, struct tls_core *core, int fd)
{
	int r = conn_init(t, with, core, fd);

	if (!r)
		SSL_set_accept_state(t->ssl);
	return r;
}

/* The name to ask for and to find in the certificate; an address is not asked for (RFC 6066, 3). */
static bool expect_host(SSL *ssl, const char *host)
{
	struct ip address;

	if (!ip_parse(&address, host, strlen(host)))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return *host && SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int tls_init_client(struct tls_conn *t, const struct net_dial *d, struct tls_core *core, int fd)
{
	int r = conn_init(t, d->tls, core, fd);

	if (r)
		return r;
	t->unverified = d->unverified;
	t->pinned = d->pin != NULL;
	if (d->pin)
		memcpy(t->pin, d->pin, sizeof(t->pin));
	if (!expect_host(t->ssl, d->host)) {
		ERR_clear_error();
		tls_fini(t);
		return -EINVAL;
	}
	SSL_set_connect_state(t->ssl);
	return 0;
}

void tls_fini(struct tls_conn *t)
{
	SSL_free(t->ssl);
	tls_state_put(t->state);
	buffer_put(t->core, t->out, t->out_bytes);
	*t = (struct tls_conn){0};
}

/* ---- failing ---- */

void tls_fail(struct tls_conn *t, enum reason why, const char *text)
{
	t->failed = true;
	if (t->why != REASON_NONE)
		return; /* tls_judge() said it better */
	t->why = why;
	snprintf(t->text, sizeof(t->text), "%s", text);
}

/* What a call came to: 0: more is needed, -1: failed. */
static int outcome(struct tls_conn *t, int rc)
{
	int what = SSL_get_error(t->ssl, rc);
	const char *text = ERR_reason_error_string(ERR_peek_error());

	t->wants_room = what == SSL_ERROR_WANT_WRITE;
	if (what == SSL_ERROR_WANT_READ || (t->wants_room && !t->overrun))
		return 0;
	if (what == SSL_ERROR_ZERO_RETURN) {
		t->ended = true;
		return 0;
	}
	if (t->overrun)
		text = "the peer takes none of the bytes that it makes necessary";
	tls_fail(t, t->shaking ? REASON_TLS_HANDSHAKE : REASON_TLS_RECORD,
		 text ? text : "unexpected end");
	ERR_clear_error();
	return -1;
}

/* ---- whom a client trusts ---- */

static int refuse(struct tls_conn *t, X509_STORE_CTX *certificate, int error, const char *text)
{
	X509_STORE_CTX_set_error(certificate, error);
	t->why = REASON_TLS_VERIFY;
	snprintf(t->text, sizeof(t->text), "%s", text);
	return 0;
}

static int judge_pin(struct tls_conn *t, X509_STORE_CTX *certificate)
{
	static const char lead[] = "the certificate's fingerprint is ";
	uint8_t seen[NET_TLS_PIN_BYTES] = {0};
	char text[sizeof(lead) + 2 * NET_TLS_PIN_BYTES];
	unsigned n = 0;

	if (X509_digest(X509_STORE_CTX_get0_cert(certificate), EVP_sha256(), seen, &n) &&
	    n == sizeof(seen) && !CRYPTO_memcmp(seen, t->pin, sizeof(seen)))
		return 1;
	n = (unsigned)snprintf(text, sizeof(text), "%s", lead);
	for (unsigned i = 0; i < sizeof(seen); i++)
		n += (unsigned)snprintf(text + n, sizeof(text) - n, "%02x", seen[i]);
	return refuse(t, certificate, X509_V_ERR_CERT_REJECTED, text);
}

int tls_judge(struct tls_conn *t, struct x509_store_ctx_st *certificate)
{
	int error;

	if (t->pinned)
		return judge_pin(t, certificate);
	if (t->unverified || X509_verify_cert(certificate) == 1)
		return 1;
	error = X509_STORE_CTX_get_error(certificate);
	if (error == X509_V_OK)
		error = X509_V_ERR_UNSPECIFIED;
	return refuse(t, certificate, error, X509_verify_cert_error_string(error));
}

/* ---- the handshake, and bytes both ways ---- */

void tls_feed(struct tls_conn *t, const uint8_t *p, size_t n)
{
	t->in = (struct slice){p, n};
}

void tls_forget(struct tls_conn *t)
{
	t->in = (struct slice){0};
}

int tls_shake(struct tls_conn *t)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc != 1)
		return outcome(t, rc);
	t->shaking = false;
	t->wants_room = false;
	t->ktls = t->core->offload && BIO_get_ktls_send(SSL_get_wbio(t->ssl));
	snprintf(t->text, sizeof(t->text), "%s %s%s", SSL_get_version(t->ssl),
		 SSL_get_cipher_name(t->ssl), t->ktls ? " ktls" : "");
	return 1;
}

int tls_read(struct tls_conn *t)
{
	size_t n = 0;

	ERR_clear_error();
	if (SSL_read_ex(t->ssl, t->core->plain, TLS_PLAIN_BYTES, &n) == 1)
		return (int)n;
	return outcome(t, 0);
}

/* How much of a slice the next record takes: 0 when the buffer is full. */
static size_t record_of(const struct tls_conn *t, size_t left)
{
	const size_t spoken_for = TLS_CONTROL_BYTES + RECORD_OVERHEAD;
	size_t room = out_room(t);

	return room > spoken_for ? min_of(min_of(left, (size_t)TLS_PLAIN_BYTES), room - spoken_for)
				 : 0;
}

static size_t bytes_of(const struct slice *s, unsigned n)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += s[i].n;
	return bytes;
}

static size_t write_all(struct tls_conn *t, const struct slice *s, unsigned n)
{
	size_t taken = 0, record, done;

	for (unsigned i = 0; i < n; i++) {
		for (size_t off = 0; off < s[i].n; off += done, taken += done) {
			record = record_of(t, s[i].n - off);
			if (!record)
				return taken;
			ERR_clear_error();
			if (SSL_write_ex(t->ssl, s[i].p + off, record, &done) != 1) {
				if (!outcome(t, 0))
					tls_fail(t, REASON_TLS_RECORD, "nothing can be sent");
				return taken;
			}
		}
	}
	return taken;
}

size_t tls_write(struct tls_conn *t, const struct slice *s, unsigned n)
{
	size_t taken = out_begin(t, bytes_of(s, n)) ? write_all(t, s, n) : 0;

	count_heap(t->core);
	return taken;
}

void tls_bye(struct tls_conn *t)
{
	if (t->shaking || t->failed)
		return;
	ERR_clear_error();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}
