# The DPDK backend: a shared object that millrace-dp loads when net.backend says so. Made only where
# pkg-config finds libdpdk. Included by the Makefile.
#
# It has its own copy of the TCP and the link, and takes everything of base and net from the program
# that loads it, which shows its symbols for that. Sanitizers' programs have their own object.

ifeq ($(shell pkg-config --exists libdpdk && echo yes),yes)

dpdk_src   := $(wildcard dataplane/net/dpdk*.c dataplane/net/link*.c dataplane/net/tcp/*.c)
dpdk_flags := -fPIC -fvisibility=hidden $(shell pkg-config --cflags-only-I libdpdk | sed 's/-I/-isystem /g') -include rte_config.h -march=corei7 -DALLOW_EXPERIMENTAL_API -Wno-pointer-arith -Wno-shadow -Wno-strict-prototypes
dpdk_obj    = $(patsubst %.c,$(B)/obj-shared/%.o,$(1))
programs   += $(B)/millrace-net-dpdk.so

$(B)/obj-shared/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$< (shared))$(CC) $(CFLAGS) $(INC_dp) $(dpdk_flags) -c -o $@ $<

$(B)/millrace-net-dpdk.so: $(call dpdk_obj,$(dpdk_src))
	$(call say,LD,$@)$(CC) $(LDFLAGS) -shared -o $@ $^ -lrte_ethdev -lrte_mbuf -lrte_mempool -lrte_ring -lrte_net -lrte_hash -lrte_eal -lrte_bus_vdev

endif
