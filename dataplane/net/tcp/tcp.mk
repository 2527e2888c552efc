# The user-space TCP: a pure library, its tests and its fuzz target. Included by the Makefile.
#
#   build/tests/sim_tcp/sim_test         SIM_SEEDS=n: so many random worlds; SIM_SEED=n: that one, told
#   build/tests/sim_tcp/dialogue_test    plays tests/sim_tcp/*.pkt

tcp_src := $(wildcard dataplane/net/tcp/*.c)
$(eval $(call room_lib,tcp))

tcp_libs     := $(call lib,tcp) $(call lib,base)
tcp_sim_help := $(patsubst tests/%.c,$(B)/obj/tests/%.o,$(filter-out %_test.c,$(wildcard tests/sim_tcp/*.c)))
unit_bin     += $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/sim_tcp/*_test.c))

$(B)/tests/unit/net_tcp/%: $(B)/obj/tests/unit/net_tcp/%.o $(tcp_libs)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(base_libs) -lm
$(B)/tests/sim_tcp/%: $(B)/obj/tests/sim_tcp/%.o $(tcp_sim_help) $(tcp_libs)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(base_libs) -lm

$(B)/tests/fuzz/tcp: $(B)/obj/tests/fuzz/tcp.o $(B)/obj/tests/fuzz/replay.o $(tcp_libs)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(base_libs) -lm
# A million connections; a part that fails names its world, which SIM_SEED=n plays again.
SIM_LONG ?= 400000
SIM_PART := 10000
test-long: $(B)/tests/sim_tcp/sim_test
	$(Q)export SIM_SEEDS=$(SIM_PART); seq 1 $(SIM_PART) $(SIM_LONG) | xargs -P $$(nproc) -I FIRST sh -c \
	  'SIM_FIRST=FIRST $< >$<.FIRST 2>&1 || { cat $<.FIRST; exit 255; }; rm $<.FIRST; echo "worlds from FIRST: ok"'

.PHONY: test-long

build/fuzz/tcp: tests/fuzz/tcp.c $(tcp_src) $(base_src)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)clang $(CSTD) -O1 -g -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -DEXPENSIVE_CHECKS -DMILLRACE_VERSION='"$(VERSION)"' $(INC_cp) -Itests -o $@ $^ $(base_libs) -lm -pthread
