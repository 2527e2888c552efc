/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP sessions: FLV and WebSocket viewers of what an encoder publishes.
 * The input is a script (net/script.h).
 */
#include "fuzz/fuzz.h"
#include "fuzz/net/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum peer_role role[SCRIPT_PEERS] = {PEER_RTMP, PEER_HTTP, PEER_HTTP,
							  PEER_HTTP};

	return script_run(role, data, size);
}
