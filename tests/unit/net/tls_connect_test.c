/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as client: whom it trusts, whom it does not and why, and servers that do not answer. */
#include "tests/unit/net/pki.h"

#include <signal.h>

static struct pki pki;
static struct net_tls *trust;

static struct end *dial(struct world *w, struct net_dial d)
{
	struct end *e = end_new(w);
	enum reason why = REASON_INTERNAL;

	d.to = d.to ? d.to : &w->at;
	d.timeout_ms = d.timeout_ms ? d.timeout_ms : 10000;
	d.user = e;
	d.tls = d.tls ? d.tls : trust;
	e->conn = net_connect(w->net, &d, &why);
	assert_non_null(e->conn);
	assert_int_equal(why, REASON_NONE);
	return e;
}

/* A world whose listener shows this certificate. */
static struct net_tls *open_world(struct world *w, const char *name)
{
	struct net_tls *t = pki_server(&pki, name, false);

	world_open(w, (struct net_options){0}, 4, AF_INET);
	world_tls(w, t);
	return t;
}

/* What became of it when the server shows `name`; text: part of the sentence. */
static void expect(const char *name, struct net_dial d, enum reason why, const char *text)
{
	struct world w;
	struct net_tls *t = open_world(&w, name);
	struct end *e = dial(&w, d);
	struct net_conn *c = e->conn;

	run_until(&w, e->connected && (w.ends == 2));
	assert_int_equal(e->connect_why, why);
	if (why == REASON_NONE) {
		w.end[1].echo = true;
		end_queue(e, "hello", 5);
		end_pump(e);
		run_until(&w, e->got == 5);
		assert_non_null(strstr(net_tls_text(c), "TLSv1.3"));
		assert_int_equal(counted(&w, CTR_TLS_CONNS), 2);
	} else {
		assert_non_null(strstr(e->connect_text, text));
		assert_int_equal(w.end[1].got, 0);
		/* The server hears of it. */
		run_until(&w, w.end[1].closes);
		assert_in_range(counted(&w, CTR_TLS_FAILED), 1, 2);
	}
	world_close(&w);
	net_tls_free(t);
}

static void test_P10_trusted_name_connects(void **state)
{
	expect("good", (struct net_dial){.host = "good.example"}, REASON_NONE, "");
	expect("wild", (struct net_dial){.host = "x.wild.example"}, REASON_NONE, "");
	expect("good", (struct net_dial){.host = "127.0.0.1"}, REASON_NONE, "");
}

static void test_P10_wrong_name_is_refused(void **state)
{
	expect("good", (struct net_dial){.host = "other.example"}, REASON_TLS_VERIFY,
	       "hostname mismatch");
	expect("wild", (struct net_dial){.host = "y.x.wild.example"}, REASON_TLS_VERIFY,
	       "hostname mismatch");
	expect("good", (struct net_dial){.host = "127.0.0.2"}, REASON_TLS_VERIFY,
	       "IP address mismatch");
	assert_true(reason_is_final(REASON_TLS_VERIFY));
}

static void test_P10_expired_certificate_is_refused(void **state)
{
	expect("expired", (struct net_dial){.host = "good.example"}, REASON_TLS_VERIFY, "expired");
}

static void test_P10_untrusted_certificate_is_refused(void **state)
{
	struct net_tls *system = net_tls_new();
	char err[300] = "";

	expect("stranger", (struct net_dial){.host = "good.example"}, REASON_TLS_VERIFY,
	       "self-signed certificate");
	assert_int_equal(net_tls_trust(system, "", err, sizeof(err)), 0);
	expect("good", (struct net_dial){.host = "good.example", .tls = system}, REASON_TLS_VERIFY,
	       "local issuer");
	net_tls_free(system);
}

static void test_P10_pinned_certificate_needs_no_authority(void **state)
{
	uint8_t pin[NET_TLS_PIN_BYTES];
	struct net_dial d = {.host = "whatever.example", .pin = pin};
	FILE *f = fopen(pki_path(&pki, "stranger", ".crt"), "r");
	X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
	unsigned n;

	fclose(f);
	must(X509_digest(cert, EVP_sha256(), pin, &n));
	X509_free(cert);
	expect("stranger", d, REASON_NONE, "");
	/* Neither does a good certificate help when it is another. */
	pin[31] ^= 1;
	expect("stranger", d, REASON_TLS_VERIFY, "fingerprint is ");
	pin[31] ^= 1;
	d.host = "good.example";
	expect("good", d, REASON_TLS_VERIFY, "fingerprint is ");
}

static void test_P10_pins_as_people_write_them(void **state)
{
	static const char plain[] =
		"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
	static const char colons[] = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:"
				     "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
	static const char *const bad[] = {"", "00", "0g", ":00", "zz"};
	uint8_t a[NET_TLS_PIN_BYTES], b[NET_TLS_PIN_BYTES];
	char longer[80];

	assert_int_equal(net_tls_pin_parse(a, plain), 0);
	assert_int_equal(net_tls_pin_parse(b, colons), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(a[1], 0x11);
	assert_int_equal(a[31], 0xff);
	for (unsigned i = 0; i < array_len(bad); i++)
		assert_int_equal(net_tls_pin_parse(a, bad[i]), -EINVAL);
	snprintf(longer, sizeof(longer), "%s0", plain);
	assert_int_equal(net_tls_pin_parse(a, longer), -EINVAL);
	longer[63] = '\0';
	assert_int_equal(net_tls_pin_parse(a, longer), -EINVAL);
}

static void test_unverified_takes_any_certificate(void **state)
{
	expect("stranger", (struct net_dial){.host = "any.example", .unverified = true},
	       REASON_NONE, "");
}

static void test_what_cannot_be_dialled_is_said_at_once(void **state)
{
	struct net_tls *empty = net_tls_new();
	struct world w;
	struct net_dial d = {.to = &w.at, .timeout_ms = 1000, .tls = empty, .host = "h.example"};
	enum reason why = REASON_NONE;

	world_open(&w, (struct net_options){0}, 2, AF_INET);
	assert_null(net_connect(w.net, &d, &why));
	assert_int_equal(why, REASON_TLS_HANDSHAKE);
	d.tls = trust;
	d.host = "";
	assert_null(net_connect(w.net, &d, &why));
	assert_int_equal(why, REASON_BAD_URL);
	run_until(&w, counted(&w, CTR_CONNS) == 0);
	assert_int_equal(w.ends, 0);
	world_close(&w);
	net_tls_free(empty);
}

/* ---- servers that are none ---- */

static void test_silent_server_is_a_timeout(void **state)
{
	struct world w;
	struct end *slow, *quick;
	uint64_t begun = clock_us();

	/* Plain, it accepts and says nothing; the later one is due first. */
	world_open(&w, (struct net_options){0}, 4, AF_INET);
	slow = dial(&w, (struct net_dial){.host = "h.example", .timeout_ms = 400});
	run_until(&w, w.ends == 2);
	quick = dial(&w, (struct net_dial){.host = "h.example", .timeout_ms = 200});
	run_until(&w, quick->connected);
	assert_false(slow->connected);
	run_until(&w, slow->connected);
	assert_in_range(clock_us() - begun, 390000, 10000000);
	assert_int_equal(slow->connect_why, REASON_CONNECT_TIMEOUT);
	assert_int_equal(quick->connect_why, REASON_CONNECT_TIMEOUT);
	assert_false(slow->released || quick->released);
	world_close(&w);
}

static void test_server_that_hangs_up_or_talks_something_else(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct world w;
		struct end *e;

		world_open(&w, (struct net_options){0}, 2, AF_INET);
		e = dial(&w, (struct net_dial){.host = "h.example"});
		run_until(&w, w.ends == 2 && w.end[1].got);
		if (i == 2) {
			end_queue(&w.end[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
			end_pump(&w.end[1]);
		} else {
			end_close(&w.end[1], i);
		}
		run_until(&w, e->connected);
		assert_int_equal(e->connect_why, REASON_TLS_HANDSHAKE);
		assert_true(*e->connect_text);
		assert_int_equal(counted(&w, CTR_TLS_FAILED), 1);
		world_close(&w);
	}
}

static void test_refused_is_refused_as_without_TLS(void **state)
{
	union net_addr nobody = loopback(AF_INET);
	struct world w;
	struct end *e;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &nobody.sa, sizeof(nobody.in)), 0);
	nobody = name_of(fd);
	e = dial(&w, (struct net_dial){.host = "h.example", .to = &nobody});
	run_until(&w, e->connected);
	assert_int_equal(e->connect_why, REASON_CONNECT_REFUSED);
	close(fd);
	world_close(&w);
}

/* ---- closing ---- */

static void test_close_at_every_step_calls_released_only(void **state)
{
	for (unsigned i = 0; i < 2 * 5; i++) {
		struct world w;
		struct net_tls *t = open_world(&w, "good");
		struct end *e = dial(&w, (struct net_dial){.host = "good.example"});

		for (unsigned k = 0; k < i / 2; k++)
			net_turn(w.net);
		if (!e->connected) {
			end_close(e, i % 2);
			run_until(&w, e->released);
			assert_false(e->connected);
		}
		world_close(&w);
		net_tls_free(t);
	}
}

static void test_close_from_inside_connected(void **state)
{
	for (int graceful = 0; graceful < 2; graceful++) {
		struct world w;
		struct net_tls *t = open_world(&w, "good");
		struct end *e;

		w.close_when = IN_CONNECTED;
		w.graceful = graceful;
		e = dial(&w, (struct net_dial){.host = "good.example"});
		run_until(&w, e->connected && w.ends == 2 && w.end[1].closes);
		assert_int_equal(w.end[1].first_closed_why,
				 graceful ? REASON_PEER_CLOSED : REASON_PEER_RESET);
		end_close(&w.end[1], true);
		run_until(&w, e->released);
		world_close(&w);
		net_tls_free(t);
	}
}

static int begin(void **state)
{
	struct issued stranger;

	signal(SIGPIPE, SIG_IGN);
	pki_open(&pki);
	pki_add(&pki, "good", "DNS:good.example,IP:127.0.0.1", HOUR);
	pki_add(&pki, "wild", "DNS:*.wild.example", HOUR);
	pki_add(&pki, "expired", "DNS:good.example", -HOUR);
	stranger = issue(&pki, NULL, "stranger", "DNS:good.example", HOUR);
	pki_write(&pki, "stranger", &stranger);
	issued_free(&stranger);
	trust = pki_client(&pki);
	return 0;
}

static int end(void **state)
{
	net_tls_free(trust);
	pki_close(&pki);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_P10_trusted_name_connects),
		cmocka_unit_test(test_P10_wrong_name_is_refused),
		cmocka_unit_test(test_P10_expired_certificate_is_refused),
		cmocka_unit_test(test_P10_untrusted_certificate_is_refused),
		cmocka_unit_test(test_P10_pinned_certificate_needs_no_authority),
		cmocka_unit_test(test_P10_pins_as_people_write_them),
		cmocka_unit_test(test_unverified_takes_any_certificate),
		cmocka_unit_test(test_what_cannot_be_dialled_is_said_at_once),
		cmocka_unit_test(test_silent_server_is_a_timeout),
		cmocka_unit_test(test_server_that_hangs_up_or_talks_something_else),
		cmocka_unit_test(test_refused_is_refused_as_without_TLS),
		cmocka_unit_test(test_close_at_every_step_calls_released_only),
		cmocka_unit_test(test_close_from_inside_connected),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
