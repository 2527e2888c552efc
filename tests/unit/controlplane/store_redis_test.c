/* SPDX-License-Identifier: Apache-2.0 */
/* The store against a real redis-server on a unix socket in a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/hookq.h"
#include "controlplane/store_redis.h"
#include "controlplane/store_redis_claim.h"
#include "controlplane/store_redis_lease.h"
#include "controlplane/store_redis_letters.h"
#include "controlplane/store_redis_nodes.h"

#define PATIENCE_S 20
#define ID	   "11111111-2222-4333-8444-555555555555"

struct bench {
	char folder[64], socket[96], url[128];
	pid_t redis;
	struct event_base *base;
	struct evdns_base *dns;
	struct store *store;
	/* what the store told */
	unsigned ready, firsts, tasks, hooks, saved, failed, took, renewed, held;
	uint64_t epoch;
	const char *lease; /* of saves */
	char holder[161], error[128];
	char task_name[64], hook_text[256];
	unsigned claimed, letters, nodes, readings;
	char owner[64], letter[64], node[65];
};

/* ---- redis-server ---------------------------------------------------------------------------- */

static void redis_start(struct bench *b)
{
	b->redis = fork();
	if (b->redis)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!freopen("/dev/null", "w", stdout))
		_exit(126);
	execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", b->socket, "--dir",
	       b->folder, "--save", "", "--appendonly", "yes", "--appendfsync", "always", NULL);
	_exit(127);
}

static void redis_kill(struct bench *b)
{
	kill(b->redis, SIGKILL);
	waitpid(b->redis, NULL, 0);
	unlink(b->socket);
}

/* ---- what the store tells --------------------------------------------------------------------- */

static void on_task(void *arg, const char *id, const struct task_field *f, size_t n)
{
	struct bench *b = arg;

	b->tasks++;
	assert_string_equal(id, ID);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(f[i].name, "TaskName"))
			snprintf(b->task_name, sizeof(b->task_name), "%s", f[i].value);
}

static void on_hook(void *arg, const char *task_id, const char *text)
{
	struct bench *b = arg;

	b->hooks++;
	assert_string_equal(task_id, ID);
	snprintf(b->hook_text + strlen(b->hook_text), sizeof(b->hook_text) - strlen(b->hook_text),
		 "%s;", text);
}

static void on_ready(void *arg, bool first)
{
	struct bench *b = arg;

	b->ready++;
	b->firsts += first;
}

static const struct store_ops ops = {on_task, on_hook, on_ready};

static void on_saved(void *arg, const char *error)
{
	struct bench *b = arg;

	snprintf(b->error, sizeof(b->error), "%s", error ? error : "");
	if (error)
		b->failed++;
	else
		b->saved++;
}

/* ---- life --------------------------------------------------------------------------------------- */

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	*(bool *)arg = true;
}

/* Turns the loop until the number is reached. */
static void until(struct bench *b, const unsigned *number, unsigned want)
{
	struct timeval tv = {PATIENCE_S, 0};
	bool late = false;
	struct event *e = evtimer_new(b->base, on_patience, &late);

	evtimer_add(e, &tv);
	while (*number < want && !late)
		event_base_loop(b->base, EVLOOP_ONCE);
	event_free(e);
	assert_false(late);
}

static void store_begin(struct bench *b)
{
	char err[128];

	b->ready = b->firsts = b->tasks = b->hooks = 0;
	b->hook_text[0] = 0;
	b->store = store_new(b->base, b->dns, b->url, &ops, b, err, sizeof(err));
	assert_non_null(b->store);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	log_init("test", LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	strcpy(b->folder, "/tmp/store-test.XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->socket, sizeof(b->socket), "%s/r.sock", b->folder);
	snprintf(b->url, sizeof(b->url), "unix://%s", b->socket);
	b->base = event_base_new();
	b->dns = evdns_base_new(b->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	char command[128];

	store_free(b->store);
	evdns_base_free(b->dns, 0);
	event_base_free(b->base);
	redis_kill(b);
	snprintf(command, sizeof(command), "rm -rf '%s'", b->folder);
	assert_int_equal(system(command), 0);
	free(b);
	return 0;
}

static void save(struct bench *b, const char *name, const char *hook, bool remove, bool replace)
{
	struct task_field f[TASK_FIELDS];
	struct task *t = task_new();
	struct store_change c = {.id = ID,
				 .remove = remove,
				 .fields = f,
				 .created_ms = 1,
				 .due_ms = 2,
				 .hooks = &hook,
				 .hooks_n = hook ? 1 : 0,
				 .replace_hooks = replace,
				 .lease = b->lease};

	task_text(&t->name, name);
	task_fields(t, f);
	store_save(b->store, &c, on_saved, b);
	task_free(t);
}

/* ---- cases ------------------------------------------------------------------------------------- */

static void test_redis_that_comes_later_is_waited_for(void **state)
{
	struct bench *b = *state;

	store_begin(b);
	save(b, "early", NULL, false, false);
	until(b, &b->failed, 1);
	assert_false(store_ready(b->store));
	redis_start(b);
	until(b, &b->ready, 1);
	assert_int_equal(b->firsts, 1);
	assert_int_equal(b->tasks, 0);
	assert_string_equal(store_trouble(b->store), "");
}

static void test_P13_what_was_confirmed_is_there_after_a_kill_of_both(void **state)
{
	struct bench *b = *state;

	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	save(b, "first", "h1", false, false);
	save(b, "second", "h2", false, false);
	until(b, &b->saved, 2);
	store_free(b->store);
	redis_kill(b);
	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	assert_int_equal(b->tasks, 1);
	assert_string_equal(b->task_name, "second");
	assert_string_equal(b->hook_text, "h1;h2;");
}

static void test_delivered_callbacks_leave_and_survive_the_task(void **state)
{
	struct bench *b = *state;

	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	save(b, "x", "h1", false, false);
	save(b, "x", "h2", true, false);
	until(b, &b->saved, 2);
	store_hook_gone(b->store, ID, "h1", NULL, false);
	save(b, "x", NULL, true, false);
	until(b, &b->saved, 3);
	store_free(b->store);
	store_begin(b);
	until(b, &b->ready, 1);
	assert_int_equal(b->tasks, 0);
	assert_string_equal(b->hook_text, "h2;");
}

static void test_a_lost_redis_is_told_and_found_again(void **state)
{
	struct bench *b = *state;

	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	redis_kill(b);
	save(b, "x", NULL, false, false);
	until(b, &b->failed, 1);
	assert_false(store_ready(b->store));
	assert_true(strlen(store_trouble(b->store)) > 0);
	redis_start(b);
	until(b, &b->ready, 2);
	assert_int_equal(b->firsts, 1);
	save(b, "x", "h", false, true);
	until(b, &b->saved, 1);
}

static void test_saves_that_are_open_at_the_end_fail(void **state)
{
	struct bench *b = *state;

	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	save(b, "x", NULL, false, false);
	store_free(b->store);
	b->store = NULL;
	assert_int_equal(b->failed, 1);
}

static void on_took(void *arg, const char *id, const struct store_taken *t)
{
	struct bench *b = arg;

	assert_null(t->error);
	b->took++;
	b->epoch = t->epoch;
	b->tasks = (unsigned)t->n;
	b->hooks = (unsigned)t->hooks_n;
	snprintf(b->holder, sizeof(b->holder), "%s", t->holder);
}

static void on_renewed(void *arg, const char *id, bool known, bool held)
{
	struct bench *b = arg;

	assert_true(known);
	b->renewed++;
	b->held = held;
}

static void take(struct bench *b, const char *owner)
{
	store_lease_take(b->store, ID, owner, 60000, false, on_took, b);
	until(b, &b->took, b->took + 1);
}

static bool renew(struct bench *b, const char *lease)
{
	store_lease_renew(b->store, ID, lease, 60000, on_renewed, b);
	until(b, &b->renewed, b->renewed + 1);
	return b->held;
}

static void begin_leased(struct bench *b)
{
	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	b->lease = "";
	save(b, "x", "h1", false, false);
	until(b, &b->saved, 1);
}

static void test_P13_a_lease_is_one_nodes(void **state)
{
	struct bench *b = *state;

	begin_leased(b);
	take(b, "a/1");
	assert_int_equal(b->epoch, 1);
	assert_int_equal(b->tasks, TASK_FIELDS);
	assert_int_equal(b->hooks, 1);
	take(b, "b/1");
	assert_int_equal(b->epoch, 0);
	assert_string_equal(b->holder, "a/1 1");
	/* A name that begins alike is another's. */
	take(b, "a/");
	assert_int_equal(b->epoch, 0);
	assert_true(renew(b, "a/1 1"));
	assert_false(renew(b, "b/1 1"));
	take(b, "a/1");
	assert_int_equal(b->epoch, 2);
	assert_false(renew(b, "a/1 1"));
}

static void test_P13_who_lost_its_lease_writes_no_more(void **state)
{
	struct bench *b = *state;

	begin_leased(b);
	take(b, "a/1");
	b->lease = "a/1 1";
	save(b, "y", NULL, false, false);
	until(b, &b->saved, 2);
	store_lease_end(b->store, ID, "a/1 1", 0);
	/* Nobody took it: the last holder may write, and go on. */
	save(b, "z", NULL, false, false);
	until(b, &b->saved, 3);
	take(b, "b/1");
	assert_int_equal(b->epoch, 2);
	save(b, "late", NULL, false, false);
	until(b, &b->failed, 1);
	assert_memory_equal(b->error, "LOST", 4);
	store_lease_end(b->store, ID, "b/1 2", 0);
	assert_false(renew(b, "a/1 1"));
	save(b, "late", NULL, true, false);
	until(b, &b->failed, 2);
	b->lease = "";
	save(b, "again", NULL, false, false);
	until(b, &b->failed, 3);
	assert_memory_equal(b->error, "BUSY", 4);
}

/* ---- several nodes --------------------------------------------------------------------------- */

static void on_claimed(void *arg, const char *error, const char *owner)
{
	struct bench *b = arg;

	assert_null(error);
	b->claimed++;
	snprintf(b->owner, sizeof(b->owner), "%s", owner ? owner : "");
}

/* Whose it is; "": it is id's now. */
static const char *claim(struct bench *b, const char *url, const char *id)
{
	store_claim(b->store, url, id, on_claimed, b);
	until(b, &b->claimed, b->claimed + 1);
	return b->owner;
}

static void test_a_destination_is_one_tasks(void **state)
{
	struct bench *b = *state;

	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	/* While it is written, and again by itself. */
	assert_string_equal(claim(b, "rtmp://a/b", "one"), "");
	assert_string_equal(claim(b, "rtmp://a/b", "one"), "");
	assert_string_equal(claim(b, "rtmp://a/b", "two"), "one");
	assert_string_equal(claim(b, "rtmp://a/c", "two"), "");
	/* Only its owner gives it up. */
	store_claim_end(b->store, "rtmp://a/b", "two");
	assert_string_equal(claim(b, "rtmp://a/b", "two"), "one");
	store_claim_end(b->store, "rtmp://a/b", "one");
	assert_string_equal(claim(b, "rtmp://a/b", "two"), "");
	/* Nobody takes what somebody has. */
	store_claim_keep(b->store, "rtmp://a/b", "one");
	assert_string_equal(claim(b, "rtmp://a/b", "one"), "two");
}

static void test_a_claim_without_its_task_does_not_count(void **state)
{
	struct bench *b = *state;

	begin_leased(b);
	/* Of a task that is gone, or has another destination. */
	store_claim_keep(b->store, "rtmp://a/b", "gone");
	assert_string_equal(claim(b, "rtmp://a/b", "two"), "");
	store_claim_keep(b->store, "rtmp://elsewhere/x", ID);
	assert_string_equal(claim(b, "rtmp://elsewhere/x", "two"), "");
}

static void on_letter(void *arg, const char *text, size_t n)
{
	struct bench *b = arg;

	assert_int_equal(strlen(text), n);
	snprintf(b->letter, sizeof(b->letter), "%s", text);
	b->letters++;
}

static void test_letters_reach_their_node_and_only_it(void **state)
{
	struct bench *b = *state;
	struct letters *l;
	char err[128];

	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	l = letters_new(b->base, b->dns, b->url, "here", on_letter, b, err, sizeof(err));
	assert_non_null(l);
	assert_true(store_letter(b->store, "there", "not ours"));
	/* What was written before the connection stands is not read: it is written until one is. */
	while (!b->letters) {
		struct timeval tv = {0, 20000};

		assert_true(store_letter(b->store, "here", "first"));
		event_base_loopexit(b->base, &tv);
		event_base_loop(b->base, 0);
	}
	b->letters = 0;
	assert_true(store_letter(b->store, "here", "last"));
	while (strcmp(b->letter, "last"))
		until(b, &b->letters, b->letters + 1);
	letters_free(l);
}

static void on_node(void *arg, const char *name, int64_t seen_ms, const struct task_field *f,
		    size_t n)
{
	struct bench *b = arg;

	snprintf(b->node, sizeof(b->node), "%s/%lld/%zu", name, (long long)seen_ms, n);
	b->nodes++;
}

static void on_nodes(void *arg, const char *error)
{
	struct bench *b = arg;

	assert_null(error);
	b->readings++;
}

static void test_nodes_are_listed_while_they_live_and_a_week_after(void **state)
{
	static const int64_t week_ms = (int64_t)7 * 86400 * 1000;
	struct task_field f[] = {{"Time", "1"}, {"Room", "5"}};
	struct bench *b = *state;

	redis_start(b);
	store_begin(b);
	until(b, &b->ready, 1);
	store_node_seen(b->store, "old", 1000);
	store_node_seen(b->store, "gone", 2000);
	store_node_seen(b->store, "here", 1000 + week_ms);
	store_heartbeat(b->store, "here", f, array_len(f));
	store_nodes_read(b->store, on_node, on_nodes, b);
	until(b, &b->readings, 1);
	assert_int_equal(b->nodes, 2);
	assert_string_equal(b->node, "here/604801000/2");
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_redis_that_comes_later_is_waited_for),
		CASE(test_P13_what_was_confirmed_is_there_after_a_kill_of_both),
		CASE(test_delivered_callbacks_leave_and_survive_the_task),
		CASE(test_a_lost_redis_is_told_and_found_again),
		CASE(test_saves_that_are_open_at_the_end_fail),
		CASE(test_P13_a_lease_is_one_nodes),
		CASE(test_P13_who_lost_its_lease_writes_no_more),
		CASE(test_a_destination_is_one_tasks),
		CASE(test_a_claim_without_its_task_does_not_count),
		CASE(test_letters_reach_their_node_and_only_it),
		CASE(test_nodes_are_listed_while_they_live_and_a_week_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
