/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct model_sink {
	struct sink sink;
	struct model *model;
};

static void room_for(struct model *m, size_t n)
{
	while (m->bytes_n + n > m->bytes_cap) {
		m->bytes_cap = m->bytes_cap ? 2 * m->bytes_cap : 65536;
		m->bytes = realloc(m->bytes, m->bytes_cap);
		must(m->bytes);
	}
	if (m->msgs == m->msgs_cap) {
		m->msgs_cap = m->msgs_cap ? 2 * m->msgs_cap : 1024;
		m->msg = realloc(m->msg, m->msgs_cap * sizeof(*m->msg));
		must(m->msg);
	}
}

static void sink_write(struct sink *sink, const void *p, size_t n)
{
	struct model *m = ((struct model_sink *)sink)->model;

	room_for(m, n);
	memcpy(m->bytes + m->bytes_n, p, n);
	m->bytes_n += n;
}

void model_fini(struct model *m)
{
	free(m->bytes);
	free(m->msg);
	memset(m, 0, sizeof(*m));
}

/* Whether the log's bytes [off, off + n) are p's; also before they are published. */
static bool log_equals(const struct wlog *log, uint64_t off, const uint8_t *p, uint64_t n)
{
	while (n) {
		struct slice s[2];

		wlog_slices(log, off, (uint32_t)min_of(n, (uint64_t)4096), s);
		if (memcmp(s[0].p, p, s[0].n))
			return false;
		off += s[0].n;
		p += s[0].n;
		n -= s[0].n;
	}
	return true;
}

void model_adopt(struct model *m, enum wire_format f, const struct wlog *log, uint64_t headers,
		 uint64_t now_us)
{
	uint64_t head = wlog_head(log);

	m->log = log;
	must(wlog_tail(log) == 0);
	for (uint64_t off = 0; off < head;) {
		struct slice s[2];

		wlog_slices(log, off, (uint32_t)min_of(head - off, (uint64_t)4096), s);
		room_for(m, s[0].n);
		memcpy(m->bytes + off, s[0].p, s[0].n);
		m->bytes_n = off += s[0].n;
	}
	for (uint64_t off = 0; off < head;) {
		uint8_t first[WIRE_HEAD_MAX] = {0};

		room_for(m, 0);
		memcpy(first, m->bytes + off, min_of(head - off, (uint64_t)sizeof(first)));
		m->msg[m->msgs++] = (struct model_msg){off, now_us, off ? 0 : headers};
		off += wire_of(f)->span(first);
		must(off <= head);
	}
}

bool model_append(struct model *m, enum wire_format f, const struct wlog *log,
		  const struct msg *msg, uint64_t headers, uint64_t now_us)
{
	struct model_sink to = {{sink_write}, m};
	uint64_t off = m->bytes_n;

	m->log = log;
	if (wlog_end(log) == off)
		return false;
	room_for(m, 0);
	m->msg[m->msgs++] = (struct model_msg){off, now_us, headers};
	wire_of(f)->put(&to.sink, msg);
	must(wlog_end(log) == m->bytes_n);
	must(log_equals(log, off, m->bytes + off, m->bytes_n - off));
	return true;
}

size_t model_find(const struct model *m, uint64_t off, size_t hint)
{
	if (hint >= m->msgs || m->msg[hint].off > off)
		hint = 0;
	/* Viewers move forward: nearly always this message or the next. */
	for (int i = 0; i < 8 && hint < m->msgs; i++, hint++) {
		uint64_t end = hint + 1 < m->msgs ? m->msg[hint + 1].off : m->bytes_n;

		if (off < end)
			return hint;
	}
	for (size_t high = m->msgs, low = hint; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (m->msg[middle].off <= off)
			hint = low = middle + 1;
		else
			hint = high = middle;
	}
	return off >= m->bytes_n ? m->msgs : hint - 1;
}

bool model_is_boundary(const struct model *m, uint64_t off)
{
	size_t at = model_find(m, off, 0);

	return off == m->bytes_n || (at < m->msgs && m->msg[at].off == off);
}

const struct model_msg *model_key(const struct model *m, uint64_t off)
{
	size_t at = model_find(m, off, 0);

	if (at >= m->msgs || m->msg[at].off != off || !m->msg[at].headers)
		return NULL;
	return &m->msg[at];
}
