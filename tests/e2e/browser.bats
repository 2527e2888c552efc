#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pages with mpegts.js and hls.js in a headless Chromium: decoded frames grow, the pictures change, the
# clock moves.

load lib
load hls

setup_file() {
	"$BATS_TEST_DIRNAME/browser/install.sh"
}

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

in_browser() { # PLAYER URL [screenshot]
	timeout 60 node "$BATS_TEST_DIRNAME/browser/play.mjs" "$TOP/build/tests/browser" "$1" "$2" "${3:-}" >"$T/report.json" 2>"$T/browser.log"
}

plays_in_browser() { # PLAYER URL [screenshot]
	in_browser "$@"
	jq -e '.error == null and .decoded >= 60 and .pictures >= 30 and .time >= 2 and .sound > 0 and .width == 320' "$T/report.json"
}

@test "mpegts.js plays HTTP-FLV, served from another origin (H2)" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	plays_in_browser mpegts "http://127.0.0.1:$HTTP/live/a.flv" "${SCREENSHOT:-}"
}

@test "mpegts.js plays WebSocket-FLV (H9)" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	plays_in_browser mpegts "ws://127.0.0.1:$HTTP/live/a.flv"
}

# clock_publish NAME: publishes a clock (clock_picture.py) with sound as live/NAME
clock_publish() {
	background clock bash -c 'python3 "$1" | exec ffmpeg -v warning -f rawvideo -pix_fmt gray -s 320x180 -r 25 -i - \
		-f lavfi -i sine=frequency=440:sample_rate=44100 -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p \
		-g 25 -c:a aac -shortest -flush_packets 1 -f flv "$2"' clock "$BATS_TEST_DIRNAME/clock_picture.py" "rtmp://127.0.0.1:$RTMP/live/$1"
}

@test "hls.js plays MPEG-TS" {
	up --set hls.segment=1s
	publish a
	within 10 stream_live live/a
	plays_in_browser hls "http://127.0.0.1:$HTTP/live/a.m3u8"
}

@test "hls.js plays fragmented MP4" {
	up --set hls.segment=1s --set hls.format=fmp4
	publish a
	within 10 stream_live live/a
	plays_in_browser hls "http://127.0.0.1:$HTTP/live/a.m3u8"
}

@test "L11 hls.js plays AV1 with Opus, and VP9 with AAC, with low latency" {
	up --set hls.segment=1s --set hls.part=200ms
	# shellcheck disable=SC2086 # encoders' options are words
	for kind in "av1 $AV1 -c:a libopus" "vp9 $VP9 -c:a aac"; do
		film $kind
		name=${kind%% *}
		film_publish "$name"
		within 10 stream_live "live/$name"
		plays_in_browser parts "http://127.0.0.1:$HTTP/live/$name.m3u8"
	done
}

# The mark is 2.5 s on a machine that does nothing else (make bench); here others may be at work.
@test "L11 hls.js with low latency shows a clock soon after it was filmed" {
	up --set hls.segment=1s --set hls.part=200ms
	clock_publish a
	within 10 stream_live live/a
	in_browser ll "http://127.0.0.1:$HTTP/live/a.m3u8"
	echo "# a picture is shown $(jq .age_ms "$T/report.json") ms after it was filmed (95 %: $(jq .age_p95_ms "$T/report.json") ms)" >&3
	jq -e '.error == null and .decoded >= 60 and .pictures >= 30 and .age_ms < 6000' "$T/report.json"
}
