#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Players that ask for less than what is published.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

kinds() { # URL: of its streams
	timeout 20 ffprobe -v error -show_entries stream=codec_type -of csv=p=0 "$1" | sort | tr '\n' ' '
}

@test "M12: audio=0 and video=0 by HTTP-FLV and by RTMP" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	for url in "http://127.0.0.1:$HTTP/live/a.flv" "rtmp://127.0.0.1:$RTMP/live/a"; do
		[ "$(kinds "$url")" = "audio video " ]
		[ "$(kinds "$url?audio=0")" = "video " ]
		[ "$(kinds "$url?video=0")" = "audio " ]
	done
}

@test "a parameter that cannot be is answered with its name and rule" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	[ "$(curl -s "http://127.0.0.1:$HTTP/live/a.flv?hevc=old")" = "hevc: must be legacy or enhanced" ]
}
