/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One structured line per event on standard error, in logfmt or as a JSON object (log_set_format).
 *
 *   ts=2026-01-31T12:00:00.123Z level=info proc=dp event=publish stream=default/live/a core=1
 *
 * log_info("publish", "stream=%s core=%u", ...): the first argument is the event's name, the format
 * holds key=value pairs; text values that may hold blanks or quotes go through log_q().
 * A line is one write(2). Repeats of one call site are limited to 20 lines a second; what was left
 * out is said (suppressed=N) with the next line. Where standard error is the journal's, lines begin
 * with their priority ("<6>"), which journald takes off. Never called per message or per send.
 * Threads: any.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_site {
	_Atomic uint64_t window_us;
	_Atomic uint32_t in_window, left_out;
};

/* proc: the word after proc=, kept as a pointer. */
void log_init(const char *proc, enum log_level level);
void log_set_level(enum log_level level);
/* By the word of the key log.format: "json", else logfmt. */
void log_set_format(const char *word);
/* -1 for an unknown word. */
int log_level_of(const char *word);
/* Quoted for logfmt into dst, cut to fit; returns dst. */
const char *log_q(char *dst, size_t n, const char *text);
/* A URL as it may be shown: userinfo, and the values of query parameters, are masked (interop U5). */
const char *log_url(char *dst, size_t n, const char *url);

/* One whole line with its newline, for other places than standard error; its length. */
#define LOG_LINE_BYTES 4096u
size_t log_format(char line[LOG_LINE_BYTES], enum log_level level, const char *event,
		  uint32_t left_out, const char *fmt, va_list ap);

extern _Atomic int log_threshold;
__attribute__((format(printf, 4, 5))) void log_line(struct log_site *site, enum log_level level,
						    const char *event, const char *fmt, ...);

#define LOG_AT(level, event, ...)                                                               \
	do {                                                                                    \
		static struct log_site site_;                                                   \
		if ((int)(level) <= atomic_load_explicit(&log_threshold, memory_order_relaxed)) \
			log_line(&site_, level, event, __VA_ARGS__);                            \
	} while (0)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, __VA_ARGS__)

#endif
