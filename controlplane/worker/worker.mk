# SPDX-License-Identifier: Apache-2.0
# millrace-worker: the one program that is linked with FFmpeg's libraries.

worker_src  := $(filter-out controlplane/worker/main.c,$(wildcard controlplane/worker/*.c))
worker_libs := $(shell pkg-config --libs libavformat libavcodec libavutil 2>/dev/null) -ljansson -lcrypto -lyaml -lcap

programs += $(B)/millrace-worker

$(B)/libworker.a: $(call obj,$(worker_src))
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/millrace-worker: $(call obj,controlplane/worker/main.c) $(B)/libworker.a $(B)/libbase.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(worker_libs)

$(B)/tests/unit/worker/%: $(B)/obj/tests/unit/worker/%.o $(B)/libworker.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(worker_libs) -lm
