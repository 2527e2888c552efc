/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTMP handshake: cuts change nothing, never more than the handshake is taken, and our own two
 * sides always agree. The first byte of the input says which side it plays, and the cuts.
 */
#include "media/rtmp_hs.h"

#include <string.h>

#include "base/check.h"
#include "fuzz/fuzz.h"

#define PEER_BYTES (1 + 2 * RTMP_HS_HALF) /* C0C1C2 or S0S1S2 */

static void start(struct rtmp_hs *h, uint8_t choice)
{
	uint8_t random[RTMP_HS_HALF];

	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)(i * choice);
	if (choice & 1)
		rtmp_hs_server(h, random, choice);
	else
		rtmp_hs_client(h, random, choice, choice & 2);
}

/* Feeds in pieces of `piece` bytes; returns the bytes taken or the error. */
static int feed(struct rtmp_hs *h, const uint8_t *p, size_t n, size_t piece)
{
	size_t off = 0;
	int taken;

	while (off < n && !rtmp_hs_done(h)) {
		taken = rtmp_hs_feed(h, p + off, min_of(piece, n - off));
		if (taken < 0)
			return taken;
		must(taken > 0 && (size_t)taken <= n - off);
		must(h->out_len <= RTMP_HS_OUT);
		off += (size_t)taken;
	}
	return (int)off;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtmp_hs whole, cut, peer;
	uint8_t choice;
	int r;

	if (!size)
		return 0;
	choice = data[0];
	data++;
	size--;
	must(rtmp_hs_guess(data, size) != NULL);
	start(&whole, choice);
	start(&cut, choice);
	r = feed(&whole, data, size, size);
	must(r == feed(&cut, data, size, 1 + choice));
	must(r == -REASON_NOT_RTMP || r == (int)min_of(size, (size_t)PEER_BYTES));
	must(!memcmp(&whole, &cut, sizeof(whole)));
	must(rtmp_hs_done(&whole) == (size >= PEER_BYTES && r > 0));
	if (!(choice & 1) || whole.out_len != RTMP_HS_OUT)
		return 0;
	/* What our server says satisfies our client. */
	start(&peer, 0);
	must(feed(&peer, whole.out, RTMP_HS_OUT, RTMP_HS_OUT) == RTMP_HS_OUT);
	must(rtmp_hs_done(&peer) && peer.scheme == whole.scheme);
	return 0;
}
