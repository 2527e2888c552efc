/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces and what their hardware does, for millrace doctor. */
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/cli/doctor.h"

#define LINKS "links"

/* A file of /sys/class/net/NAME as text; "" where it cannot be read. */
static const char *link_file(const char *name, const char *file, char dst[64])
{
	char path[192];
	FILE *f;

	dst[0] = 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, file);
	f = fopen(path, "re");
	if (f && fgets(dst, 64, f))
		dst[strcspn(dst, "\n")] = 0;
	if (f)
		fclose(f);
	return dst;
}

static unsigned receive_queues(const char *name)
{
	char path[128];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", name);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += !strncmp(e->d_name, "rx-", 3);
	if (d)
		closedir(d);
	return n;
}

/* The driver's name, or "" for an interface without hardware. */
static const char *driver(const char *name, char dst[64])
{
	char path[128], target[256];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver", name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	slash = strrchr(target, '/');
	snprintf(dst, 64, "%s", slash ? slash + 1 : "");
	return dst;
}

static bool offload(int sock, const char *name, unsigned command)
{
	struct ethtool_value v = {.cmd = command};
	struct ifreq r = {.ifr_data = (void *)&v};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return !ioctl(sock, SIOCETHTOOL, &r) && v.data;
}

static void offloads(struct findings *f, int sock, const char *name, bool hardware)
{
	static const struct {
		const char *word;
		unsigned command;
	} rows[] = {{"TSO", ETHTOOL_GTSO},	 {"GSO", ETHTOOL_GGSO},
		    {"GRO", ETHTOOL_GGRO},	 {"SG", ETHTOOL_GSG},
		    {"TX-sum", ETHTOOL_GTXCSUM}, {"RX-sum", ETHTOOL_GRXCSUM}};
	char on[64] = "", off[64] = "", what[48];

	for (size_t i = 0; i < array_len(rows); i++) {
		char *dst = offload(sock, name, rows[i].command) ? on : off;
		size_t n = strlen(dst);

		snprintf(dst + n, 64 - n, "%s%s", n ? " " : "", rows[i].word);
	}
	snprintf(what, sizeof(what), "%.16s offloads", name);
	finding_add(
		f, hardware && *off ? GAP : NOTE, LINKS, what,
		"Turn them on (`ethtool -K IFACE tso on gso on gro on sg on tx on rx on`): each "
		"that is off is done by the CPU for every packet.",
		"%s%s%s", *on ? on : "none", *off ? "; off: " : "", off);
}

static void one_link(struct findings *f, int sock, const char *name)
{
	char speed[64], mtu[64], state[64], by[64], what[48];
	unsigned queues = receive_queues(name);
	bool hardware = *driver(name, by);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	link_file(name, "speed", speed);
	finding_add(f, NOTE, LINKS, name, NULL, "%s%s%s, %s, mtu %s", hardware ? by : "virtual",
		    *speed && *speed != '-' ? ", Mb/s " : "", *speed != '-' ? speed : "",
		    link_file(name, "operstate", state), link_file(name, "mtu", mtu));
	offloads(f, sock, name, hardware);
	if (!hardware)
		return;
	snprintf(what, sizeof(what), "%.16s receive queues", name);
	finding_add(
		f, queues < (unsigned)cpus ? GAP : GOOD, LINKS, what,
		"One queue per core keeps a connection on its core: `ethtool -L IFACE combined N`, "
		"if the NIC has as many.",
		"%u for %ld processors", queues, cpus);
}

static void user_space(struct findings *f)
{
	bool vfio = !access("/dev/vfio/vfio", F_OK);
	unsigned groups = 0;
	struct dirent *e;
	DIR *d = opendir("/sys/kernel/iommu_groups");

	while (d && (e = readdir(d)))
		groups += e->d_name[0] != '.';
	if (d)
		closedir(d);
	finding_add(f, NOTE, LINKS, "NICs for user space (DPDK)", NULL, "%s, %u IOMMU groups",
		    vfio ? "vfio" : "no vfio", groups);
}

void doctor_links(struct findings *f)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	DIR *d = opendir("/sys/class/net");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			one_link(f, sock, e->d_name);
	if (d)
		closedir(d);
	if (sock >= 0)
		close(sock);
	user_space(f);
}
