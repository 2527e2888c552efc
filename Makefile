# Millrace: the whole build in one file.
#
#   make            build everything into build/ (quietly; V=1 shows every command)
#   make deps       install the Debian packages that are missing (the list: configs/packages.txt)
#   make deps-dpdk  install what the dpdk backend needs; the next make builds it
#   make run        deps, build, then a demo in the foreground: streams, viewers, a relay task
#   make test       deps, build, then every test through prove
#   make test-long  the TCP against itself in SIM_LONG (400,000) random worlds, a million connections
#   make unit       unit and simulator tests only
#   make e2e        end-to-end tests only (T=name picks one file)
#   make e2e-dpdk   some of them again with net.backend dpdk between the clients and the node; as root
#   make lint       formatting, rooms and doors, generated files, shell and C checks
#   make asan       unit and simulator tests under AddressSanitizer and UBSan (build/asan)
#   make tsan       the same under ThreadSanitizer (build/tsan)
#   make asan-e2e   end-to-end tests of the programs in build/asan; any report of a sanitizer fails
#   make tsan-e2e   the same under ThreadSanitizer (T=name picks one file)
#   make guest      what this machine's kernel may not have, in an emulated machine (tests/guest)
#   make fuzz       run every fuzz target for FUZZ_SECONDS each (default 60)
#   make churn      CHURN (100000) connections come and go and leave nothing
#   make chaos      kill processes at random for CHAOS_SECONDS (600) with CHAOS_TASKS (50), CHAOS_SEED
#   make bench      measure against the bare limit and nginx-rtmp; writes bench/results/
#   make install    install into DESTDIR=/ PREFIX=/usr/local
#   make generated  write again what is generated from the tables (configuration sample, reference)
#   make clean      remove build/
#   make help       this text

MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
MODE    ?= release
FUZZ_SECONDS ?= 60
CHAOS_SECONDS ?= 600
CHAOS_TASKS ?= 50
B := build$(if $(filter-out release,$(MODE)),/$(MODE))

CC      := gcc
CSTD    := -std=gnu11
WARN    := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wvla -Wundef -Wno-unused-parameter -Wno-missing-field-initializers
OPT_release := -O2 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DEXPENSIVE_CHECKS
OPT_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan
OPT := $(OPT_$(MODE))
CFLAGS  += $(CSTD) $(OPT) $(WARN) -D_GNU_SOURCE -DMILLRACE_VERSION='"$(VERSION)"' -fstack-protector-strong -D_FORTIFY_SOURCE=$(if $(filter release,$(MODE)),2,0) -MMD -MP
LDFLAGS += $(OPT) -Wl,-z,relro,-z,now -pthread

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)';)

# ---- the rooms -------------------------------------------------------------------------------

base_src    := $(wildcard dataplane/base/*.c)
media_src   := $(wildcard dataplane/media/*.c)
core_src    := $(wildcard dataplane/core/*.c)
net_src     := $(filter-out dataplane/net/dpdk%,$(wildcard dataplane/net/*.c))
session_src := $(wildcard dataplane/session/*.c)
dp_main     := $(wildcard dataplane/*.c)
cp_src      := $(filter-out controlplane/main.c,$(wildcard controlplane/*.c))
cp_main     := $(wildcard controlplane/main.c)
cli_src     := $(wildcard controlplane/cli/*.c)

base_libs    := -lyaml -lcrypto
dp_libs      := -ldl -luring -lssl -ljansson -lcrypto -lmaxminddb -lyaml -lcap
cp_libs      := -levent -levent_openssl -lssl -lhiredis -lcurl -lxml2 -ljansson -lcrypto -lyaml -lcap
cli_libs     := -lcurl -ljansson -lcrypto -lyaml

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
lib = $(B)/lib$(1).a

INC_dp := -Idataplane -I.
INC_cp := -Idataplane -I. -I/usr/include/libxml2

$(B)/obj/dataplane/%.o: dataplane/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) $(INC_dp) -c -o $@ $<

$(B)/obj/controlplane/%.o: controlplane/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) $(INC_cp) -c -o $@ $<

$(B)/obj/bench/%.o: bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) $(INC_cp) -c -o $@ $<

$(B)/obj/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) $(INC_cp) -Itests -c -o $@ $<

define room_lib
$(B)/lib$(1).a: $(call obj,$($(1)_src))
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach r,base media core net session cp,$(eval $(call room_lib,$(r))))

programs := $(if $(dp_main),$(B)/millrace-dp) $(if $(cp_main),$(B)/millrace-cp) $(if $(cli_src),$(B)/millrace)

-include controlplane/worker/worker.mk
-include dataplane/net/dpdk.mk

all: $(programs)
.DEFAULT_GOAL := all

$(B)/millrace-dp: $(call obj,$(dp_main)) $(foreach r,session net core media mrbpf base,$(call lib,$(r)))
	$(call say,LD,$@)$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(dp_libs) $(bpf_libs)

$(B)/millrace-cp: $(call obj,$(cp_main)) $(foreach r,cp mrbpf base,$(call lib,$(r)))
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(cp_libs) $(bpf_libs)

$(B)/millrace: $(call obj,$(cli_src)) $(foreach r,base,$(call lib,$(r)))
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(cli_libs)

# ---- tests -----------------------------------------------------------------------------------
# One program per file: tests/unit/ROOM/NAME_test.c, tests/sim/NAME_test.c. It speaks TAP.

unit_src  := $(wildcard tests/unit/*/*_test.c)
sim_src   := $(wildcard tests/sim/*_test.c)
unit_bin  := $(patsubst tests/%.c,$(B)/tests/%,$(unit_src) $(sim_src))
test_help := $(patsubst tests/%.c,$(B)/obj/tests/%.o,$(filter-out %_test.c,$(wildcard tests/sim/*.c tests/unit/*.c)))

$(B)/tests/unit/base/%: $(B)/obj/tests/unit/base/%.o $(call lib,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(base_libs) -lm
$(B)/tests/unit/media/%: $(B)/obj/tests/unit/media/%.o $(call lib,media) $(call lib,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(base_libs) -lm
$(B)/tests/unit/core/%: $(B)/obj/tests/unit/core/%.o $(foreach r,core media base,$(call lib,$(r)))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(base_libs) -lm
$(B)/tests/sim/%: $(B)/obj/tests/sim/%.o $(test_help) $(foreach r,core media base,$(call lib,$(r)))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(base_libs) -lm
$(B)/tests/unit/net/%: $(B)/obj/tests/unit/net/%.o $(foreach r,net tcp base,$(call lib,$(r)))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka -luring -lssl $(base_libs) -lm
$(B)/tests/unit/session/%: $(B)/obj/tests/unit/session/%.o $(foreach r,session net core media base,$(call lib,$(r)))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(dp_libs) -lm
$(B)/tests/unit/cli/%: $(B)/obj/tests/unit/cli/%.o $(call obj,$(filter-out controlplane/cli/main.c,$(cli_src))) $(call lib,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(cli_libs) -lm
$(B)/tests/unit/controlplane/%: $(B)/obj/tests/unit/controlplane/%.o $(foreach r,cp mrbpf base,$(call lib,$(r)))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(cp_libs) $(bpf_libs) -lm

-include dataplane/net/tcp/tcp.mk

-include bpf/bpf.mk

# ---- fuzz: tests/fuzz/NAME.c with a corpus in tests/fuzz/corpus/NAME/ -------------------------
# Replay programs (built with the usual compiler) run in make test; make fuzz uses libFuzzer.
# Targets session_* run whole sessions over the network in memory of tests/fuzz/net/.

fuzz_src    := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
fuzz_names  := $(patsubst tests/fuzz/%.c,%,$(fuzz_src))
fuzz_net    := $(wildcard tests/fuzz/net/*.c) dataplane/net/addr.c
replay_bin  := $(patsubst %,$(B)/tests/fuzz/%,$(fuzz_names))
session_bin := $(filter $(B)/tests/fuzz/session_%,$(replay_bin))
fuzz_libs   := $(foreach r,session core media base,$(call lib,$(r)))
fuzz_more   := -ljansson -lmaxminddb
$(session_bin): $(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(call obj,$(fuzz_net)) $(fuzz_libs)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(fuzz_more) $(base_libs) -lm
$(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(fuzz_libs)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(fuzz_more) $(base_libs) -lm

# The rooms as libFuzzer sees them; an archive, so that a target links only what it uses.
FUZZ_CFLAGS := $(CSTD) -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
               -D_GNU_SOURCE -DEXPENSIVE_CHECKS -DMILLRACE_VERSION='"$(VERSION)"' $(INC_cp) -Itests -MMD -MP
fuzz_obj = $(patsubst %.c,build/fuzz/obj/%.o,$(1))
build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CLANG,$<)clang $(FUZZ_CFLAGS) -c -o $@ $<
build/fuzz/librooms.a: $(call fuzz_obj,$(session_src) $(core_src) $(media_src) $(base_src))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
FUZZ_LD = $(call say,FUZZ,$@)clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(fuzz_more) $(base_libs) -lm -pthread
$(patsubst $(B)/tests/%,build/%,$(session_bin)): build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o $(call fuzz_obj,$(fuzz_net)) build/fuzz/librooms.a
	$(FUZZ_LD)
build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/librooms.a
	$(FUZZ_LD)

fuzz: $(patsubst %,build/fuzz/%,$(fuzz_names))
	@for n in $(fuzz_names); do mkdir -p build/corpus/$$n; echo "== $$n"; \
	  build/fuzz/$$n -max_total_time=$(FUZZ_SECONDS) -timeout=30 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=build/corpus/$$n- build/corpus/$$n tests/fuzz/corpus/$$n 2>&1 | grep -E 'SUMMARY|ERROR|stat::(number_of|peak)|Test unit' ; \
	  [ $${PIPESTATUS[0]} -eq 0 ] || exit 1; done

# ---- running ---------------------------------------------------------------------------------

unit: $(unit_bin) $(replay_bin)
	@prove --exec tests/run-one $(PROVE) $^

# What end-to-end tests use besides the programs.
e2e_help := $(B)/bench/wan
e2e: all $(e2e_help)
	@prove --exec tests/run-one $(PROVE) $(if $(T),tests/e2e/$(T).bats,$(wildcard tests/e2e/*.bats))

# Through a veth pair in a network namespace of its own; one file after the other.
over_dpdk := play limits rtmp_cases rtmp_commands wait hostile
e2e-dpdk: all
	@prove --exec tests/e2e/over_dpdk.bash $(foreach t,$(or $(T),$(over_dpdk)),tests/e2e/$(t).bats)

PROVE ?= -j2

test: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) all $(unit_bin) $(replay_bin) $(e2e_help)
	@prove --exec tests/run-one $(PROVE) $(unit_bin) $(replay_bin) $(wildcard tests/e2e/*.bats)

chaos: all deps-test
	@CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_TASKS=$(CHAOS_TASKS) CHAOS_SEED=$(or $(CHAOS_SEED),$$RANDOM) bats tests/e2e/chaos.bats

churn: all deps-test
	@CHURN=$(or $(CHURN),100000) bats tests/e2e/churn.bats

asan:
	@$(MAKE) --no-print-directory MODE=asan -j$$(nproc) unit
tsan:
	@$(MAKE) --no-print-directory MODE=tsan -j$$(nproc) unit

# Every process writes what it finds to a file of its own; the browser's tests would take too long.
SAN_REPORTS = $(CURDIR)/build/$*/reports
SAN_OPTIONS = halt_on_error=0:exitcode=66:log_path=$(SAN_REPORTS)/report
asan-e2e tsan-e2e: %-e2e:
	@$(MAKE) --no-print-directory MODE=$* -j$$(nproc) all $(B)/bench/wan
	@rm -rf $(SAN_REPORTS) && mkdir -p $(SAN_REPORTS)
	@export SANITIZER=$* MILLRACE_BIN=$(CURDIR)/build/$* TSAN_OPTIONS=$(SAN_OPTIONS) ASAN_OPTIONS=$(SAN_OPTIONS) \
	  UBSAN_OPTIONS=$(SAN_OPTIONS):print_stacktrace=1; \
	  prove --exec tests/run-one $(if $(T),tests/e2e/$(T).bats,$(filter-out %/browser.bats,$(wildcard tests/e2e/*.bats))); r=$$?; \
	  cat $(SAN_REPORTS)/* 2>/dev/null && r=1; exit $$r

run: deps
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@exec $(B)/millrace up --demo

deps:
	@configs/deps.sh build run
deps-test:
	@configs/deps.sh build run test bpf
	@tests/e2e/browser/install.sh
deps-dpdk:
	@configs/deps.sh build run dpdk
deps-bench:
	@configs/deps.sh build run bench

-include bench/bench.mk

# ---- guest: tests on a packaged kernel in qemu; several minutes, nothing is measured there -----------

# Debian 12 has both; the first is the oldest that is supported.
GUEST_KERNELS ?= linux-image-amd64 linux-image-6.12-amd64
guest: all $(filter $(B)/tests/unit/bpf/%,$(unit_bin))
	@configs/deps.sh build run test guest
	$(Q)for kernel in $(GUEST_KERNELS); do \
	  echo "  GUEST $$kernel" && tests/guest/run -k $$kernel -b $(B) $(wildcard tests/guest/*.bats) || exit 1; \
	done

.PHONY: guest

# ---- lint and generated files ----------------------------------------------------------------

lint: all
	@tests/lint/run

generated: all
	@$(B)/millrace config --sample >configs/millrace.yaml
	@$(B)/millrace config --man >configs/man/millrace.yaml.5
	@$(B)/millrace-cp --metrics-doc >METRICS.md
	@$(B)/millrace-cp --api-doc >controlplane/API.md
	@$(B)/millrace-cp --redis-doc >controlplane/REDIS.md

# ---- installing ------------------------------------------------------------------------------

D := $(DESTDIR)$(PREFIX)
install: all
	@install -d $(D)/bin $(D)/lib/systemd/system $(D)/share/man/man1 $(D)/share/man/man5 $(D)/share/man/man8 \
	  $(D)/lib/sysusers.d $(D)/share/bash-completion/completions $(D)/share/doc/millrace $(D)/share/millrace $(DESTDIR)/etc/millrace
	@install -m 644 configs/sysusers/millrace.conf $(D)/lib/sysusers.d/
	@install -m 755 $(filter-out %.so,$(programs)) $(D)/bin/
	@$(foreach o,$(filter %.so,$(programs)),install -d $(D)/lib/millrace && install -m 755 $(o) $(D)/lib/millrace/;)
	@for u in configs/systemd/*; do sed 's|@BIN@|$(PREFIX)/bin|g' $$u >$(D)/lib/systemd/system/$${u##*/}; done
	@install -m 644 configs/man/*.1 $(D)/share/man/man1/
	@install -m 644 configs/man/*.5 $(D)/share/man/man5/
	@install -m 644 configs/man/*.8 $(D)/share/man/man8/
	@install -m 644 configs/completion/millrace.bash $(D)/share/bash-completion/completions/millrace
	@install -m 644 README.md METRICS.md controlplane/API.md controlplane/REDIS.md $(D)/share/doc/millrace/
	@cp -r configs/redis configs/sysctl configs/prometheus configs/alerts configs/grafana configs/dpdk configs/small.yaml $(D)/share/millrace/
	@test -e $(DESTDIR)/etc/millrace/millrace.yaml || install -m 644 configs/millrace.yaml $(DESTDIR)/etc/millrace/
	@echo "installed into $(if $(DESTDIR),$(DESTDIR))$(PREFIX)"

clean:
	@rm -rf build

help:
	@sed -n '/^# Millrace/,/^$$/s/^# \{0,1\}//p' Makefile

.PHONY: all unit e2e e2e-dpdk test asan tsan asan-e2e tsan-e2e run deps deps-test deps-dpdk deps-bench lint generated install clean help fuzz bench chaos churn

-include $(shell find $(B)/obj $(B)/obj-shared build/fuzz/obj -name '*.d' 2>/dev/null)
