/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access log: a line per session at its end, in a file of its own if log.access names one.
 *
 * Without a file the lines go where all others go, limited in number like them. In the file every
 * session has its line; a file that has grown to log.access_bytes becomes FILE.1, and the one before it
 * goes. A reload (SIGHUP) opens the file again, for those who rotate it from outside.
 *
 * Threads: any (a mutex, once per session).
 */
#ifndef SESSION_ACCESS_LOG_H
#define SESSION_ACCESS_LOG_H

#include <stdbool.h>

#include "base/conf.h"
#include "base/log.h"

/* Opens what the configuration names, or closes. 0, or -errno with err->text; then nothing changes. */
int access_log_open(const struct config *c, struct conf_error *err);
void access_log_close(void);
bool access_log_is_open(void);
__attribute__((format(printf, 2, 3))) void access_log_line(const char *event, const char *fmt, ...);

/* Into the file, or else as log_info(). */
#define access_log(event, ...)                               \
	do {                                                 \
		if (access_log_is_open())                    \
			access_log_line(event, __VA_ARGS__); \
		else                                         \
			log_info(event, __VA_ARGS__);        \
	} while (0)

#endif
