/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay legs: pulls by RTMP and HTTP-FLV and pushes by RTMP, with servers that say anything.
 * The input is a script (net/script.h).
 */
#include "fuzz/fuzz.h"
#include "fuzz/net/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum peer_role role[SCRIPT_PEERS] = {PEER_LEG, PEER_LEG, PEER_RTMP, PEER_HTTP};

	return script_run(role, data, size);
}
