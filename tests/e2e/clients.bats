#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Encoders and players that people use, with their own RTMP and HTTP code: each publishes or plays,
# and what arrives are the published packets. One that is not installed is skipped, but not with
# CI=true.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

needs() { # program [GStreamer element]
	if command -v "$1" >/dev/null && { [ -z "$2" ] || gst-inspect-1.0 --exists "$2"; }; then
		return
	fi
	if [ "$CI" = true ]; then
		echo "# $* is missing, and CI=true allows no skipped test"
		return 1
	fi
	skip "$* is not installed"
}

live() { # name: it is being published, by RTMP and HTTP
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/$1.flv"
}

flv_is_published() { # FLV file: its packets are the fixture's
	packets "$1" 60 >"$T/packets.txt"
	same_packets "$T/packets.txt"
}

# gst SECONDS pipeline...: runs it for so long, then ends it as a user would
gst() {
	timeout -k 5 -s INT "$1" gst-launch-1.0 -e "${@:2}" >>"$T/gst.log" 2>&1 || [ $? -eq 124 ]
}

# gst_copies SOURCE...: the source's FLV, taken apart and put together by GStreamer, is the fixture
gst_copies() {
	gst 4 "$@" ! flvdemux name=d flvmux name=m streamable=true ! filesink location="$T/gst.flv" \
		d.video ! queue ! m.video d.audio ! queue ! m.audio
	flv_is_published "$T/gst.flv"
}

# rtmpdump_plays option...: it writes until it is interrupted, which it calls an incomplete download
rtmpdump_plays() {
	timeout -k 5 -s INT 4 rtmpdump -q --live -o "$T/dump.flv" "$@" || :
	flv_is_published "$T/dump.flv"
}

# gst_publishes SINK: GStreamer sends the fixture's packets as they are, and players get them
gst_publishes() {
	needs gst-launch-1.0 "$1"
	dp_start
	fixture
	background gst gst-launch-1.0 filesrc location="$AV" ! flvdemux name=d flvmux name=m streamable=true ! \
		"$1" location="rtmp://127.0.0.1:$RTMP/live/a" \
		d.video ! queue ! identity sync=true ! m.video d.audio ! queue ! identity sync=true ! m.audio
	live a
	packets "rtmp://127.0.0.1:$RTMP/live/a" 4 >"$T/rtmp.txt"
	same_packets "$T/rtmp.txt"
}

@test "GStreamer publishes with rtmp2sink" {
	gst_publishes rtmp2sink
}

@test "librtmp publishes: GStreamer's rtmpsink" {
	gst_publishes rtmpsink
}

@test "GStreamer plays with rtmp2src" {
	needs gst-launch-1.0 rtmp2src
	dp_start
	publish a
	live a
	gst_copies rtmp2src location="rtmp://127.0.0.1:$RTMP/live/a"
}

@test "GStreamer plays HTTP-FLV" {
	needs gst-launch-1.0 souphttpsrc
	dp_start
	publish a
	live a
	gst_copies souphttpsrc is-live=true location="http://127.0.0.1:$HTTP/live/a.flv"
}

@test "rtmpdump (librtmp) plays" {
	needs rtmpdump
	dp_start
	publish a
	live a
	rtmpdump_plays -r "rtmp://127.0.0.1:$RTMP/live/a"
}

@test "rtmpdump with the parts of the URL apart, a buffer and a player's identity" {
	needs rtmpdump
	dp_start
	publish a
	live a
	rtmpdump_plays --rtmp "rtmp://127.0.0.1:$RTMP" --app live --playpath a --tcUrl "rtmp://127.0.0.1:$RTMP/live" \
		--buffer 100 --flashVer 'LNX 11,2,202,235' --swfUrl http://example.com/p.swf --pageUrl http://example.com/ \
		--conn B:1 --conn S:token
}

@test "curl: HTTP/1.1 and HTTP/1.0, with a Range that live ignores (H4)" {
	dp_start
	publish a
	live a
	for how in --http1.1 --http1.0 '--range 0-'; do
		# shellcheck disable=SC2086 # an option and its value
		run curl -s $how --max-time 4 -o "$T/curl.flv" -w '%{http_code}' "http://127.0.0.1:$HTTP/live/a.flv"
		[ "$output" = 200 ]
		flv_is_published "$T/curl.flv"
	done
}

@test "ffmpeg: every kind of live stream it may ask for" {
	dp_start
	publish a
	live a
	for kind in any live recorded; do
		timeout 15 ffmpeg -v error -rtmp_live $kind -rtmp_buffer 100 -i "rtmp://127.0.0.1:$RTMP/live/a" -t 2 -c copy \
			-f flv "$T/$kind.flv"
		flv_is_published "$T/$kind.flv"
	done
}

@test "U1, U2: applications with levels, parameters in the application and in the key" {
	dp_start
	fixture
	i=0
	while read -r path name; do
		i=$((i + 1))
		background "pub$i" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/$path"
		pub=$PID
		within 10 flv_plays "http://127.0.0.1:$HTTP/$name.flv?token=viewer"
		rtmp_plays "rtmp://127.0.0.1:$RTMP/$path"
		kill "$pub"
		end_of "$pub" 5
	done <<-'END'
		live/plain live/plain
		live/key?token=k live/key
		live?token=a/app live/app
		live?token=a/both?token=k&x=1 live/both
		live/level/deep live/level/deep
		live/_definst_/inst live/inst
		live/with%20space live/with%20space
		live/dot.ted.name live/dot.ted.name
	END
}

@test "U1: a player's own options say what the URL does not" {
	dp_start
	publish a
	live a
	for options in '-rtmp_app live -rtmp_playpath a' '-rtmp_playpath a?token=x' '-rtmp_playpath flv:a' \
		'-rtmp_tcurl rtmp://localhost/live'; do
		# shellcheck disable=SC2086 # options and their values
		timeout 15 ffmpeg -v error $options -i "rtmp://127.0.0.1:$RTMP/live/a" -t 1 -c copy -f null -
	done
}
