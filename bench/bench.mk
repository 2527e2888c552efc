# The benchmark's programs and its run. BENCH=full measures everything (about an hour).

BENCH ?= quick
bench_libs := $(call lib,base)
bench_bin  := $(addprefix $(B)/bench/,publisher limit loadgen)
bench_of    = $(call obj,$(addprefix bench/,$(addsuffix .c,$(1))))

$(B)/bench/publisher: $(call bench_of,publisher rtmp_client traffic sock) $(bench_libs)
$(B)/bench/limit: $(call bench_of,limit traffic sock) $(bench_libs)
$(B)/bench/loadgen: $(call bench_of,loadgen viewer demux stats rtmp_client traffic sock) $(bench_libs)
$(bench_bin):
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -luring $(base_libs)

bench: $(B)/millrace-dp $(bench_bin)
	$(Q)python3 bench/run.py --build $(B) --form $(BENCH)

.PHONY: bench
