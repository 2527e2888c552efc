/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dpdk.h"

#include "base/bytes.h"

#define SMALL_BYTES 128u /* less than this is copied: cheaper than one more segment */

static void drop(struct dpdk *n, struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
	dpdk_count(n, CTR_PACKETS_LOST, 1);
}

void dpdk_out_mbuf(struct dpdk *n, struct rte_mbuf *m)
{
	struct dpdk_out *o = &n->out;

	if (o->to - o->from == DPDK_OUT) {
		drop(n, m);
		return;
	}
	o->wait[o->to++ % DPDK_OUT] = m;
	if (o->to - o->from == DPDK_BURST)
		dpdk_out_flush(n);
}

void dpdk_out_flush(struct dpdk *n)
{
	struct dpdk_out *o = &n->out;

	while (o->from != o->to) {
		uint32_t at = o->from % DPDK_OUT, most = min_of(o->to - o->from, DPDK_OUT - at);
		uint16_t done = rte_eth_tx_burst(n->host->port, (uint16_t)n->queue, &o->wait[at],
						 (uint16_t)most);

		o->from += done;
		dpdk_count(n, CTR_PACKETS_OUT, done);
		if (done < most)
			return;
	}
}

void dpdk_out_frame(void *owner, const uint8_t *frame, size_t bytes)
{
	struct dpdk *n = owner;
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->host->head_pool[n->queue]);
	char *to = m ? rte_pktmbuf_append(m, (uint16_t)bytes) : NULL;

	if (to) {
		memcpy(to, frame, bytes);
		dpdk_out_mbuf(n, m);
	} else {
		drop(n, m);
	}
}

/* ---- packets of the TCP ---- */

/*
 * Where the device finds p, and of *run bytes those that lie there together. Not rte_mem_virt2iova(): it
 * asks the kernel each time, which tells root only.
 */
static rte_iova_t iova_of(const struct dpdk *n, const uint8_t *p, uint32_t *run)
{
	const struct dpdk_host *h = n->host;
	const struct rte_memzone *z = h->chunk_zone[n->queue];
	size_t off = (size_t)(p - h->shared.p), left;
	const struct rte_memseg *seg;

	if (!h->shared_iova)
		return (rte_iova_t)(uintptr_t)p;
	if (p >= (uint8_t *)z->addr && p < (uint8_t *)z->addr + z->len) {
		left = DPDK_CHUNK_BYTES - (size_t)(p - (uint8_t *)z->addr) % DPDK_CHUNK_BYTES;
		*run = (uint32_t)min_of((size_t)*run, left);
		seg = rte_mem_virt2memseg(p, NULL);
		return seg->iova + (rte_iova_t)(p - (const uint8_t *)seg->addr);
	}
	left = ((size_t)1 << h->shared_page_bits) -
	       (off & (((size_t)1 << h->shared_page_bits) - 1));
	*run = (uint32_t)min_of((size_t)*run, left);
	return h->shared_iova[off >> h->shared_page_bits] +
	       (off & (((size_t)1 << h->shared_page_bits) - 1));
}

/* A segment that points at the bytes. */
static struct rte_mbuf *log_segment(struct dpdk *n, const uint8_t *p, uint32_t *bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->host->log_pool[n->queue]);

	if (!m)
		return NULL;
	*bytes = min_of(*bytes, 65535u);
	m->buf_iova = iova_of(n, p, bytes);
	m->buf_addr = (void *)(uintptr_t)p;
	m->buf_len = (uint16_t)*bytes;
	m->data_off = 0;
	m->data_len = (uint16_t)*bytes;
	n->flights.posted++;
	return m;
}

/* Appends the slices, in place. False: no memory. */
static bool chain(struct dpdk *n, struct rte_mbuf *head, const struct tcp_packet *p)
{
	struct rte_mbuf *last = head;

	for (unsigned i = 0; i < p->slices; i++) {
		for (uint32_t off = 0; off < p->slice[i].n;) {
			uint32_t bytes = (uint32_t)p->slice[i].n - off;
			struct rte_mbuf *m = log_segment(n, p->slice[i].p + off, &bytes);

			if (!m)
				return false;
			last->next = m;
			last = m;
			head->nb_segs++;
			head->pkt_len += bytes;
			off += bytes;
		}
	}
	return true;
}

static bool copy(struct rte_mbuf *head, const struct tcp_packet *p)
{
	for (unsigned i = 0; i < p->slices; i++) {
		char *to = rte_pktmbuf_append(head, (uint16_t)p->slice[i].n);

		if (!to)
			return false;
		memcpy(to, p->slice[i].p, p->slice[i].n);
	}
	return true;
}

static void offload(const struct dpdk_host *h, struct rte_mbuf *m, const struct tcp_packet *p,
		    unsigned link_bytes, uint8_t *ip)
{
	m->l2_len = link_bytes;
	m->l3_len = p->l3_bytes;
	m->l4_len = (unsigned)(p->hdr_bytes - p->l3_bytes);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (p->v6) {
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	} else {
		m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	}
	if (h->ip_sums && !p->v6) {
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		put_be16(ip + 10, 0);
	}
	if (p->seg_bytes) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->tso_segsz = p->seg_bytes;
	}
}

static struct rte_mbuf *build(struct dpdk *n, const struct tcp_packet *p, const uint8_t *mac)
{
	const struct dpdk_host *h = n->host;
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->head_pool[n->queue]);
	uint8_t *to = m ? rte_pktmbuf_mtod(m, uint8_t *) : NULL;
	unsigned link_bytes;

	if (!m)
		return NULL;
	link_bytes = link_head(&h->link, to, mac, p->v6);
	memcpy(to + link_bytes, p->hdr, p->hdr_bytes);
	m->data_len = (uint16_t)(link_bytes + p->hdr_bytes);
	m->pkt_len = m->data_len;
	if (h->tcp_sums)
		offload(h, m, p, link_bytes, to + link_bytes);
	/* Devices differ in what they expect of a header that they shall finish: their driver knows. */
	if ((p->bytes > SMALL_BYTES && h->chains ? chain(n, m, p) : copy(m, p)) &&
	    (!h->tcp_sums || rte_eth_tx_prepare(h->port, (uint16_t)n->queue, &m, 1)))
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

void dpdk_out_packet(void *owner, const struct tcp_packet *p)
{
	struct dpdk *n = owner;
	struct rte_mbuf *m;
	const uint8_t *mac;
	struct ip dst;

	if (p->v6)
		memcpy(dst.b, p->hdr + 24, 16);
	else
		dst = ip_of_v4(p->hdr + 16);
	mac = link_lookup(&n->link, &dst, dpdk_ms(n));
	m = mac ? build(n, p, mac) : NULL;
	if (m)
		dpdk_out_mbuf(n, m);
	else
		dpdk_count(n, CTR_PACKETS_LOST, 1);
}
