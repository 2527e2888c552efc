# SPDX-License-Identifier: Apache-2.0
# The programs that run in the kernel: NAME.bpf.c -> build/bpf/NAME.skel.h -> NAME.c.
#
# Optional: without clang, bpftool or libbpf the same functions are there (none.c), and every open
# says what was missing when this was built. bpf_lib and bpf_libs are what a program links.

bpf_names := tcpstat guard steer lookup trace
bpf_lib   := $(B)/libmrbpf.a
BPFTOOL   := $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool /usr/local/sbin/bpftool))
BPF_CLANG := $(shell command -v clang 2>/dev/null)
BPF_STRIP := $(shell command -v llvm-strip 2>/dev/null)
have_libbpf := $(shell pkg-config --exists libbpf 2>/dev/null && echo yes)
# As bpf_tracing.h names it: the registers of function arguments.
bpf_arch := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
# Kernel headers of this architecture, for clang -target bpf.
bpf_include := -I. -I/usr/include/$(shell $(CC) -print-multiarch)

deps-bpf:
	@configs/deps.sh build run test bpf
.PHONY: deps-bpf bpf

ifeq ($(and $(BPFTOOL),$(BPF_CLANG),$(BPF_STRIP),$(have_libbpf)),)

bpf_missing := $(strip $(if $(BPF_CLANG),,clang) $(if $(BPF_STRIP),,llvm) $(if $(BPFTOOL),,bpftool) $(if $(have_libbpf),,libbpf-dev))
bpf_src  := bpf/none.c bpf/cgroup.c
bpf_libs :=
unit_bin := $(filter-out $(B)/tests/unit/bpf/%,$(unit_bin))
bpf: $(bpf_lib)
	@echo '  BPF   left out, needs $(bpf_missing): make deps-bpf'

else

bpf_src  := bpf/loader.c bpf/cgroup.c $(bpf_names:%=bpf/%.c)
bpf_libs := -lbpf -lelf -lz

build/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*_abi.h bpf/*.bpf.h bpf/*.def)
	@mkdir -p $(@D)
	$(call say,BPF,$<)$(BPF_CLANG) -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -D__TARGET_ARCH_$(bpf_arch) $(bpf_include) -c -o $@.part $< && \
	  $(BPF_STRIP) -g $@.part && mv $@.part $@
build/bpf/%.skel.h: build/bpf/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $*_bpf >$@.part 2>$@.log && mv $@.part $@ || { cat $@.log; exit 1; }

$(bpf_names:%=$(B)/obj/bpf/%.o): $(B)/obj/bpf/%.o: build/bpf/%.skel.h
bpf: $(bpf_lib)

endif

$(B)/obj/bpf/%.o: bpf/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) $(INC_cp) -isystem build/bpf -c -o $@ $<

$(bpf_lib): $(call obj,$(bpf_src))
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/tests/unit/bpf/%: $(B)/obj/tests/unit/bpf/%.o $(bpf_lib) $(call lib,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(bpf_libs) $(base_libs) -lm

all: bpf
