#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# AV1, VP9 and Opus, published by Enhanced RTMP, as HLS: the packets are the published ones, and they decode.

# shellcheck disable=SC2086 # encoders' options are words
load lib
load hls

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

# packaged NAME: it is published, and its playlist is in $list
packaged() {
	film_publish "$1"
	within 30 reaches "$1" 4
	list=$(playlist "$1")
	in_target "$list"
	[[ $list != *DISCONTINUITY$'\n'* ]]
	segments "$1" "$list" "$T/$1.mp4"
}

# holds NAME VIDEO AUDIO: what the segments have is what was published, and every picture of it decodes
holds() {
	[ "$(ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$T/$1.mp4" | paste -sd' ')" = "$2 $3" ]
	ffmpeg -v error -i "$T/$1.mp4" -c copy -f framemd5 - | grep -v '^#' | awk -F', *' '{print $1, $5, $6}' >"$T/got"
	same_packets "$T/got" "$FILM"
	decodes "$T/$1.mp4"
}

decodes() { # INPUT
	timeout 40 ffmpeg -v error -i "$1" -t 4 -f null - 2>"$T/errors"
	[ ! -s "$T/errors" ] || { cat "$T/errors"; return 1; }
}

# codecs NAME: as the master playlist says them
codecs() {
	curl -sf "http://127.0.0.1:$HTTP/live/$1/master.m3u8" | sed -n 's/.*CODECS="\([^"]*\)".*/\1/p'
}

@test "AV1 and Opus are packaged as fragmented MP4" {
	film av1 $AV1 -c:a libopus
	hls_up --set hls.mode=always
	packaged a
	holds a av1 opus
	[[ $(codecs a) == av01.0.*,opus ]]
	decodes "http://127.0.0.1:$HTTP/live/a.m3u8"
}

@test "VP9 and AAC are packaged as fragmented MP4" {
	film vp9 $VP9 -c:a aac
	hls_up --set hls.mode=always
	packaged v
	holds v vp9 aac
	[[ $(codecs v) == vp09.00.*,mp4a.40.2 ]]
	decodes "http://127.0.0.1:$HTTP/live/v.m3u8"
}

@test "L11 H.264 with Opus, and AV1 with Opus, in parts" {
	hls_up --set hls.mode=always --set hls.part=200ms
	film opus -c:v libx264 -preset ultrafast -bf 2 -b:v 300k -c:a libopus
	packaged o
	holds o h264 opus
	grep -q 'PART-TARGET=0.2' <<<"$list"
	film av1 $AV1 -c:a libopus
	packaged p
	holds p av1 opus
	python3 "$BATS_TEST_DIRNAME/hls_lint.py" "http://127.0.0.1:$HTTP/live/p.m3u8" 4
}
