/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of TLS listeners: which one a peer is shown, and how they are changed while it runs. */
#include "tests/unit/net/pki.h"

#include <pthread.h>

static struct pki pki;
static struct net_tls *server;

static void test_H11_server_name_chooses_the_certificate(void **state)
{
	static const struct {
		const char *asked, *shown;
	} cases[] = {
		{"a.example", "a"},	     {"b.example", "b"},    {"x.wild.example", "wild"},
		{"own.wild.example", "own"}, {"wild.example", "a"}, {"y.x.wild.example", "a"},
		{"nobody.example", "a"},     {NULL, "a"},	    {"B.EXAMPLE", "b"},
	};
	struct net_tls *many;
	struct world w;

	pki_add(&pki, "b", "DNS:b.example", HOUR);
	pki_add(&pki, "wild", "DNS:*.wild.example", HOUR);
	pki_add(&pki, "own", "DNS:own.wild.example", HOUR);
	many = pki_server(&pki, "a", true);
	world_open(&w, (struct net_options){0}, array_len(cases) * 2, AF_INET);
	world_tls(&w, many);
	for (unsigned i = 0; i < array_len(cases) * 2; i++) {
		struct peer p = peer_tls_join(&w, cases[i / 2].asked,
					      i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);

		if (strcmp(peer_shown(&p), cases[i / 2].shown))
			fail_msg("%s: shown %s", cases[i / 2].asked, peer_shown(&p));
		peer_free(&p);
	}
	world_close(&w);
	net_tls_free(many);
}

static void test_H11_alpn_chooses_http_1_1_or_nothing(void **state)
{
	static const struct {
		const char *offer;
		unsigned n;
		const char *chosen;
	} cases[] = {{"\x02h2\x08http/1.1", 12, "http/1.1"},
		     {"\x02h2", 3, ""},
		     {"\x08http/1.1", 9, "http/1.1"}};
	struct world w;

	world_open(&w, (struct net_options){0}, array_len(cases), AF_INET);
	world_tls(&w, server);
	for (unsigned i = 0; i < array_len(cases); i++) {
		struct peer p = peer_tls(&w, NULL, 0);
		const unsigned char *chosen;
		unsigned n;

		SSL_set_alpn_protos(p.ssl, (const uint8_t *)cases[i].offer, cases[i].n);
		assert_int_equal(peer_shake(&w, &p), 0);
		SSL_get0_alpn_selected(p.ssl, &chosen, &n);
		assert_int_equal(n, strlen(cases[i].chosen));
		assert_true(!n || !memcmp(chosen, cases[i].chosen, n));
		peer_free(&p);
	}
	world_close(&w);
}

static void test_H11_reload_leaves_connections_alone(void **state)
{
	struct net_tls_keys k = {pki_path(&pki, "a", ".crt"), pki_path(&pki, "a", ".key"), ""};
	char err[300] = "";
	struct net_tls *t = pki_server(&pki, "a", false);
	struct peer before, shaking, after;
	struct world w;

	world_open(&w, (struct net_options){0}, 4, AF_INET);
	world_tls(&w, t);
	w.echo = true;
	before = peer_tls_join(&w, NULL, 0);
	shaking = peer_tls(&w, NULL, 0);
	run_until(&w, w.ends == 2);
	pki_add(&pki, "new", "DNS:new.example", HOUR);
	k.certificate = pki_path(&pki, "new", ".crt");
	k.key = pki_path(&pki, "new", ".key");
	assert_int_equal(net_tls_serve(t, &k, err, sizeof(err)), 0);
	after = peer_tls_join(&w, NULL, 0);
	assert_string_equal(peer_shown(&after), "new");
	assert_int_equal(peer_shake(&w, &shaking), 0);
	assert_string_equal(peer_shown(&shaking), "a");
	peer_tls_echo(&w, &before, 0, 100000);
	peer_tls_echo(&w, &shaking, 0, 100000);
	/* What cannot be loaded changes nothing. */
	k.key = pki_path(&pki, "a", ".key");
	assert_int_equal(net_tls_serve(t, &k, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "does not belong to the certificate"));
	peer_free(&after);
	after = peer_tls_join(&w, NULL, 0);
	assert_string_equal(peer_shown(&after), "new");
	peer_free(&before);
	peer_free(&shaking);
	peer_free(&after);
	world_close(&w);
	net_tls_free(t);
}

static void test_what_cannot_be_loaded_is_said(void **state)
{
	struct net_tls *t = net_tls_new();
	struct net_tls_keys k = {"", "", ""};
	char err[300] = "";
	struct peer p;
	struct world w;

	assert_int_equal(net_tls_serve(t, &k, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "no certificate"));
	k.certificate = "/nonexistent/x.crt";
	assert_int_equal(net_tls_serve(t, &k, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "/nonexistent/x.crt: No such file"));
	k.certificate = pki_path(&pki, "a", ".key");
	assert_int_equal(net_tls_serve(t, &k, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "no start line"));
	k = (struct net_tls_keys){"", "", "/nonexistent"};
	assert_int_equal(net_tls_serve(t, &k, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "tls.folder /nonexistent: No such file"));
	assert_int_equal(net_tls_trust(t, "/nonexistent", err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "tls.ca /nonexistent: No such file"));
	/* A listener whose context holds nothing refuses everybody. */
	world_open(&w, (struct net_options){0}, 1, AF_INET);
	world_tls(&w, t);
	p = peer_tls(&w, NULL, 0);
	assert_int_equal(peer_shake(&w, &p), SSL_ERROR_SYSCALL);
	assert_int_equal(w.ends, 0);
	assert_int_equal(counted(&w, CTR_REFUSED), 1);
	peer_free(&p);
	world_close(&w);
	net_tls_free(t);
}

static void *one_core(void *arg)
{
	struct net_tls *t = arg;
	struct world w;

	world_open(&w, (struct net_options){0}, 20, AF_INET);
	world_tls(&w, t);
	w.echo = true;
	for (unsigned i = 0; i < 20; i++) {
		struct peer p = peer_tls_join(&w, i % 2 ? "a.example" : NULL, 0);
		char in[5];

		must(SSL_write(p.ssl, "hello", 5) == 5);
		must(peer_tls_read(&w, &p, in, sizeof(in)) == 5);
		peer_free(&p);
	}
	for (unsigned i = 0; i < w.ends; i++)
		if (!w.end[i].closing)
			end_close(&w.end[i], false);
	net_free(w.net);
	for (unsigned i = 0; i < w.ends; i++)
		free(w.end[i].keep);
	free(w.end);
	return NULL;
}

static void test_cores_share_a_context_that_is_reloaded(void **state)
{
	struct net_tls *t = pki_server(&pki, "a", false);
	struct net_tls_keys k = {pki_path(&pki, "a", ".crt"), pki_path(&pki, "a", ".key"), ""};
	pthread_t core[2];
	char err[300];

	for (unsigned i = 0; i < array_len(core); i++)
		assert_int_equal(pthread_create(&core[i], NULL, one_core, t), 0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(net_tls_serve(t, &k, err, sizeof(err)), 0);
	for (unsigned i = 0; i < array_len(core); i++)
		pthread_join(core[i], NULL);
	net_tls_free(t);
}

static int begin(void **state)
{
	server = pki_begin(&pki);
	return 0;
}

static int end(void **state)
{
	net_tls_free(server);
	pki_close(&pki);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_H11_server_name_chooses_the_certificate),
		cmocka_unit_test(test_H11_alpn_chooses_http_1_1_or_nothing),
		cmocka_unit_test(test_H11_reload_leaves_connections_alone),
		cmocka_unit_test(test_what_cannot_be_loaded_is_said),
		cmocka_unit_test(test_cores_share_a_context_that_is_reloaded),
	};

	net_tls_prepare();
	return cmocka_run_group_tests(tests, begin, end);
}
