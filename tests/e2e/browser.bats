#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A page with mpegts.js in a headless Chromium: decoded frames grow, the pictures change, the clock
# moves.

load lib

setup_file() {
	"$BATS_TEST_DIRNAME/browser/install.sh"
}

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

plays_in_browser() { # URL [screenshot]
	timeout 60 node "$BATS_TEST_DIRNAME/browser/play.mjs" "$TOP/build/tests/browser" "$1" "${2:-}" >"$T/report.json" 2>"$T/browser.log"
	jq -e '.error == null and .decoded >= 60 and .pictures >= 30 and .time >= 2 and .sound > 0 and .width == 320' "$T/report.json"
}

@test "mpegts.js plays HTTP-FLV, served from another origin (H2)" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	plays_in_browser "http://127.0.0.1:$HTTP/live/a.flv" "${SCREENSHOT:-}"
}

@test "mpegts.js plays WebSocket-FLV (H9)" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	plays_in_browser "ws://127.0.0.1:$HTTP/live/a.flv"
}
