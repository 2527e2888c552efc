/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver. getaddrinfo() is the test's own here: which names exist, and how long they take,
 * must not depend on the network.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "net/net.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned asked, answered;
static bool slow_may_go;

/* many.example: 20 addresses; slow.example: when it may; none.example: none; else: try again. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	struct sockaddr_in *in;

	pthread_mutex_lock(&lock);
	asked++;
	pthread_cond_broadcast(&changed);
	while (!strcmp(name, "slow.example") && !slow_may_go)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	if (!strcmp(name, "none.example"))
		return EAI_NONAME;
	if (strcmp(name, "many.example"))
		return EAI_AGAIN;
	*out = NULL;
	for (unsigned i = 20; i > 0; i--) {
		struct addrinfo *a = calloc(1, sizeof(*a) + sizeof(*in));

		in = (struct sockaddr_in *)(a + 1);
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(0x0a000000 + i);
		a->ai_family = AF_INET;
		a->ai_addr = (struct sockaddr *)in;
		a->ai_next = *out;
		*out = a;
	}
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	while (list) {
		struct addrinfo *next = list->ai_next;

		free(list);
		list = next;
	}
}

static void done(struct net_resolve *r)
{
	pthread_mutex_lock(&lock);
	answered++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void begin(void)
{
	pthread_mutex_lock(&lock);
	asked = answered = 0;
	slow_may_go = false;
	pthread_mutex_unlock(&lock);
}

static void wait_for(const unsigned *what, unsigned n)
{
	pthread_mutex_lock(&lock);
	while (*what < n)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static struct net_resolve ask(const char *host)
{
	struct net_resolve r = {.port = 1935, .done = done};

	snprintf(r.host, sizeof(r.host), "%s", host);
	return r;
}

static void test_literals_are_answered_inside_the_call(void **state)
{
	static const char *const host[][3] = {
		{"10.1.2.3", "10.1.2.3:1935", NULL},
		{"::1", "[::1]:1935", NULL},
		{"localhost", "127.0.0.1:1935", "[::1]:1935"},
	};

	begin();
	for (unsigned i = 0; i < array_len(host); i++) {
		struct net_resolve r = ask(host[i][0]);
		char text[NET_ADDR_TEXT];

		net_resolve(&r); /* without a thread */
		assert_int_equal(answered, i + 1);
		assert_int_equal(r.why, REASON_NONE);
		assert_int_equal(r.n, host[i][2] ? 2 : 1);
		for (unsigned a = 0; a < r.n; a++)
			assert_string_equal(net_addr_text(text, &r.addr[a]), host[i][1 + a]);
	}
	assert_int_equal(asked, 0);
}

static void test_names_are_answered_by_a_thread(void **state)
{
	struct net_resolve many = ask("many.example"), none = ask("none.example"), odd = ask("odd");
	char text[NET_ADDR_TEXT];

	begin();
	assert_int_equal(net_resolver_start(2), 0);
	net_resolve(&many);
	net_resolve(&none);
	net_resolve(&odd);
	wait_for(&answered, 3);
	net_resolver_stop();
	assert_int_equal(many.n, NET_RESOLVE_MAX);
	assert_string_equal(net_addr_text(text, &many.addr[0]), "10.0.0.1:1935");
	assert_int_equal(none.n, 0);
	assert_int_equal(none.why, REASON_DNS_FAILED);
	assert_int_equal(odd.why, REASON_DNS_FAILED);
}

static void test_stop_answers_what_is_asked_and_what_waits(void **state)
{
	struct net_resolve slow = ask("slow.example"), waiting = ask("many.example");

	begin();
	assert_int_equal(net_resolver_start(1), 0);
	net_resolve(&slow);
	wait_for(&asked, 1);
	net_resolve(&waiting);
	net_resolver_stop(); /* does not wait for the name server */
	assert_int_equal(answered, 2);
	assert_int_equal(slow.why, REASON_CONNECT_TIMEOUT);
	assert_int_equal(waiting.why, REASON_CONNECT_TIMEOUT);
	/* The next start has nothing to do with the thread that is left behind. */
	assert_int_equal(net_resolver_start(1), 0);
	waiting = ask("many.example");
	net_resolve(&waiting);
	wait_for(&answered, 3);
	assert_int_equal(waiting.n, NET_RESOLVE_MAX);
	pthread_mutex_lock(&lock);
	slow_may_go = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	net_resolver_stop();
	assert_int_equal(answered, 3);
}

static void test_queue_is_bounded(void **state)
{
	enum { MANY = 1200 };
	struct net_resolve *r = calloc(MANY, sizeof(*r));
	unsigned refused = 0;

	begin();
	assert_int_equal(net_resolver_start(1), 0);
	for (unsigned i = 0; i < MANY; i++) {
		r[i] = ask("slow.example");
		net_resolve(&r[i]);
	}
	for (unsigned i = 0; i < MANY; i++)
		refused += r[i].why == REASON_CONNECT_TIMEOUT;
	assert_in_range(refused, MANY - 1024 - 1, MANY - 1024);
	net_resolver_stop();
	assert_int_equal(answered, MANY);
	pthread_mutex_lock(&lock);
	slow_may_go = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	free(r);
}

static void test_without_threads_a_name_fails_at_once(void **state)
{
	struct net_resolve r = ask("many.example");

	begin();
	net_resolve(&r);
	assert_int_equal(answered, 1);
	assert_int_equal(r.why, REASON_CONNECT_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literals_are_answered_inside_the_call),
		cmocka_unit_test(test_names_are_answered_by_a_thread),
		cmocka_unit_test(test_stop_answers_what_is_asked_and_what_waits),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_without_threads_a_name_fails_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
