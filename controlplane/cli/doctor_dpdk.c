/* SPDX-License-Identifier: Apache-2.0 */
/* What net.backend dpdk needs, for millrace doctor: the object, an IOMMU, devices, quiet CPUs. */
#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/cli/doctor.h"

#define DPDK   "dpdk"
#define OBJECT "millrace-net-dpdk.so"

static void object(struct findings *f)
{
	static const char *const places[] = {"%s/" OBJECT, "%s/../lib/millrace/" OBJECT};
	char exe[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	bool there = false;

	exe[max_of(n, 0)] = '\0';
	dirname(exe);
	for (unsigned i = 0; i < array_len(places) && !there; i++) {
		snprintf(path, sizeof(path), places[i], exe);
		there = !access(path, R_OK);
	}
	finding_add(f, there ? GOOD : GAP, DPDK, "backend built",
		    "`make deps-dpdk && make` builds it: then net.backend: dpdk takes a network "
		    "device over, with a TCP of its own.",
		    "%s", there ? "yes" : "no");
}

/* Entries of a folder that do not begin with a dot; the first PCI address among them. */
static unsigned entries(const char *path, char *first, size_t n)
{
	DIR *d = opendir(path);
	unsigned count = 0;

	first[0] = '\0';
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		count++;
		if (!first[0] && strchr(e->d_name, ':'))
			snprintf(first, n, "%s", e->d_name);
	}
	if (d)
		closedir(d);
	return count;
}

static void iommu(struct findings *f)
{
	char first[256];
	unsigned groups = entries("/sys/kernel/iommu_groups", first, sizeof(first));
	bool vfio = !access("/dev/vfio/vfio", F_OK);

	finding_add(f, groups ? GOOD : NOTE, DPDK, "IOMMU groups", NULL, "%u", groups);
	finding_add(f, vfio ? GOOD : NOTE, DPDK, "vfio", NULL, "%s",
		    vfio ? "yes" : "no: `modprobe vfio-pci`, for devices of Intel and others");
}

/* Devices that the kernel has given away; mlx5 and ena need not be. */
static void devices(struct findings *f)
{
	static const char *const drivers[] = {"vfio-pci", "uio_pci_generic", "igb_uio"};
	char path[128], first[256];

	for (unsigned i = 0; i < array_len(drivers); i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", drivers[i]);
		entries(path, first, sizeof(first));
		if (first[0])
			finding_add(f, GOOD, DPDK, drivers[i], NULL, "has %s", first);
	}
}

static void cpus(struct findings *f)
{
	char text[64] = "";
	FILE *in = fopen("/sys/devices/system/cpu/isolated", "re");

	if (in && !fgets(text, sizeof(text), in))
		text[0] = '\0';
	if (in)
		fclose(in);
	text[strcspn(text, "\n")] = '\0';
	finding_add(f, NOTE, DPDK, "isolated CPUs", NULL, "%s",
		    *text ? text : "none: isolcpus= keeps other programs off the cores");
}

void doctor_dpdk(struct findings *f)
{
	object(f);
	iommu(f);
	devices(f);
	cpus(f);
}
