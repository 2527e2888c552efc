#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One encoder, real players: what is published is what is played, by RTMP and HTTP-FLV.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

plays_what_is_published() { # cores
	dp_start --set "cores=$1"
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	packets "rtmp://127.0.0.1:$RTMP/live/a" 4 >"$T/rtmp.txt" &
	packets "http://127.0.0.1:$HTTP/live/a.flv" 4 >"$T/flv.txt"
	wait $!
	same_packets "$T/rtmp.txt"
	same_packets "$T/flv.txt"
}

@test "one core: RTMP and HTTP-FLV players get the published packets" {
	plays_what_is_published 1
}

@test "two cores: RTMP and HTTP-FLV players get the published packets" {
	plays_what_is_published 2
}

@test "four cores on fewer CPUs: RTMP and HTTP-FLV players get the published packets" {
	plays_what_is_published 4
}

@test "a joiner starts with a key frame at once, not at the next one" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	for _ in 1 2 3 4; do
		first=$(timeout 10 ffprobe -v error -select_streams v -show_entries packet=flags -of csv=p=0 -read_intervals '%+#1' "rtmp://127.0.0.1:$RTMP/live/a")
		[[ $first == K* ]]
	done
}

@test "a second publisher is refused with 'already publishing', the first goes on" {
	dp_start
	publish a
	first=$PID
	within 10 rtmp_plays "rtmp://127.0.0.1:$RTMP/live/a"
	run -1 timeout 10 ffmpeg -v info -re -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/a"
	[[ $output == *"already publishing"* ]]
	alive "$first"
	rtmp_plays "rtmp://127.0.0.1:$RTMP/live/a"
}

@test "H5: an unknown stream is 404 at once by HTTP and StreamNotFound by RTMP" {
	dp_start
	run -0 curl -s -o "$T/body" -w '%{http_code} %{time_total}' --max-time 5 "http://127.0.0.1:$HTTP/live/nothing.flv"
	[[ $output == 404\ 0.0* ]]
	[ -s "$T/body" ]
	run timeout 8 ffprobe -v info "rtmp://127.0.0.1:$RTMP/live/nothing"
	[ "$status" -ne 0 ]
	[ "$status" -ne 124 ]
}

@test "H1: HEAD answers like GET without a body and without a viewer" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	run -0 curl -s -I --max-time 3 "http://127.0.0.1:$HTTP/live/a.flv"
	[[ ${lines[0]} == HTTP/1.1\ 200* ]]
	[[ ${output,,} == *"content-type: video/x-flv"* ]]
	run -0 curl -s -I --max-time 3 "http://127.0.0.1:$HTTP/live/nothing.flv"
	[[ ${lines[0]} == HTTP/1.1\ 404* ]]
}

@test "H2: preflight and CORS headers" {
	dp_start
	run -0 curl -s -i -X OPTIONS -H 'Origin: http://example.com' -H 'Access-Control-Request-Method: GET' \
		-H 'Access-Control-Request-Headers: Range' --max-time 3 "http://127.0.0.1:$HTTP/live/a.flv"
	[[ ${lines[0]} == HTTP/1.1\ 20[04]* ]]
	[[ ${output,,} == *"access-control-allow-origin: *"* ]]
	[[ ${output,,} == *"access-control-allow-methods:"*get* ]]
	[[ ${output,,} == *"access-control-allow-headers:"*range* ]]
}

@test "the end of the publisher ends its viewers, and the name is free again" {
	dp_start
	publish a
	pub=$PID
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	background viewer curl -s -o /dev/null "http://127.0.0.1:$HTTP/live/a.flv"
	viewer=$PID
	kill -TERM "$pub"
	end_of "$viewer" 5
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
}

@test "audio only and video only streams play" {
	dp_start
	fixture
	background ao ffmpeg -v warning -re -stream_loop -1 -i "$AV" -vn -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/ao"
	background vo ffmpeg -v warning -re -stream_loop -1 -i "$AV" -an -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/vo"
	within 10 rtmp_plays "rtmp://127.0.0.1:$RTMP/live/ao"
	within 10 rtmp_plays "http://127.0.0.1:$HTTP/live/vo.flv"
	run timeout 10 ffprobe -v error -show_entries stream=codec_type -of csv=p=0 "http://127.0.0.1:$HTTP/live/ao.flv"
	[ "$output" = audio ]
	run timeout 10 ffprobe -v error -show_entries stream=codec_type -of csv=p=0 "rtmp://127.0.0.1:$RTMP/live/vo"
	[ "$output" = video ]
}

@test "the data plane serves without a control plane and stops within two seconds" {
	dp_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	background viewer curl -s -o /dev/null "http://127.0.0.1:$HTTP/live/a.flv"
	viewer=$PID
	kill -TERM "$DP"
	end_of "$DP" 2
	end_of "$viewer" 2
}
