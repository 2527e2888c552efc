/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log_json.h"

#define TEXT_BYTES	 2048u /* of logfmt; JSON may be longer */
#define PRIORITY_BYTES	 3u    /* "<6>" */
#define WINDOW_US	 1000000u
#define LINES_PER_WINDOW 20u

_Atomic int log_threshold = LOG_INFO;

static const char *log_proc = "-";
static _Atomic bool log_as_json, log_to_journal;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* systemd says which file its journal gave to a service: "device:inode". */
static bool is_journal(int fd)
{
	const char *text = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;

	return text && sscanf(text, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       !fstat(fd, &st) && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *proc, enum log_level level)
{
	log_proc = proc;
	atomic_store_explicit(&log_to_journal, is_journal(STDERR_FILENO), memory_order_relaxed);
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
}

void log_set_format(const char *word)
{
	atomic_store_explicit(&log_as_json, !strcmp(word, "json"), memory_order_relaxed);
}

int log_level_of(const char *word)
{
	for (size_t i = 0; i < array_len(level_names); i++)
		if (!strcmp(word, level_names[i]))
			return (int)i;
	return -1;
}

/* ---- text from outside ---- */

/* Appends as long as it fits with a byte to spare for the NUL; the rest is cut. */
struct out {
	char *p, *end;
};

static bool out_add(struct out *o, const char *text, size_t n)
{
	if ((size_t)(o->end - o->p) < n)
		return false;
	memcpy(o->p, text, n);
	o->p += n;
	return true;
}

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f || *s == '"' || *s == '=' || *s == '\\')
			return false;
	return true;
}

const char *log_q(char *dst, size_t n, const char *text)
{
	struct out o = {dst, dst + n - 2}; /* the closing quote and the NUL always fit */

	must(n >= 4);
	if (!text)
		text = "";
	if (is_plain(text)) {
		snprintf(dst, n, "%s", text);
		return dst;
	}
	out_add(&o, "\"", 1);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char code[8] = {(char)c};

		if (c == '"' || c == '\\')
			snprintf(code, sizeof(code), "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			snprintf(code, sizeof(code), "\\x%02x", c);
		if (!out_add(&o, code, strlen(code)))
			break;
	}
	*o.p++ = '"';
	*o.p = '\0';
	return dst;
}

/* One byte of a URL such that the whole needs no quotes in logfmt. */
static bool out_url_byte(struct out *o, char b)
{
	unsigned char c = (unsigned char)b;
	char code[4];

	if (c > ' ' && c < 0x7f && c != '"' && c != '\\')
		return out_add(o, &b, 1);
	snprintf(code, sizeof(code), "%%%02X", c);
	return out_add(o, code, 3);
}

/*
 * A query: names stay, values go. A value ends only at '&': one that holds '/', '?' or '#' (base64,
 * a nested URL) must not show its tail, even though old players put the stream name there.
 */
static bool out_query(struct out *o, const char *s)
{
	while (*s) {
		size_t part = strcspn(s, "&");
		size_t name = min_of(strcspn(s, "="), part);

		for (size_t i = 0; name < part && i <= name; i++)
			if (!out_url_byte(o, s[i]))
				return false;
		/* A part without '=' may be a bare token. */
		if ((part && !out_add(o, "***", 3)) || (s[part] && !out_add(o, "&", 1)))
			return false;
		s += part + (s[part] != '\0');
	}
	return true;
}

const char *log_url(char *dst, size_t n, const char *url)
{
	struct out o = {dst, dst + n - 1};
	const char *scheme = strstr(url, "://");
	const char *host = scheme ? scheme + 3 : url, *s;
	size_t authority = strcspn(host, "/?#");
	bool fits = true;

	must(n >= 1);
	for (s = url; s < host && fits; s++)
		fits = out_url_byte(&o, *s);
	for (s = host + authority; s > host; s--) {
		if (s[-1] == '@') {
			fits = fits && out_add(&o, "***@", 4);
			break;
		}
	}
	for (; *s && *s != '?' && *s != '#' && fits; s++)
		fits = out_url_byte(&o, *s);
	if (*s && fits && out_add(&o, s, 1))
		out_query(&o, s + 1);
	*o.p = '\0';
	return dst;
}

/* ---- lines ---- */

/*
 * Whether this line of the call site may go out. Two threads at the turn of a window may let one
 * line more or less through; that is harmless and costs no lock.
 */
static bool site_allows(struct log_site *site, uint32_t *left_out)
{
	uint64_t now = clock_us();
	uint64_t window = atomic_load_explicit(&site->window_us, memory_order_relaxed);

	if ((!window || now - window >= WINDOW_US) &&
	    atomic_compare_exchange_strong_explicit(&site->window_us, &window, now,
						    memory_order_relaxed, memory_order_relaxed))
		atomic_store_explicit(&site->in_window, 0, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&site->in_window, 1, memory_order_relaxed) >=
	    LINES_PER_WINDOW) {
		atomic_fetch_add_explicit(&site->left_out, 1, memory_order_relaxed);
		return false;
	}
	*left_out = atomic_exchange_explicit(&site->left_out, 0, memory_order_relaxed);
	return true;
}

/* "ts=... level=... proc=... event=..." */
static size_t head(char *line, size_t n, enum log_level level, const char *event)
{
	uint64_t ms = clock_wall_ms();
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char when[32];

	gmtime_r(&s, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	return (size_t)snprintf(line, n, "ts=%s.%03uZ level=%s proc=%s event=%s", when,
				(unsigned)(ms % 1000), level_names[level], log_proc, event);
}

size_t log_format(char line[LOG_LINE_BYTES], enum log_level level, const char *event,
		  uint32_t left_out, const char *fmt, va_list ap)
{
	char text[TEXT_BYTES];
	size_t room = sizeof(text), n = min_of(head(text, room, level, event), room - 1);

	if (left_out)
		n += (size_t)snprintf(text + n, room - n, " suppressed=%u", left_out);
	if (*fmt && n + 1 < room) {
		text[n++] = ' ';
		n += (size_t)vsnprintf(text + n, room - n, fmt, ap);
	}
	n = min_of(n, room - 1);
	text[n] = '\0';
	/* Whatever a caller forgot to quote: one event stays one line. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	if (atomic_load_explicit(&log_as_json, memory_order_relaxed))
		n = log_json(line, LOG_LINE_BYTES - 1, text);
	else
		memcpy(line, text, n);
	line[n++] = '\n';
	return n;
}

void log_line(struct log_site *site, enum log_level level, const char *event, const char *fmt, ...)
{
	static const char priorities[] = {'3', '4', '6', '7'};
	char line[PRIORITY_BYTES + LOG_LINE_BYTES] = {'<', priorities[level], '>'};
	size_t skip =
		atomic_load_explicit(&log_to_journal, memory_order_relaxed) ? 0 : PRIORITY_BYTES;
	uint32_t left_out;
	va_list ap;
	size_t n;

	if (!site_allows(site, &left_out))
		return;
	va_start(ap, fmt);
	n = PRIORITY_BYTES + log_format(line + PRIORITY_BYTES, level, event, left_out, fmt, ap);
	va_end(ap);
	if (write(STDERR_FILENO, line + skip, n - skip) < 0)
		return; /* nowhere left to complain */
}
