/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/check.h"
#include "bpf/loader.h"
#include "lookup.skel.h"

struct bpf_lookup {
	struct lookup_bpf *skel;
	struct bpf_link *link;
};

static int load(struct bpf_lookup *l)
{
	int ns, rc;

	l->skel = lookup_bpf__open_and_load();
	if (!l->skel)
		return -errno;
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return -errno;
	l->link = bpf_program__attach_netns(l->skel->progs.lookup, ns);
	rc = l->link ? 0 : -errno;
	close(ns);
	return rc;
}

int bpf_lookup_open(struct bpf_lookup **out, char *err, size_t err_n)
{
	struct bpf_lookup *l = calloc(1, sizeof(*l));
	int rc;

	must(l);
	*out = NULL;
	loader_listen();
	rc = load(l);
	if (rc) {
		bpf_lookup_close(l);
		return loader_fail("lookup", rc, err, err_n);
	}
	*out = l;
	return 0;
}

void bpf_lookup_close(struct bpf_lookup *l)
{
	if (!l)
		return;
	bpf_link__destroy(l->link);
	lookup_bpf__destroy(l->skel);
	free(l);
}

int bpf_lookup_listener(struct bpf_lookup *l, uint32_t slot, int fd)
{
	uint64_t value = (uint64_t)fd;

	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.listeners), &slot, &value, BPF_ANY);
}

bool bpf_lookup_has(const struct bpf_lookup *l, uint32_t slot)
{
	uint64_t cookie;

	return !bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.listeners), &slot, &cookie);
}

/* The map of the family and, in *key, large enough for both, its key; -1: no such address. */
static int find(const struct bpf_lookup *l, int family, const void *addr, unsigned bits,
		uint16_t port, struct lookup_v6 *key)
{
	*key = (struct lookup_v6){.bits = LOOKUP_PORT_BITS + bits, .port = htons(port)};
	if (family == AF_INET && bits <= 32) {
		memcpy(key->addr, addr, 4);
		return bpf_map__fd(l->skel->maps.places_v4);
	}
	if (family == AF_INET6 && bits <= 128) {
		memcpy(key->addr, addr, 16);
		return bpf_map__fd(l->skel->maps.places_v6);
	}
	return -1;
}

int bpf_lookup_add(struct bpf_lookup *l, int family, const void *addr, unsigned bits, uint16_t port,
		   uint32_t slot)
{
	struct lookup_v6 key;
	int map = find(l, family, addr, bits, port, &key);

	if (map < 0 || slot >= LOOKUP_LISTENERS)
		return -EINVAL;
	return bpf_map_update_elem(map, &key, &slot, BPF_ANY);
}

int bpf_lookup_del(struct bpf_lookup *l, int family, const void *addr, unsigned bits, uint16_t port)
{
	struct lookup_v6 key;
	int map = find(l, family, addr, bits, port, &key);

	return map < 0 ? -EINVAL : bpf_map_delete_elem(map, &key);
}
