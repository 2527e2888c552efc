/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dpdk.h"

#include <errno.h>
#include <pthread.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memzone.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"

#define ARGS_MAX	64u
#define LOG_WARNINGS	"--log-level=5"
#define CHUNKS_SHARE	4u /* of dpdk.memory is for private bytes */
#define HANDED		1024u
#define CACHE		256u
#define XDP_FILL	2048u
#define HEAD_ROOM_BYTES 2048u
#define LOG_MBUFS	8192u
#define LINK_WAIT_US	3000000u

static struct dpdk_host host;

const struct dpdk_host *dpdk_host(void)
{
	return &host;
}

__attribute__((format(printf, 3, 4))) static int fail(char *err, size_t n, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, n, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* ---- DPDK's environment ---- */

struct args {
	char *v[ARGS_MAX + 1];
	unsigned n;
};

__attribute__((format(printf, 2, 3))) static void arg(struct args *a, const char *fmt, ...)
{
	va_list args;

	if (a->n == ARGS_MAX)
		return;
	va_start(args, fmt);
	if (vasprintf(&a->v[a->n], fmt, args) >= 0)
		a->n++;
	va_end(args);
}

static bool is_pci(const char *device)
{
	unsigned domain, bus, slot, function;

	return sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4 ||
	       sscanf(device, "%x:%x.%x", &bus, &slot, &function) == 3;
}

static void arg_device(struct args *a, const char *device)
{
	arg(a, is_pci(device) ? "--allow=%s" : "--vdev=%s", device);
}

static void args_fill(struct args *a, const struct net_bypass_options *o)
{
	char copy[1024], *rest = NULL;

	arg(a, "millrace-dp");
	/* No files anywhere: whatever ends us, its memory is free, and others run beside us. */
	arg(a, o->huge_pages ? "--in-memory" : "--no-shconf");
	arg(a, "--no-telemetry");
	arg(a, LOG_WARNINGS);
	arg(a, "--lcores=%u@%d", RTE_MAX_LCORE - 1, max_of(sched_getcpu(), 0));
	if (!is_pci(o->device) && !is_pci(o->exception)) {
		arg(a, "--no-pci");
		arg(a, "--iova-mode=va"); /* nobody reads memory by its physical address */
	}
	if (!o->huge_pages) {
		arg(a, "--no-huge");
		arg(a, "-m");
		arg(a, "%llu", (unsigned long long)(o->memory_bytes * o->cores >> 20));
	}
	arg_device(a, o->device);
	if (*o->exception)
		arg_device(a, o->exception);
	snprintf(copy, sizeof(copy), "%s", o->eal);
	for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
		arg(a, "%s", one);
}

/* DPDK pins the thread that starts it, and leaves helpers where it finds itself. */
static int environment(const struct net_bypass_options *o, char *err, size_t n)
{
	struct args a = {0};
	cpu_set_t cpus;
	int r;

	args_fill(&a, o);
	pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	r = rte_eal_init((int)a.n, a.v);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	/* It keeps pointers into the arguments. */
	if (r < 0)
		return fail(err, n,
			    "dpdk: its environment cannot start: %s; the lines above say more%s",
			    rte_strerror(rte_errno),
			    o->huge_pages ? ", and without reserved huge pages (sysctl "
					    "vm.nr_hugepages) dpdk.huge_pages must be false"
					  : "");
	return 0;
}

/* ---- memory ---- */

static struct rte_mempool *pool(const char *kind, unsigned core, unsigned n, unsigned room)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%u", kind, core);
	return rte_pktmbuf_pool_create(name, n, CACHE, 0, (uint16_t)room, SOCKET_ID_ANY);
}

/* Mbufs whose buffer is only ever somebody else's: freeing one touches no buffer and counts nothing. */
static struct rte_mempool *log_pool(unsigned core)
{
	const unsigned room = RTE_PKTMBUF_HEADROOM;
	struct rte_pktmbuf_extmem ext = {.buf_len = (size_t)LOG_MBUFS * room, .elt_size = room};
	const struct rte_memzone *z;
	char name[32];

	snprintf(name, sizeof(name), "unused-%u", core);
	z = rte_memzone_reserve(name, ext.buf_len, SOCKET_ID_ANY, RTE_MEMZONE_IOVA_CONTIG);
	if (!z)
		return NULL;
	ext.buf_ptr = z->addr;
	ext.buf_iova = z->iova;
	snprintf(name, sizeof(name), "log-%u", core);
	return rte_pktmbuf_pool_create_extbuf(name, LOG_MBUFS, CACHE, 0, (uint16_t)room,
					      SOCKET_ID_ANY, &ext, 1);
}

static const struct rte_memzone *chunks(unsigned core)
{
	char name[32];

	snprintf(name, sizeof(name), "chunks-%u", core);
	/* So aligned no chunk lies in two pages. */
	return rte_memzone_reserve_aligned(name, (size_t)host.chunks * DPDK_CHUNK_BYTES,
					   SOCKET_ID_ANY, 0, DPDK_CHUNK_BYTES);
}

static int memory(const struct net_bypass_options *o, char *err, size_t n)
{
	unsigned room = RTE_PKTMBUF_HEADROOM + max_of(o->mtu + 64, HEAD_ROOM_BYTES);
	/* net_af_xdp fills a ring of its own before the queue. */
	unsigned in = host.cores * (host.queue_frames + XDP_FILL + CACHE + HANDED / 2);
	bool ok;

	host.chunks = (uint32_t)(o->memory_bytes / CHUNKS_SHARE / DPDK_CHUNK_BYTES);
	host.in_pool = pool("in", 0, in, room);
	ok = host.in_pool;
	for (unsigned i = 0; ok && i < host.cores; i++) {
		char name[32];

		snprintf(name, sizeof(name), "handed-%u", i);
		host.handed[i] = rte_ring_create(name, HANDED, SOCKET_ID_ANY, RING_F_SC_DEQ);
		host.head_pool[i] = pool("head", i, host.queue_frames + DPDK_OUT + 2 * CACHE, room);
		host.chunk_zone[i] = chunks(i);
		if (host.chains)
			host.log_pool[i] = log_pool(i);
		ok = host.handed[i] && host.head_pool[i] && host.chunk_zone[i] &&
		     (host.log_pool[i] || !host.chains);
	}
	return ok ? 0
		  : fail(err, n, "dpdk.memory: not enough for %u frames in a queue (%s)",
			 host.queue_frames, rte_strerror(rte_errno));
}

/* A page's physical address each, for devices without an IOMMU. */
static int pages_learn(size_t page, char *err, size_t n)
{
	size_t pages = host.shared.n / page;

	host.shared_iova = calloc(pages, sizeof(*host.shared_iova));
	host.shared_page_bits = (unsigned)__builtin_ctzll(page);
	for (size_t i = 0; host.shared_iova && i < pages; i++) {
		volatile uint8_t *p = (volatile uint8_t *)(uintptr_t)host.shared.p + i * page;

		*p = 0; /* nothing is there yet; now a page is, for good */
		host.shared_iova[i] = rte_mem_virt2iova((const void *)(uintptr_t)p);
		if (host.shared_iova[i] == RTE_BAD_IOVA)
			return fail(err, n, "memory.arena: its physical addresses are not known");
	}
	return host.shared_iova ? 0 : fail(err, n, "memory.arena: no memory");
}

/* Shows the logs' memory to a device that reads it by itself. */
static int share(const struct net_bypass_options *o, char *err, size_t n)
{
	const size_t page = o->huge_pages ? (size_t)2 << 20 : (size_t)sysconf(_SC_PAGESIZE);
	struct rte_eth_dev_info info;
	void *p = (void *)(uintptr_t)host.shared.p;

	if (!is_pci(o->device) || rte_eth_dev_info_get(host.port, &info))
		return 0;
	if (host.shared.n % ((size_t)2 << 20) || (uintptr_t)p % ((size_t)2 << 20))
		return fail(err, n,
			    "memory.pages must be huge, and memory.arena a multiple of 2m, for %s",
			    o->device);
	if (rte_eal_iova_mode() == RTE_IOVA_PA && pages_learn((size_t)2 << 20, err, n))
		return -EINVAL;
	if (rte_extmem_register(p, host.shared.n, host.shared_iova,
				host.shared_iova ? (unsigned)(host.shared.n / page) : 0, page) ||
	    (rte_dev_dma_map(info.device, p,
			     host.shared_iova ? host.shared_iova[0] : (uint64_t)(uintptr_t)p,
			     host.shared.n) &&
	     rte_errno != ENOTSUP))
		return fail(err, n, "dpdk.device: %s cannot reach memory.arena: %s", o->device,
			    rte_strerror(rte_errno));
	return 0;
}

/* ---- the device ---- */

#define SUMS   (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define SPREAD (RTE_ETH_RSS_IP | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

static void choose(struct rte_eth_conf *c, const struct rte_eth_dev_info *info,
		   const struct net_bypass_options *o)
{
	uint64_t out = info->tx_offload_capa;

	/* Whoever is behind virtio-user sees DPDK's memory, not the logs': they are copied. */
	host.chains = out & RTE_ETH_TX_OFFLOAD_MULTI_SEGS &&
		      strcmp(info->driver_name, "net_virtio_user") != 0;
	if (host.chains)
		c->txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	/* The IP header's is little work, and virtio and vmxnet3 leave it to us. */
	if (o->offloads && out & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) {
		host.tcp_sums = true;
		host.ip_sums = out & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
		c->txmode.offloads |= out & SUMS;
		host.tso = host.chains && out & RTE_ETH_TX_OFFLOAD_TCP_TSO;
		if (host.tso)
			c->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	}
	if (o->offloads)
		c->rxmode.offloads = info->rx_offload_capa &
				     (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
	if (host.cores > 1 && info->flow_type_rss_offloads & SPREAD && info->reta_size &&
	    info->reta_size <= DPDK_RETA && info->hash_key_size >= DPDK_RSS_KEY_BYTES) {
		c->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		c->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & SPREAD;
	}
}

/* The key as long as the device has it: the first 40 bytes are what reaches an IPv6 4-tuple. */
static void key_set(struct rte_eth_conf *c, const struct rte_eth_dev_info *info)
{
	static uint8_t key[256];

	if (c->rxmode.mq_mode != RTE_ETH_MQ_RX_RSS)
		return;
	for (unsigned i = 0; i < info->hash_key_size; i++)
		key[i] = dpdk_rss_key[i % DPDK_RSS_KEY_BYTES];
	c->rx_adv_conf.rss_conf.rss_key = key;
	c->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
}

/* What the device does with the hash; without knowing that, packets are spread by us. */
static void table_read(const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 reta[DPDK_RETA / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (unsigned i = 0; i < array_len(reta); i++)
		reta[i].mask = UINT64_MAX;
	if (rte_eth_dev_rss_reta_query(host.port, reta, info->reta_size))
		return;
	host.reta_n = info->reta_size;
	for (unsigned i = 0; i < host.reta_n; i++)
		host.reta[i] = reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
	host.steered = true;
}

static int queues(const struct rte_eth_dev_info *info, const struct rte_eth_conf *c)
{
	struct rte_eth_rxconf rx = info->default_rxconf;
	struct rte_eth_txconf tx = info->default_txconf;
	uint16_t in = (uint16_t)host.queue_frames, out = in;
	int socket = rte_eth_dev_socket_id(host.port), r;

	rx.offloads = c->rxmode.offloads;
	tx.offloads = c->txmode.offloads;
	r = rte_eth_dev_adjust_nb_rx_tx_desc(host.port, &in, &out);
	for (unsigned i = 0; !r && i < host.cores; i++) {
		r = rte_eth_rx_queue_setup(host.port, (uint16_t)i, in, (unsigned)socket, &rx,
					   host.in_pool);
		if (!r)
			r = rte_eth_tx_queue_setup(host.port, (uint16_t)i, out, (unsigned)socket,
						   &tx);
	}
	return r;
}

static int device_start(const struct net_bypass_options *o, char *err, size_t n)
{
	struct rte_eth_conf c = {.rxmode.mtu = o->mtu};
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int r;

	if (rte_eth_dev_info_get(host.port, &info) || rte_eth_macaddr_get(host.port, &mac))
		return fail(err, n, "dpdk.device: %s says nothing about itself", o->device);
	if (info.max_rx_queues < host.cores || info.max_tx_queues < host.cores)
		return fail(err, n,
			    "dpdk.device: %s has %u receive and %u transmit queues, too few for "
			    "%u cores; see its arguments, or set cores",
			    o->device, info.max_rx_queues, info.max_tx_queues, host.cores);
	memcpy(host.link.mac, mac.addr_bytes, sizeof(host.link.mac));
	choose(&c, &info, o);
	key_set(&c, &info);
	r = rte_eth_dev_configure(host.port, (uint16_t)host.cores, (uint16_t)host.cores, &c);
	if (r)
		return fail(err, n, "dpdk.device: %s: %s", o->device, rte_strerror(-r));
	if (memory(o, err, n))
		return -EINVAL;
	r = queues(&info, &c);
	if (!r)
		r = rte_eth_dev_start(host.port);
	if (r)
		return fail(err, n, "dpdk.device: %s cannot start: %s", o->device,
			    rte_strerror(-r));
	/* For the groups of Neighbour Discovery; a device that hears everything refuses. */
	rte_eth_allmulticast_enable(host.port);
	if (c.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS)
		table_read(&info);
	return 0;
}

/* The kernel's side has our link address, so that neighbours know one host. */
static int exception_start(const struct net_bypass_options *o, char *err, size_t n)
{
	struct rte_ether_addr mac;
	struct rte_eth_conf c = {0};
	uint16_t port;
	int r;

	if (!*o->exception)
		return 0;
	RTE_ETH_FOREACH_DEV(port)
	if (port != host.port)
		break;
	if (port >= RTE_MAX_ETHPORTS)
		return fail(err, n, "dpdk.exception: %s is no device", o->exception);
	host.exception = port;
	rte_eth_macaddr_get(host.port, &mac);
	rte_eth_dev_default_mac_addr_set(port, &mac);
	r = rte_eth_dev_configure(port, 1, 1, &c);
	if (!r)
		r = rte_eth_rx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL, host.in_pool);
	if (!r)
		r = rte_eth_tx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL);
	if (!r)
		r = rte_eth_dev_start(port);
	if (r)
		return fail(err, n, "dpdk.exception: %s: %s", o->exception, rte_strerror(-r));
	host.has_exception = true;
	return 0;
}

void dpdk_link_look(void)
{
	struct rte_eth_link l;
	bool up = !rte_eth_link_get_nowait(host.port, &l) && l.link_status == RTE_ETH_LINK_UP;

	if (up == atomic_load(&host.link_up))
		return;
	atomic_store(&host.link_up, up);
	log_info("link", "state=%s speed_mbps=%u", up ? "up" : "down", up ? l.link_speed : 0);
}

/* ---- the door ---- */

static int start(const struct net_bypass_options *o, char *err, size_t n)
{
	int r = link_conf_parse(&host.link, o->addresses, o->gateways, o->routes, o->neighbours,
				err, n);

	if (r)
		return r;
	if (!*o->device)
		return fail(err, n, "dpdk.device: must name one");
	if (o->cores > DPDK_CORES)
		return fail(err, n, "cores: at most %u with net.backend dpdk", DPDK_CORES);
	host.link.vlan = (uint16_t)o->vlan;
	host.cores = o->cores;
	host.mtu = o->mtu;
	host.queue_frames = o->queue_frames;
	host.conns_max = o->conns_max;
	host.idle_us = o->idle_us;
	host.rack = o->rack;
	host.shared = o->shared;
	if (getrandom(host.tcp_key, sizeof(host.tcp_key), 0) != sizeof(host.tcp_key))
		return fail(err, n, "dpdk: no random numbers");
	r = environment(o, err, n);
	if (r)
		return r;
	host.port = (uint16_t)rte_eth_find_next(0);
	if (host.port >= RTE_MAX_ETHPORTS)
		return fail(err, n, "dpdk.device: %s: no such device, or its driver is missing",
			    o->device);
	r = device_start(o, err, n);
	if (!r)
		r = share(o, err, n);
	if (!r)
		r = exception_start(o, err, n);
	if (r)
		return r;
	dpdk_link_look();
	log_info("dpdk",
		 "device=%s mac=%02x:%02x:%02x:%02x:%02x:%02x queues=%u checksums=%s tso=%s "
		 "chains=%s steering=%s iova=%s",
		 o->device, host.link.mac[0], host.link.mac[1], host.link.mac[2], host.link.mac[3],
		 host.link.mac[4], host.link.mac[5], host.cores, host.tcp_sums ? "device" : "own",
		 host.tso ? "device" : "none", host.chains ? "yes" : "no",
		 host.steered ? "device" : "own", rte_eal_iova_mode() == RTE_IOVA_VA ? "va" : "pa");
	return 0;
}

static void stop(void)
{
	if (host.has_exception) {
		rte_eth_dev_stop(host.exception);
		rte_eth_dev_close(host.exception);
	}
	rte_eth_dev_stop(host.port);
	rte_eth_dev_close(host.port);
	free(host.shared_iova);
	rte_eal_cleanup();
}

static enum net_place place(const union net_addr *a)
{
	static const struct ip any6, any4 = {{[10] = 0xff, [11] = 0xff}};
	const struct ip ip = net_addr_ip(a);

	if (link_is_local(&host.link, &ip))
		return NET_BYPASS;
	return !memcmp(&ip, &any6, sizeof(ip)) || !memcmp(&ip, &any4, sizeof(ip)) ? NET_BOTH
										  : NET_KERNEL;
}

__attribute__((visibility("default"))) const struct net_bypass net_bypass_door = {
	.size = sizeof(struct net_bypass),
	.conn_size = sizeof(struct net_conn),
	.backend = &net_dpdk,
	.start = start,
	.stop = stop,
	.place = place,
};
