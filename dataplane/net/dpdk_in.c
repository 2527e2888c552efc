/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dpdk.h"

#define GOOD   (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)
#define ROUNDS 4u /* bursts in one turn */

static void hand(struct dpdk *n, struct rte_mbuf *m, unsigned core)
{
	if (rte_ring_enqueue(n->host->handed[core], m)) {
		rte_pktmbuf_free(m);
		dpdk_count(n, CTR_PACKETS_LOST, 1);
	}
}

static void hand_to_all(struct dpdk *n, struct rte_mbuf *m)
{
	for (unsigned i = 0; i < n->host->cores; i++) {
		struct rte_mbuf *copy;

		if (i == n->queue)
			continue;
		copy = rte_pktmbuf_copy(m, n->host->in_pool, 0, UINT32_MAX);
		if (copy)
			hand(n, copy, i);
	}
}

/* What is for others: core 0 has the exception device. */
static void pass(struct dpdk *n, struct rte_mbuf *m)
{
	if (!n->host->has_exception)
		rte_pktmbuf_free(m);
	else if (n->queue)
		hand(n, m, 0);
	else if (!rte_eth_tx_burst(n->host->exception, 0, &m, 1))
		rte_pktmbuf_free(m);
}

static void take_tcp(struct dpdk *n, struct rte_mbuf *m, const struct link_packet *p, bool handed)
{
	const struct dpdk_host *h = n->host;
	bool checked = (m->ol_flags & GOOD) == GOOD;
	unsigned core = n->queue;

	if (!h->steered && !handed)
		core = dpdk_core_of_packet(h, p->p, p->n);
	if (core != n->queue) {
		hand(n, m, core);
		return;
	}
	tcp_input(n->tcp, p->p, p->n, checked, n->now_us);
	rte_pktmbuf_free(m);
}

static void take(struct dpdk *n, struct rte_mbuf *m, bool handed)
{
	struct link_packet p;

	if (m->nb_segs > 1 && rte_pktmbuf_linearize(m)) {
		rte_pktmbuf_free(m);
		return;
	}
	switch (link_input(&n->link, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, !handed,
			   dpdk_ms(n), &p)) {
	case LINK_TCP:
		take_tcp(n, m, &p, handed);
		return;
	case LINK_ERROR:
		tcp_icmp(n->tcp, p.p, p.n, p.mtu, p.hard, n->now_us);
		if (!handed)
			hand_to_all(n, m);
		break;
	case LINK_ALL:
		if (!handed)
			hand_to_all(n, m);
		if (n->queue)
			break;
		pass(n, m);
		return;
	case LINK_FOREIGN:
		pass(n, m);
		return;
	case LINK_DROP:
		break;
	}
	rte_pktmbuf_free(m);
}

static void take_burst(struct dpdk *n, struct rte_mbuf **m, unsigned count, bool handed)
{
	for (unsigned i = 0; i < count; i++) {
		if (i + 2 < count)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + 2], void *));
		take(n, m[i], handed);
	}
}

/* What the kernel's programs send. */
static unsigned from_exception(struct dpdk *n)
{
	struct rte_mbuf *m[DPDK_BURST];
	uint16_t got = rte_eth_rx_burst(n->host->exception, 0, m, DPDK_BURST);

	for (unsigned i = 0; i < got; i++)
		dpdk_out_mbuf(n, m[i]);
	return got;
}

bool dpdk_in_look(struct dpdk *n)
{
	const struct dpdk_host *h = n->host;

	if (!n->in_n)
		n->in_n = rte_eth_rx_burst(h->port, (uint16_t)n->queue, n->in, DPDK_BURST);
	return n->in_n || !rte_ring_empty(h->handed[n->queue]);
}

unsigned dpdk_in(struct dpdk *n)
{
	const struct dpdk_host *h = n->host;
	unsigned total = 0;

	for (unsigned round = 0; round < ROUNDS && dpdk_in_look(n); round++) {
		struct rte_mbuf *handed[DPDK_BURST];
		unsigned got = rte_ring_dequeue_burst(h->handed[n->queue], (void **)handed,
						      DPDK_BURST, NULL);

		dpdk_count(n, CTR_PACKETS_IN, n->in_n);
		take_burst(n, n->in, n->in_n, false);
		take_burst(n, handed, got, true);
		total += n->in_n + got;
		n->in_n = 0;
	}
	if (h->has_exception && !n->queue)
		total += from_exception(n);
	return total;
}
