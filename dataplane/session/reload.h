/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration again while everything runs.
 *
 * What was given on the command line stays in force over the file. A key that needs a restart keeps
 * its running value; the others are replaced as a whole, and the old configuration is freed when no
 * core can be reading it any more. An error changes nothing.
 *
 * Threads: any (a mutex): the control thread for the verb, main for SIGHUP.
 */
#ifndef SESSION_RELOAD_H
#define SESSION_RELOAD_H

#include "base/conf.h"
#include "core/core.h"

/* Loads what the process starts with: path NULL is the defaults; sets are "key=value". They are kept
 * as pointers for later. 0 or -errno with err->text. */
int reload_first(struct config *c, const char *path, char *const *sets, unsigned n,
		 struct conf_error *err);
/* 0 or -errno with err->text; each() is called per key whose text changed: applied now (or to new
 * sessions), or later, at the next start. */
int reload(struct engine *e, void (*each)(void *arg, const struct conf_key *k, bool applied),
	   void *arg, struct conf_error *err);
/* Frees every configuration but the first; after the cores have stopped. */
void reload_fini(struct engine *e);

#endif
