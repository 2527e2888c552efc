/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "bpf/guard.h"
#include "tests/unit/bpf/needs.h"

#define RTMP 1935

/* Frames as they would come from the wire; built front to back. */
struct frame {
	uint8_t bytes[256];
	uint32_t n;
};

static void put(struct frame *f, const void *bytes, size_t n)
{
	assert_true(f->n + n <= sizeof(f->bytes));
	memcpy(f->bytes + f->n, bytes, n);
	f->n += (uint32_t)n;
}

static void put_ethernet(struct frame *f, uint16_t type)
{
	struct ethhdr eth = {.h_proto = htons(type)};

	f->n = 0;
	put(f, &eth, sizeof(eth));
}

static void put_v4(struct frame *f, const char *from, unsigned options_words, uint16_t offset)
{
	struct iphdr ip = {.version = 4,
			   .ihl = 5 + options_words,
			   .protocol = IPPROTO_TCP,
			   .frag_off = htons(offset)};
	uint8_t options[40] = {1, 1, 1, 1};

	inet_pton(AF_INET, from, &ip.saddr);
	put(f, &ip, sizeof(ip));
	put(f, options, options_words * 4);
}

static void put_v6(struct frame *f, const char *from, uint8_t next)
{
	struct ip6_hdr ip = {.ip6_nxt = next};

	inet_pton(AF_INET6, from, &ip.ip6_src);
	put(f, &ip, sizeof(ip));
}

static void put_tcp(struct frame *f, uint16_t port, bool syn, bool ack)
{
	struct tcphdr tcp = {.dest = htons(port), .doff = 5, .syn = syn, .ack = ack};

	put(f, &tcp, sizeof(tcp));
}

static struct frame syn_v4(const char *from)
{
	struct frame f;

	put_ethernet(&f, ETH_P_IP);
	put_v4(&f, from, 0, 0);
	put_tcp(&f, RTMP, true, false);
	return f;
}

static struct frame syn_v6(const char *from)
{
	struct frame f;

	put_ethernet(&f, ETH_P_IPV6);
	put_v6(&f, from, IPPROTO_TCP);
	put_tcp(&f, RTMP, true, false);
	return f;
}

/* ---- the program ----------------------------------------------------------------------------- */

static struct bpf_guard *opened(void)
{
	static const struct bpf_guard_rules rules = {.ports = {RTMP, 8080}, .ports_n = 2};
	struct bpf_guard *g;
	char err[256];

	if (bpf_guard_open(&g, NULL, err, sizeof(err)))
		unable(err);
	assert_int_equal(bpf_guard_set(g, &rules), 0);
	return g;
}

/* How many of so many such packets are let through. */
static unsigned passes(struct bpf_guard *g, const struct frame *f, unsigned times)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < times; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = f->n,
			    .repeat = 1);

		assert_int_equal(bpf_prog_test_run_opts(bpf_guard_program(g), &opts), 0);
		assert_true(opts.retval == XDP_PASS || opts.retval == XDP_DROP);
		passed += opts.retval == XDP_PASS;
	}
	return passed;
}

static uint64_t counted(struct bpf_guard *g, enum guard_count c)
{
	uint64_t counts[GUARD_COUNTS];

	assert_int_equal(bpf_guard_read(g, counts), 0);
	return counts[c];
}

static void list(struct bpf_guard *g, const char *addr, unsigned bits, enum guard_verdict v)
{
	uint8_t bytes[16];
	int family = strchr(addr, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, addr, bytes), 1);
	assert_int_equal(bpf_guard_list(g, family, bytes, bits, v), 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_without_rules_everything_passes(void **state)
{
	struct bpf_guard *g = opened();
	struct frame f = syn_v4("192.0.2.1");

	assert_int_equal(passes(g, &f, 1000), 1000);
	assert_int_equal(counted(g, GUARD_PASSED), 1000);
	bpf_guard_close(g);
}

static void test_the_longest_prefix_decides(void **state)
{
	struct bpf_guard *g = opened();
	struct frame bad = syn_v4("198.51.100.7"), good = syn_v4("198.51.100.77");
	struct frame other = syn_v4("198.51.101.1");
	uint8_t net[4] = {198, 51, 100, 0};

	list(g, "198.51.100.0", 24, GUARD_DENY);
	list(g, "198.51.100.64", 26, GUARD_ALLOW);
	assert_int_equal(passes(g, &bad, 1), 0);
	assert_int_equal(passes(g, &good, 1), 1);
	assert_int_equal(passes(g, &other, 1), 1);
	assert_int_equal(counted(g, GUARD_DENIED), 1);
	assert_int_equal(counted(g, GUARD_ALLOWED), 1);
	assert_int_equal(bpf_guard_unlist(g, AF_INET, net, 24), 0);
	assert_int_equal(passes(g, &bad, 1), 1);
	bpf_guard_close(g);
}

static void test_lists_of_ipv6(void **state)
{
	struct bpf_guard *g = opened();
	struct frame bad = syn_v6("2001:db8:bad::1"), good = syn_v6("2001:db8:bad:1::1");

	list(g, "2001:db8:bad::", 48, GUARD_DENY);
	list(g, "2001:db8:bad:1::", 64, GUARD_ALLOW);
	assert_int_equal(passes(g, &bad, 1), 0);
	assert_int_equal(passes(g, &good, 1), 1);
	bpf_guard_close(g);
}

static void test_only_listed_addresses_where_that_is_wanted(void **state)
{
	struct bpf_guard_rules rules = {.only_listed = true};
	struct bpf_guard *g = opened();
	struct frame known = syn_v4("192.0.2.1"), stranger = syn_v4("203.0.113.1");

	list(g, "192.0.2.0", 24, GUARD_ALLOW);
	assert_int_equal(bpf_guard_set(g, &rules), 0);
	assert_int_equal(passes(g, &known, 1), 1);
	assert_int_equal(passes(g, &stranger, 1), 0);
	assert_int_equal(counted(g, GUARD_UNLISTED), 1);
	bpf_guard_close(g);
}

static void test_new_connections_are_bounded_by_prefix(void **state)
{
	/* One a second and nine more at once: there is no time for a second one. */
	struct bpf_guard_rules rules = {.syn_per_s = 1, .syn_burst = 9};
	struct bpf_guard *g = opened();
	struct frame flood = syn_v4("203.0.113.1"), neighbour = syn_v4("203.0.113.200");
	struct frame viewer = syn_v4("203.0.112.1"), listed = syn_v4("192.0.2.9");
	unsigned passed;

	list(g, "192.0.2.0", 24, GUARD_ALLOW);
	assert_int_equal(bpf_guard_set(g, &rules), 0);
	passed = passes(g, &flood, 200);
	assert_in_range(passed, 10, 12);
	assert_int_equal(counted(g, GUARD_RATE), 200 - passed);
	assert_int_equal(passes(g, &neighbour, 1), 0);
	assert_int_equal(passes(g, &viewer, 1), 1);
	assert_int_equal(passes(g, &listed, 200), 200);
	bpf_guard_close(g);
}

static void test_prefixes_of_ipv6_are_56_bits(void **state)
{
	struct bpf_guard_rules rules = {.syn_per_s = 1};
	struct bpf_guard *g = opened();
	struct frame first = syn_v6("2001:db8:0:100::1"), same = syn_v6("2001:db8:0:1ff::9");
	struct frame other = syn_v6("2001:db8:0:200::1");

	assert_int_equal(bpf_guard_set(g, &rules), 0);
	assert_int_equal(passes(g, &first, 1), 1);
	assert_int_equal(passes(g, &same, 1), 0);
	assert_int_equal(passes(g, &other, 1), 1);
	bpf_guard_close(g);
}

static void test_open_connections_are_not_rate_limited(void **state)
{
	struct bpf_guard_rules rules = {.syn_per_s = 1};
	struct bpf_guard *g = opened();
	struct frame f;

	assert_int_equal(bpf_guard_set(g, &rules), 0);
	put_ethernet(&f, ETH_P_IP);
	put_v4(&f, "203.0.113.1", 0, 0);
	put_tcp(&f, RTMP, false, true);
	assert_int_equal(passes(g, &f, 500), 500);
	bpf_guard_close(g);
}

static void test_other_ports_and_protocols_are_left_alone(void **state)
{
	struct bpf_guard *g = opened();
	struct frame f;

	list(g, "203.0.113.0", 24, GUARD_DENY);
	put_ethernet(&f, ETH_P_IP);
	put_v4(&f, "203.0.113.1", 0, 0);
	put_tcp(&f, 22, true, false);
	assert_int_equal(passes(g, &f, 1), 1);
	put_ethernet(&f, ETH_P_ARP);
	put_tcp(&f, RTMP, true, false);
	assert_int_equal(passes(g, &f, 1), 1);
	assert_int_equal(counted(g, GUARD_OTHER), 2);
	bpf_guard_close(g);
}

static void test_headers_in_between_do_not_hide_a_source(void **state)
{
	static const uint8_t tags[2][4] = {{0, 5, ETH_P_8021Q >> 8, ETH_P_8021Q & 0xff},
					   {0, 6, ETH_P_IP >> 8, ETH_P_IP & 0xff}};
	static const uint8_t extension[16] = {IPPROTO_TCP, 1};
	struct bpf_guard *g = opened();
	struct frame f;

	list(g, "203.0.113.0", 24, GUARD_DENY);
	list(g, "2001:db8::", 32, GUARD_DENY);
	put_ethernet(&f, ETH_P_8021AD);
	put(&f, tags, sizeof(tags));
	put_v4(&f, "203.0.113.1", 3, 0);
	put_tcp(&f, RTMP, true, false);
	assert_int_equal(passes(g, &f, 1), 0);
	put_ethernet(&f, ETH_P_IPV6);
	put_v6(&f, "2001:db8::1", IPPROTO_HOPOPTS);
	put(&f, extension, sizeof(extension));
	put_tcp(&f, RTMP, true, false);
	assert_int_equal(passes(g, &f, 1), 0);
	bpf_guard_close(g);
}

static void test_what_cannot_be_read_is_left_to_the_kernel(void **state)
{
	struct bpf_guard *g = opened();
	struct frame f = syn_v4("203.0.113.1"), fragment;

	list(g, "203.0.113.0", 24, GUARD_DENY);
	assert_int_equal(passes(g, &f, 1), 0);
	/* Cut anywhere: an Ethernet header is the least that a test run takes. */
	for (f.n--; f.n >= sizeof(struct ethhdr); f.n--)
		assert_int_equal(passes(g, &f, 1), 1);
	put_ethernet(&fragment, ETH_P_IP);
	put_v4(&fragment, "203.0.113.1", 0, 100);
	put_tcp(&fragment, RTMP, true, false);
	assert_int_equal(passes(g, &fragment, 1), 1);
	bpf_guard_close(g);
}

static void test_attaches_to_an_interface_and_leaves_it(void **state)
{
	struct bpf_guard *g = opened();
	char err[256];

	need_own_network();
	if (bpf_guard_attach(g, "lo", err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(bpf_guard_attach(g, "lo", err, sizeof(err)), -EEXIST);
	assert_true(bpf_guard_attach(g, "nothing", err, sizeof(err)) < 0);
	assert_non_null(strstr(err, "nothing"));
	bpf_guard_detach(g, "lo");
	assert_int_equal(bpf_guard_attach(g, "lo", err, sizeof(err)), 0);
	bpf_guard_close(g);
}

/* A connection from that address of the loopback: whether it comes about before it is denied. */
static bool connects(struct bpf_guard *g, const char *from, const struct sockaddr_in *to)
{
	uint64_t denied = counted(g, GUARD_DENIED);
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	bool ok;

	inet_pton(AF_INET, from, &a.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ok = !connect(fd, (const struct sockaddr *)to, sizeof(*to));
	while (!ok && counted(g, GUARD_DENIED) == denied)
		ok = poll(&p, 1, 10) == 1;
	close(fd);
	return ok;
}

static void test_on_an_interface_the_denied_cannot_connect(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct bpf_guard_rules rules = {0};
	struct bpf_guard *g = opened();
	socklen_t n = sizeof(a);
	char err[256];
	int listener;

	need_own_network();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	assert_int_equal(bpf_guard_set(g, &rules), 0);
	list(g, "127.0.1.0", 24, GUARD_DENY);
	assert_int_equal(bpf_guard_attach(g, "lo", err, sizeof(err)), 0);
	assert_true(connects(g, "127.0.0.1", &a));
	assert_false(connects(g, "127.0.1.1", &a));
	assert_true(counted(g, GUARD_DENIED) > 0);
	bpf_guard_detach(g, "lo");
	assert_true(connects(g, "127.0.1.1", &a));
	close(listener);
	bpf_guard_close(g);
}

static void test_bad_rules_are_refused(void **state)
{
	struct bpf_guard_rules rules = {.ports_n = GUARD_PORTS + 1};
	struct bpf_guard *g = opened();
	uint8_t addr[16] = {0};

	assert_int_equal(bpf_guard_set(g, &rules), -EINVAL);
	assert_int_equal(bpf_guard_list(g, AF_INET, addr, 33, GUARD_DENY), -EINVAL);
	assert_int_equal(bpf_guard_list(g, AF_INET6, addr, 129, GUARD_DENY), -EINVAL);
	assert_int_equal(bpf_guard_list(g, AF_UNIX, addr, 8, GUARD_DENY), -EINVAL);
	bpf_guard_close(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_rules_everything_passes),
		cmocka_unit_test(test_the_longest_prefix_decides),
		cmocka_unit_test(test_lists_of_ipv6),
		cmocka_unit_test(test_only_listed_addresses_where_that_is_wanted),
		cmocka_unit_test(test_new_connections_are_bounded_by_prefix),
		cmocka_unit_test(test_prefixes_of_ipv6_are_56_bits),
		cmocka_unit_test(test_open_connections_are_not_rate_limited),
		cmocka_unit_test(test_other_ports_and_protocols_are_left_alone),
		cmocka_unit_test(test_headers_in_between_do_not_hide_a_source),
		cmocka_unit_test(test_what_cannot_be_read_is_left_to_the_kernel),
		cmocka_unit_test(test_attaches_to_an_interface_and_leaves_it),
		cmocka_unit_test(test_on_an_interface_the_denied_cannot_connect),
		cmocka_unit_test(test_bad_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
