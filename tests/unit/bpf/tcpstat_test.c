/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "base/check.h"
#include "bpf/tcpstat.h"
#include "tests/unit/bpf/needs.h"

#define CGROUP2_MAGIC 0x63677270
#define STREAM	      77

/* Two groups: the server's, which is watched, and the client's, whose packets a test may drop. */
struct site {
	char root[64], server[128], client[128], home[256];
	struct bpf_tcpstat *t;
	int drop, listener;
	struct sockaddr_in addr;
};

/* ---- groups ---------------------------------------------------------------------------------- */

static const char *cgroup_root(void)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs s;

	for (size_t i = 0; i < array_len(places); i++)
		if (!statfs(places[i], &s) && s.f_type == CGROUP2_MAGIC)
			return places[i];
	return NULL;
}

static int enter(const char *group)
{
	char path[320];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fprintf(f, "%d\n", (int)getpid());
	rc = fclose(f) ? -errno : 0;
	return rc;
}

/* Where this process is now: the line "0::/path" of /proc/self/cgroup. */
static void note_home(struct site *s)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[160] = "", path[160] = "/";

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::", 3))
			snprintf(path, sizeof(path), "%.*s", (int)strcspn(line + 3, "\n"),
				 line + 3);
	fclose(f);
	snprintf(s->home, sizeof(s->home), "%s%s", s->root, path);
}

static void groups_make(struct site *s)
{
	const char *root = cgroup_root();

	if (!root) {
		print_message("# skipped: cgroup v2 is not mounted\n");
		skip();
	}
	snprintf(s->root, sizeof(s->root), "%s", root);
	note_home(s);
	snprintf(s->server, sizeof(s->server), "%s/mr-test-%d-server", s->root, (int)getpid());
	snprintf(s->client, sizeof(s->client), "%s/mr-test-%d-client", s->root, (int)getpid());
	if (mkdir(s->server, 0755) || mkdir(s->client, 0755)) {
		print_message("# skipped: no cgroup can be made: %s\n", strerror(errno));
		skip();
	}
}

/* Fine for one that is not open. */
static void site_close(struct site *s)
{
	if (!s->root[0])
		return;
	enter(s->home);
	bpf_tcpstat_close(s->t);
	if (s->drop >= 0)
		close(s->drop);
	if (s->listener >= 0)
		close(s->listener);
	rmdir(s->server);
	rmdir(s->client);
	s->root[0] = 0;
}

static void site_open(struct site *s, uint32_t interval_ms)
{
	struct bpf_tcpstat_options opt = {.interval_ms = interval_ms};
	socklen_t n = sizeof(s->addr);
	char err[256];

	*s = (struct site){.drop = -1, .listener = -1};
	groups_make(s);
	if (bpf_tcpstat_open(&s->t, s->server, &opt, err, sizeof(err)))
		unable(err);
	assert_int_equal(enter(s->server), 0);
	s->addr = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	assert_int_equal(listen(s->listener, 100), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&s->addr, &n), 0);
	assert_int_equal(enter(s->client), 0);
}

/* One packet in eight to the client's group is lost on its way. */
static void lose_packets(struct site *s)
{
	struct bpf_insn program[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_prandom_u32},
		{.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = BPF_REG_0, .imm = 7},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int group = open(s->client, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	s->drop = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "drop", "GPL", program,
				array_len(program), NULL);
	assert_true(s->drop >= 0 && group >= 0);
	assert_int_equal(bpf_prog_attach(s->drop, group, BPF_CGROUP_INET_INGRESS, 0), 0);
	close(group);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void connect_pair(struct site *s, int *server, int *client)
{
	*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*client, (struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	*server = accept(s->listener, NULL, NULL);
	assert_true(*server >= 0);
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
	return info;
}

/* `bytes` from the server to the client, and every acknowledgement is back. */
static void send_through(int server, int client, size_t bytes)
{
	static char data[16384];
	size_t got = 0, sent = 0;

	while (got < bytes) {
		ssize_t n = sent < bytes ? send(server, data, min_of(sizeof(data), bytes - sent),
						MSG_DONTWAIT)
					 : 0;

		sent += n > 0 ? (size_t)n : 0;
		n = recv(client, data, sizeof(data), sent < bytes ? MSG_DONTWAIT : 0);
		got += n > 0 ? (size_t)n : 0;
	}
	while (info_of(server).tcpi_unacked)
		sched_yield();
}

struct sought {
	struct tcpstat_key key;
	struct tcpstat_sums sums;
	unsigned found, keys;
};

static void note(void *arg, const struct tcpstat_key *key, const struct tcpstat_sums *sums)
{
	struct sought *s = arg;

	s->keys++;
	if (memcmp(key, &s->key, sizeof(*key)))
		return;
	s->sums = *sums;
	s->found++;
}

/* Sums of the connections that came to the listener for that stream; all 0 where there is no key. */
static struct tcpstat_sums sums_of(struct site *s, uint32_t stream)
{
	struct sought w = {.key = {.stream = stream, .port = ntohs(s->addr.sin_port)}};

	assert_int_equal(bpf_tcpstat_read(s->t, note, &w), 0);
	assert_true(w.found <= 1);
	return w.sums;
}

static unsigned keys_of(struct site *s)
{
	struct sought w = {.key = {.stream = UINT32_MAX}};

	assert_int_equal(bpf_tcpstat_read(s->t, note, &w), 0);
	return w.keys;
}

static uint64_t total(const uint64_t *buckets, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += buckets[i];
	return sum;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static struct site site;

/* After every test, failed ones too. */
static int leave(void **state)
{
	site_close(&site);
	return 0;
}

static void test_a_connection_counts_for_its_port_until_it_is_tagged(void **state)
{
	struct tcpstat_sums v;
	int server, client;

	site_open(&site, 1);
	connect_pair(&site, &server, &client);
	assert_int_equal(sums_of(&site, 0).connections, 1);
	assert_int_equal(bpf_tcpstat_tag(site.t, server, STREAM), 0);
	send_through(server, client, 100000);
	assert_int_equal(sums_of(&site, 0).connections, 0);
	v = sums_of(&site, STREAM);
	assert_int_equal(v.connections, 1);
	assert_true(v.samples > 0 && v.srtt_us > 0);
	assert_int_equal(total((uint64_t *)v.rtt, TCPSTAT_RTT_BUCKETS), v.samples);
	close(client);
	close(server);
}

static void test_bytes_and_segments_are_those_of_tcp_info(void **state)
{
	struct tcpstat_sums v;
	struct tcp_info info;
	int server, client;

	site_open(&site, 1);
	connect_pair(&site, &server, &client);
	bpf_tcpstat_tag(site.t, server, STREAM);
	send_through(server, client, 3000000);
	info = info_of(server);
	/* An end that is reset is closed at once, with nothing more to send. */
	setsockopt(server, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(server);
	v = sums_of(&site, STREAM);
	assert_int_equal(v.connections, 0);
	assert_int_equal(v.bytes_acked, info.tcpi_bytes_acked);
	assert_int_equal(v.segments_sent, info.tcpi_data_segs_out);
	assert_int_equal(v.segments_delivered, info.tcpi_delivered);
	assert_int_equal(v.segments_retransmitted, info.tcpi_total_retrans);
	close(client);
}

/* A connection from its first packet to its last, which is a reset; returns what TCP says of it. */
static struct tcp_info whole_connection(size_t bytes)
{
	struct tcp_info info;
	int server, client;

	connect_pair(&site, &server, &client);
	bpf_tcpstat_tag(site.t, server, STREAM);
	send_through(server, client, bytes);
	info = info_of(server);
	setsockopt(server, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(server);
	close(client);
	return info;
}

/* Of the stream and of the port together: the first packets may have gone out before the tag. */
static uint64_t wire_bytes(void)
{
	return sums_of(&site, 0).wire_bytes + sums_of(&site, STREAM).wire_bytes;
}

/* IPv4 and TCP headers, with or without a time stamp. */
static void expect_wire(uint64_t wire, const struct tcp_info *info)
{
	assert_in_range(wire - info->tcpi_bytes_sent, info->tcpi_segs_out * 40ul,
			info->tcpi_segs_out * 60ul);
}

static void test_bytes_on_the_wire_have_headers_and_retransmits(void **state)
{
	struct tcp_info info;
	uint64_t before;

	site_open(&site, 1);
	info = whole_connection(1000000);
	assert_int_equal(info.tcpi_bytes_sent, 1000000);
	before = wire_bytes();
	expect_wire(before, &info);
	lose_packets(&site);
	info = whole_connection(1000000);
	assert_true(info.tcpi_bytes_sent > 1000000);
	expect_wire(wire_bytes() - before, &info);
}

static void test_a_forgotten_stream_stays_forgotten(void **state)
{
	int server, client;

	site_open(&site, 1);
	connect_pair(&site, &server, &client);
	bpf_tcpstat_tag(site.t, server, STREAM);
	send_through(server, client, 100);
	assert_int_equal(keys_of(&site), 2);
	bpf_tcpstat_forget(site.t, STREAM);
	send_through(server, client, 100000);
	close(client);
	close(server);
	assert_int_equal(keys_of(&site), 1);
}

static void test_lost_packets_are_retransmits(void **state)
{
	struct tcpstat_sums v;
	struct tcp_info info;
	int server, client;

	site_open(&site, 1);
	connect_pair(&site, &server, &client);
	bpf_tcpstat_tag(site.t, server, STREAM);
	lose_packets(&site);
	send_through(server, client, 1000000);
	info = info_of(server);
	setsockopt(server, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(server);
	v = sums_of(&site, STREAM);
	assert_true(info.tcpi_total_retrans > 0);
	assert_int_equal(v.segments_retransmitted, info.tcpi_total_retrans);
	/* Some intervals had a ratio above zero. */
	assert_true(total((uint64_t *)v.ratio + 1, TCPSTAT_RATIO_BUCKETS - 1) > 0);
	close(client);
}

static void test_round_trips_are_sampled_once_per_interval(void **state)
{
	struct tcpstat_sums v;
	int server, client;

	site_open(&site, 3600000);
	connect_pair(&site, &server, &client);
	send_through(server, client, 3000000);
	v = sums_of(&site, 0);
	assert_int_equal(v.samples, 1);
	assert_int_equal(v.rtt[63 - __builtin_clzll(v.srtt_us | 1)], 1);
	close(client);
	close(server);
}

static void test_connections_that_come_and_go_leave_nothing(void **state)
{
	struct tcpstat_sums v;

	site_open(&site, 1);
	for (unsigned i = 0; i < 500; i++) {
		int server, client;

		connect_pair(&site, &server, &client);
		if (i % 2)
			bpf_tcpstat_tag(site.t, server, STREAM + i % 10);
		if (i % 3)
			send_through(server, client, 100);
		close(client);
		close(server);
	}
	for (unsigned i = 0; i < 10; i++) {
		v = sums_of(&site, STREAM + i);
		assert_int_equal(v.connections, 0);
		bpf_tcpstat_forget(site.t, STREAM + i);
	}
	v = sums_of(&site, 0);
	assert_int_equal(v.connections, 0);
	assert_int_equal(v.opened, 500);
	assert_int_equal(keys_of(&site), 1);
	assert_int_equal(bpf_tcpstat_lost(site.t), 0);
}

/* As nobody, who has no capability: what a data plane is after its start. */
static bool works_as_nobody(int server, int client)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		struct sought w = {.key = {.stream = STREAM}};

		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ||
		    bpf_tcpstat_tag(site.t, server, STREAM))
			_exit(1);
		send_through(server, client, 1000);
		_exit(bpf_tcpstat_read(site.t, note, &w) || !w.keys);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_tagging_and_reading_need_no_privilege(void **state)
{
	int server, client;

	site_open(&site, 1);
	connect_pair(&site, &server, &client);
	assert_true(works_as_nobody(server, client));
	assert_int_equal(sums_of(&site, STREAM).connections, 1);
	close(client);
	close(server);
}

static void test_many_streams_are_read_in_batches(void **state)
{
	site_open(&site, 1);
	for (unsigned i = 0; i < 700; i++) {
		int server, client;

		connect_pair(&site, &server, &client);
		bpf_tcpstat_tag(site.t, server, 1 + i);
		send_through(server, client, 10);
		close(client);
		close(server);
	}
	/* Every stream, and the port itself. */
	assert_int_equal(keys_of(&site), 701);
	for (unsigned i = 0; i < 700; i += 99)
		assert_true(sums_of(&site, 1 + i).bytes_acked >= 10);
}

static void test_a_place_that_is_no_cgroup_is_refused_with_its_name(void **state)
{
	struct bpf_tcpstat *t;
	char err[256];
	int rc = bpf_tcpstat_open(&t, "/nowhere", NULL, err, sizeof(err));

	assert_null(t);
	if (rc == -EPERM)
		unable(err);
	assert_int_equal(rc, -ENOENT);
	assert_non_null(strstr(err, "/nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_connection_counts_for_its_port_until_it_is_tagged,
					  leave),
		cmocka_unit_test_teardown(test_bytes_and_segments_are_those_of_tcp_info, leave),
		cmocka_unit_test_teardown(test_bytes_on_the_wire_have_headers_and_retransmits,
					  leave),
		cmocka_unit_test_teardown(test_a_forgotten_stream_stays_forgotten, leave),
		cmocka_unit_test_teardown(test_lost_packets_are_retransmits, leave),
		cmocka_unit_test_teardown(test_round_trips_are_sampled_once_per_interval, leave),
		cmocka_unit_test_teardown(test_connections_that_come_and_go_leave_nothing, leave),
		cmocka_unit_test_teardown(test_tagging_and_reading_need_no_privilege, leave),
		cmocka_unit_test_teardown(test_many_streams_are_read_in_batches, leave),
		cmocka_unit_test_teardown(test_a_place_that_is_no_cgroup_is_refused_with_its_name,
					  leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
