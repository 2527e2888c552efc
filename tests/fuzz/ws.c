/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket handshakes and frames of a client. How the bytes are cut does not matter: the same
 * control frames come, and the same end.
 */
#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/ws.h"

struct outcome {
	uint64_t hash, events;
	int end;
};

static void mix(struct outcome *o, uint8_t b)
{
	o->hash = (o->hash ^ b) * 0x100000001b3ull;
}

static struct outcome read_all(const uint8_t *data, size_t size, size_t piece)
{
	struct outcome o = {.hash = 0xcbf29ce484222325ull};
	struct ws_event e;
	struct ws_in in;

	ws_in_init(&in);
	for (size_t off = 0; off < size;) {
		size_t n = min_of(piece, size - off);
		int r = ws_in_feed(&in, data + off, n, &e);

		if (r < 0) {
			o.end = r;
			break;
		}
		must(r > 0 && (size_t)r <= n);
		off += (size_t)r;
		if (e.opcode == WS_CONTINUATION)
			continue;
		must(e.payload.n <= WS_CONTROL_MAX);
		o.events++;
		mix(&o, (uint8_t)e.opcode);
		mix(&o, (uint8_t)e.code);
		for (size_t i = 0; i < e.payload.n; i++)
			mix(&o, e.payload.p[i]);
	}
	return o;
}

static void check_handshake(const uint8_t *data, size_t size)
{
	struct http_head head;
	struct ws_answer a;
	unsigned status = 0;

	if (http_request_parse(data, size, &head) <= 0)
		return;
	ws_wanted(&head);
	if (ws_handshake(&head, &a, &status)) {
		must(status == 400 || status == 426);
		return;
	}
	must(strlen(a.accept) == 28);
	must(!a.protocol.p || (a.protocol.p >= data && a.protocol.p + a.protocol.n <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = read_all(data, size, size), single = read_all(data, size, 1);

	must(whole.hash == single.hash && whole.events == single.events && whole.end == single.end);
	check_handshake(data, size);
	return 0;
}
