# The benchmark's programs and its run. BENCH=full measures everything (about forty minutes);
# SHARE=-12 gives it most of a busy machine's CPUs.

BENCH ?= quick
SHARE ?= 0
bench_libs := $(call lib,base)
bench_bin  := $(addprefix $(B)/bench/,publisher limit loadgen hls_load forged tcp_null wan)
bench_of    = $(call obj,$(addprefix bench/,$(addsuffix .c,$(1))))

$(B)/bench/publisher: $(call bench_of,publisher rtmp_client traffic sock) $(bench_libs)
$(B)/bench/limit: $(call bench_of,limit traffic sock) $(bench_libs)
$(B)/bench/loadgen: $(call bench_of,loadgen viewer tls demux stats rtmp_client traffic sock) $(bench_libs)
$(B)/bench/hls_load: $(call bench_of,hls_load sock) $(bench_libs)
$(B)/bench/forged: $(call bench_of,forged sock) $(bench_libs)
$(B)/bench/tcp_null: $(call bench_of,tcp_null stats sock) $(tcp_libs)
$(B)/bench/wan: $(call bench_of,wan sock) $(bench_libs)
$(B)/bench/loadgen: bench_more := -lssl
$(bench_bin):
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(bench_more) -luring $(base_libs)

bench: all $(bench_bin)
	$(Q)python3 -B bench/run.py --build $(B) --form $(BENCH) --share=$(SHARE)
	$(Q)$(if $(filter full,$(BENCH)),python3 -B bench/tasks.py && python3 -B bench/relays.py && python3 -B bench/packaging.py --build $(B))

# The DPDK backend against io_uring, testpmd and the kernel's TCP, over a veth pair; as root. A polling TCP that
# shares its CPU with other work measures that work: REAL_TIME=1 goes before it.
bench-dpdk: all $(bench_bin)
	$(Q)python3 -B bench/dpdk.py --build $(B) $(if $(REAL_TIME),--real-time)

# Viewers' latency while SYNs come, with the packet guard and without; as root.
bench-flood: all $(bench_bin)
	$(Q)python3 -B bench/flood.py --build $(B)

.PHONY: bench bench-dpdk bench-flood
