/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/link_frame.h"

/* A wire: the frames that a link sent, the last one kept. */
struct wire {
	unsigned frames;
	uint8_t frame[LINK_FRAME_MAX];
	size_t n;
};

struct host {
	struct link_conf conf;
	struct wire wire;
	struct link link;
};

static const uint8_t our_mac[] = {2, 0, 0, 0, 0, 0xaa}, peer_mac[] = {2, 0, 0, 0, 0, 0xbb},
		     other_mac[] = {2, 0, 0, 0, 0, 0xcc};

static void sent(void *owner, const uint8_t *frame, size_t n)
{
	struct wire *w = owner;

	assert_true(n <= sizeof(w->frame));
	memcpy(w->frame, frame, n);
	w->n = n;
	w->frames++;
}

static struct ip ip(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(&a, text, strlen(text)), 0);
	return a;
}

static struct host *host_new(const char *addresses, const uint8_t *mac, const char *gateways)
{
	struct host *h = calloc(1, sizeof(*h));
	char err[200] = "";

	assert_int_equal(link_conf_parse(&h->conf, addresses, gateways, "", "", err, sizeof(err)),
			 0);
	memcpy(h->conf.mac, mac, sizeof(h->conf.mac));
	link_init(&h->link, &h->conf, sent, &h->wire);
	return h;
}

/* What a sent last goes to b. */
static enum link_verdict carry(struct host *a, struct host *b, uint32_t now_ms)
{
	struct link_packet p;

	return link_input(&b->link, a->wire.frame, a->wire.n, true, now_ms, &p);
}

static int parsed(const char *addresses, const char *gateways, const char *routes,
		  const char *neighbours, char err[200])
{
	struct link_conf c;

	err[0] = '\0';
	return link_conf_parse(&c, addresses, gateways, routes, neighbours, err, 200);
}

static void test_configuration_names_what_is_wrong(void **state)
{
	char err[200];

	assert_int_equal(parsed("10.0.0.2/24 fd00::2/64", "10.0.0.1 fd00::1",
				"10.9.0.0/16=10.0.0.7", "10.0.0.1=02:00:00:00:00:01", err),
			 0);
	assert_int_not_equal(parsed("", "", "", "", err), 0);
	assert_non_null(strstr(err, "dpdk.addresses"));
	assert_int_not_equal(parsed("10.0.0.2", "", "", "", err), 0);
	assert_non_null(strstr(err, "10.0.0.2: must be an address with the length"));
	assert_int_not_equal(parsed("10.0.0.2/24", "10.1.0.1", "", "", err), 0);
	assert_non_null(strstr(err, "dpdk.gateways: 10.1.0.1: is not on a network"));
	assert_int_not_equal(parsed("10.0.0.2/24", "10.0.0.2", "", "", err), 0);
	assert_non_null(strstr(err, "own address"));
	assert_int_not_equal(parsed("10.0.0.2/24", "10.0.0.1 10.0.0.3", "", "", err), 0);
	assert_non_null(strstr(err, "second"));
	assert_int_not_equal(parsed("10.0.0.2/24", "", "10.1.0.0/16", "", err), 0);
	assert_non_null(strstr(err, "dpdk.routes"));
	assert_int_not_equal(parsed("10.0.0.2/24", "", "", "10.0.0.1=02:00", err), 0);
	assert_non_null(strstr(err, "dpdk.neighbours"));
	assert_int_not_equal(parsed("10.0.0.2/24", "", "", "10.0.0.1=01:00:5e:00:00:01", err), 0);
}

static void test_longest_route_wins(void **state)
{
	struct link_conf c;
	char err[200];
	struct ip via, to = ip("10.9.1.1"), far = ip("198.51.100.1"), near = ip("10.0.0.77");
	const struct ip gateway = ip("10.0.0.1"), router = ip("10.0.0.7");

	assert_int_equal(link_conf_parse(&c, "10.0.0.2/24", "10.0.0.1", "10.9.0.0/16=10.0.0.7", "",
					 err, sizeof(err)),
			 0);
	assert_true(link_next_hop(&c, &near, &via));
	assert_memory_equal(&via, &near, sizeof(via));
	assert_true(link_next_hop(&c, &to, &via));
	assert_memory_equal(&via, &router, sizeof(via));
	assert_true(link_next_hop(&c, &far, &via));
	assert_memory_equal(&via, &gateway, sizeof(via));
	assert_null(link_source(&c, &(struct ip){{0x20, 1}}));
}

static void neighbours_find_each_other(const char *a_text, const char *b_text, const char *b_ip)
{
	struct host *a = host_new(a_text, our_mac, ""), *b = host_new(b_text, peer_mac, "");
	const struct ip to = ip(b_ip);
	const uint8_t *mac;

	assert_null(link_lookup(&a->link, &to, 0));
	assert_int_equal(a->wire.frames, 1);
	/* Not asked again at once. */
	assert_null(link_lookup(&a->link, &to, 10));
	assert_int_equal(a->wire.frames, 1);
	assert_int_equal(carry(a, b, 10), LINK_ALL);
	assert_int_equal(b->wire.frames, 1);
	assert_int_equal(carry(b, a, 10), LINK_ALL);
	mac = link_lookup(&a->link, &to, 20);
	assert_non_null(mac);
	assert_memory_equal(mac, peer_mac, sizeof(peer_mac));
	free(a);
	free(b);
}

static void test_neighbour_is_asked_for_and_learned_arp(void **state)
{
	neighbours_find_each_other("10.0.0.2/24", "10.0.0.3/24", "10.0.0.3");
}

static void test_neighbour_is_asked_for_and_learned_nd(void **state)
{
	neighbours_find_each_other("fd00::2/64", "fd00::3/64", "fd00::3");
}

static void test_the_one_who_asks_is_known_to_the_other(void **state)
{
	struct host *a = host_new("10.0.0.2/24", our_mac, ""), *b;
	const struct ip b_ip = ip("10.0.0.3"), a_ip = ip("10.0.0.2");

	b = host_new("10.0.0.3/24", peer_mac, "");
	link_lookup(&a->link, &b_ip, 0);
	carry(a, b, 0);
	assert_memory_equal(link_lookup(&b->link, &a_ip, 0), our_mac, sizeof(our_mac));
	assert_int_equal(b->wire.frames, 1); /* the answer, no question */
	free(a);
	free(b);
}

static void test_old_neighbour_is_kept_while_it_is_asked_again(void **state)
{
	struct host *a = host_new("10.0.0.2/24", our_mac, ""),
		    *b = host_new("10.0.0.3/24", peer_mac, "");
	const struct ip to = ip("10.0.0.3");
	uint32_t now = 0;

	link_lookup(&a->link, &to, now);
	carry(a, b, now);
	carry(b, a, now);
	now += LINK_FRESH_MS;
	assert_non_null(link_lookup(&a->link, &to, now));
	assert_int_equal(a->wire.frames, 2);
	/* Alone first. */
	assert_memory_equal(a->wire.frame, peer_mac, sizeof(peer_mac));
	for (unsigned i = 1; i < 2 * LINK_TRIES; i++) {
		now += LINK_TRY_MS;
		assert_non_null(link_lookup(&a->link, &to, now));
	}
	/* Then everybody; nobody says anything. */
	assert_int_equal(a->wire.frame[0], 0xff);
	now += LINK_TRY_MS;
	assert_null(link_lookup(&a->link, &to, now));
	free(a);
	free(b);
}

/* A TCP packet from b's address, sent by whoever has that link address. */
static size_t tcp_frame(uint8_t *p, const uint8_t *from)
{
	memset(p, 0, 64);
	memcpy(p, our_mac, 6);
	memcpy(p + 6, from, 6);
	put_be16(p + 12, 0x0800);
	p[14] = 0x45;
	put_be16(p + 16, 40);
	p[22] = 64;
	p[23] = 6;
	memcpy(p + 26, (uint8_t[]){10, 0, 0, 3}, 4);
	memcpy(p + 30, (uint8_t[]){10, 0, 0, 2}, 4);
	return 64;
}

static void test_changed_neighbour_is_doubted_but_only_an_answer_counts(void **state)
{
	struct host *a = host_new("10.0.0.2/24", our_mac, ""),
		    *b = host_new("10.0.0.3/24", peer_mac, "");
	const struct ip to = ip("10.0.0.3");
	struct link_packet p;
	uint8_t frame[64];

	link_lookup(&a->link, &to, 0);
	carry(a, b, 0);
	carry(b, a, 0);
	assert_int_equal(link_input(&a->link, frame, tcp_frame(frame, other_mac), true, 2000, &p),
			 LINK_TCP);
	assert_int_equal(p.n, 40); /* without padding */
	assert_int_equal(a->wire.frames, 2);
	assert_memory_equal(link_lookup(&a->link, &to, 2000), peer_mac, 6);
	memcpy(b->conf.mac, other_mac, 6);
	carry(a, b, 2000);
	carry(b, a, 2000);
	assert_memory_equal(link_lookup(&a->link, &to, 2000), other_mac, 6);
	free(a);
	free(b);
}

static void test_who_is_asked_is_asked_again_without_being_needed(void **state)
{
	struct host *a = host_new("10.0.0.2/24", our_mac, "");
	const struct ip to = ip("10.0.0.3");
	uint32_t now = 0;

	link_lookup(&a->link, &to, now);
	for (unsigned i = 0; i < 100; i++, now += LINK_TRY_MS / 2)
		link_poll(&a->link, now);
	/* But not for ever. */
	assert_int_equal(a->wire.frames, 2 * LINK_TRIES + 1);
	link_lookup(&a->link, &to, now);
	assert_int_equal(a->wire.frames, 2 * LINK_TRIES + 2);
	free(a);
}

static void test_fixed_neighbour_stays(void **state)
{
	struct host *a = host_new("10.0.0.2/24", our_mac, ""),
		    *b = host_new("10.0.0.3/24", peer_mac, "");
	const struct ip to = ip("10.0.0.3"), a_ip = ip("10.0.0.2");
	char err[200];

	assert_int_equal(link_conf_parse(&a->conf, "10.0.0.2/24", "", "",
					 "10.0.0.3=02:00:00:00:00:cc", err, sizeof(err)),
			 0);
	link_init(&a->link, &a->conf, sent, &a->wire);
	link_lookup(&b->link, &a_ip, 0);
	carry(b, a, 0);
	assert_memory_equal(link_lookup(&a->link, &to, 1u << 30), other_mac, 6);
	free(a);
	free(b);
}

static void test_strangers_do_not_fill_the_table(void **state)
{
	struct host *a = host_new("10.0.0.2/8", our_mac, ""),
		    *b = host_new("10.0.0.3/8", peer_mac, "");
	const struct ip to = ip("10.0.0.3");

	link_lookup(&a->link, &to, 0);
	carry(a, b, 0);
	carry(b, a, 0);
	for (uint32_t i = 0; i < 20 * LINK_NEIGHBOURS; i++) {
		struct ip who = to;

		put_be32(who.b + 12, 0x0a010000 + i);
		link_lookup(&a->link, &who, i);
	}
	assert_non_null(link_lookup(&a->link, &to, 1));
	free(a);
	free(b);
}

static void echo(const char *text, bool v6)
{
	struct host *a = host_new(text, our_mac, "");
	struct link_frame f;
	struct link_packet p;
	uint8_t frame[LINK_FRAME_MAX];
	unsigned head = link_head(&a->conf, frame, our_mac, v6);
	uint8_t *l3 = frame + head, *l4 = l3 + (v6 ? 40 : 20);
	uint32_t sum = 0;

	memset(l3, 0, 100);
	l3[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		struct ip from = ip("fd00::9");

		put_be16(l3 + 4, 12);
		l3[6] = 58;
		l3[7] = 64;
		memcpy(l3 + 8, from.b, 16);
		memcpy(l3 + 24, a->conf.local[0].b, 16);
		for (unsigned i = 8; i < 40; i += 2)
			sum += get_be16(l3 + i);
		sum += 58 + 12;
	} else {
		put_be16(l3 + 2, 32);
		l3[8] = 64;
		l3[9] = 1;
		memcpy(l3 + 12, (uint8_t[]){10, 0, 0, 9, 10, 0, 0, 2}, 8);
	}
	l4[0] = v6 ? 128 : 8;
	memcpy(l4 + 4, "ping....", 8);
	for (unsigned i = 0; i < 12; i += 2)
		sum += get_be16(l4 + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_be16(l4 + 2, (uint16_t)~sum);
	assert_int_equal(link_input(&a->link, frame, head + (v6 ? 52u : 32u) + 5, true, 0, &p),
			 LINK_DROP);
	assert_int_equal(a->wire.frames, 1);
	memcpy(a->conf.mac, a->wire.frame, 6); /* it came back to who asked */
	assert_true(link_frame_parse(&f, &a->conf, a->wire.frame, a->wire.n));
	assert_true(link_icmp_good(&f));
	assert_int_equal(f.l4[0], v6 ? 129 : 0);
	assert_memory_equal(f.l4 + 4, "ping....", 8);
	/* A wrong checksum is not answered. */
	l4[5] ^= 1;
	link_input(&a->link, frame, head + (v6 ? 52u : 32u), true, 0, &p);
	assert_int_equal(a->wire.frames, 1);
	free(a);
}

static void test_echo_is_answered(void **state)
{
	echo("10.0.0.2/24", false);
	echo("fd00::2/64", true);
}

static void test_what_is_for_others_is_said_to_be(void **state)
{
	struct host *a = host_new("10.0.0.2/24", our_mac, "");
	struct link_packet p;
	uint8_t frame[64];
	size_t n = tcp_frame(frame, peer_mac);

	frame[33] = 99;
	assert_int_equal(link_input(&a->link, frame, n, true, 0, &p), LINK_FOREIGN);
	memcpy(frame, other_mac, 6);
	assert_int_equal(link_input(&a->link, frame, n, true, 0, &p), LINK_DROP);
	free(a);
}

static void test_vlan(void **state)
{
	struct host *a = host_new("10.0.0.2/24", our_mac, ""),
		    *b = host_new("10.0.0.3/24", peer_mac, "");
	const struct ip to = ip("10.0.0.3");

	a->conf.vlan = 100;
	b->conf.vlan = 100;
	link_lookup(&a->link, &to, 0);
	assert_int_equal(get_be16(a->wire.frame + 12), 0x8100);
	assert_int_equal(carry(a, b, 0), LINK_ALL);
	assert_int_equal(carry(b, a, 0), LINK_ALL);
	assert_non_null(link_lookup(&a->link, &to, 0));
	b->conf.vlan = 101;
	assert_int_equal(carry(a, b, 0), LINK_FOREIGN);
	free(a);
	free(b);
}

/* Every frame of every length, and with every byte changed: nobody reads beyond its end. */
static void test_cut_and_broken_frames(void **state)
{
	struct host *a = host_new("10.0.0.2/24 fd00::2/64", our_mac, ""),
		    *b = host_new("10.0.0.3/24 fd00::3/64", peer_mac, "");
	const struct ip to[] = {ip("10.0.0.3"), ip("fd00::3")};
	struct link_packet p;

	for (unsigned k = 0; k < array_len(to); k++) {
		link_lookup(&a->link, &to[k], 0);
		for (size_t n = 0; n <= a->wire.n; n++) {
			uint8_t *exact = malloc(n ? n : 1);

			memcpy(exact, a->wire.frame, n);
			link_input(&b->link, exact, n, true, 0, &p);
			for (size_t i = 12; i < n && n == a->wire.n; i++) {
				exact[i] ^= 0xff;
				link_input(&b->link, exact, n, true, 0, &p);
				exact[i] ^= 0xff;
			}
			free(exact);
		}
	}
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configuration_names_what_is_wrong),
		cmocka_unit_test(test_longest_route_wins),
		cmocka_unit_test(test_neighbour_is_asked_for_and_learned_arp),
		cmocka_unit_test(test_neighbour_is_asked_for_and_learned_nd),
		cmocka_unit_test(test_the_one_who_asks_is_known_to_the_other),
		cmocka_unit_test(test_old_neighbour_is_kept_while_it_is_asked_again),
		cmocka_unit_test(test_changed_neighbour_is_doubted_but_only_an_answer_counts),
		cmocka_unit_test(test_who_is_asked_is_asked_again_without_being_needed),
		cmocka_unit_test(test_fixed_neighbour_stays),
		cmocka_unit_test(test_strangers_do_not_fill_the_table),
		cmocka_unit_test(test_echo_is_answered),
		cmocka_unit_test(test_what_is_for_others_is_said_to_be),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_cut_and_broken_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
