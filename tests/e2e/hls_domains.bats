#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How a domain's streams are packaged as HLS: what its own settings say goes before the configuration's.

load lib

setup() {
	e2e_setup
	printf 'memory:\n  arena: 256m\nhls:\n  segment: 1s\n' >"$T/up.yaml"
	up
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --open --ingest push.example.com
	fixture
	background encoder ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/a?vhost=push.example.com"
}

teardown() {
	e2e_teardown
}

hls() { # NAME=VALUE...: of the domain
	mr domain set play.example.com live_play "$@"
}

asked() { # HTTP status of the playlist
	curl -s -o "$T/list" -w '%{http_code}' --max-time 15 -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/a.m3u8"
}

packaged() {
	mr hls list --json | jq -e 'any(.packages[]; .stream == "push.example.com/live/a" and .state == "running")' >/dev/null
}

@test "always packages what nobody asked for, off refuses it by its reason, whatever hls.mode is" {
	within 10 eval 'mr stream list --json | jq -e "any(.streams[]; .stream == \"push.example.com/live/a\")" >/dev/null'
	not packaged
	hls hls=always
	within 30 packaged
	[ "$(asked)" = 200 ]
	hls hls=off
	within 10 eval '[ "$(asked)" = 404 ]'
	grep -q 'not offered as HLS' "$T/list"
}

@test "on demand a domain's own idle time ends packaging, and asking begins it again" {
	hls hls=on_demand hls_idle=5
	within 30 eval '[ "$(asked)" = 200 ]'
	within 10 packaged
	within 30 not packaged
	within 30 eval '[ "$(asked)" = 200 ]'
	within 10 packaged
}
