#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Live channels on two nodes: what one of them recorded is found by who asks the other.
#
#   client -> node a -307-> node b, which recorded; both on one redis-server

load lib
load oss

setup() {
	e2e_setup
	fixture
	ports 7
	REDIS_PORT=${PORTS[6]}
	background redis redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --appendonly no --dir "$T"
	within 5 listening "$REDIS_PORT"
	A=127.0.0.1:${PORTS[2]} B=127.0.0.1:${PORTS[5]} RTMP=${PORTS[3]}
	node a 0 "$A"
	node b 3 "$B"
	millrace --state "$T/a" bucket create films
	as "$T/a"
	OSS_AT=$A make_channel c 1 3
	as "$T/b"
	export OSS_AT=$B
	within 10 eval 'oss GET films "c?live" && oss_is 200'
	background sends ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/c?vhost=films&$(signed c)"
	SENDS=$PID
	F=$T/b/objects/films/c
	within 30 recorded 3
	as "$T/a"
	OSS_AT=$A
}

teardown() {
	e2e_teardown
}

node() { # NAME FIRST_PORT API
	mkdir -m 700 "$T/$1"
	printf 'memory:\n  arena: 256m\nnode: %s\ncluster:\n  enabled: true\noss:\n  address: "http://%s"\n' "$1" "$3" >"$T/$1.yaml"
	background "up-$1" millrace up --state "$T/$1" --config "$T/$1.yaml" --rtmp "127.0.0.1:${PORTS[$2]}" \
		--http "127.0.0.1:${PORTS[$2 + 1]}" --api "$3" --redis "redis://127.0.0.1:$REDIS_PORT"
	within 20 eval "[ \"\$(millrace --state $T/$1 status --json 2>/dev/null | jq -r '.dataplane.connected and .redis.connected')\" = true ]"
}

recorded() { # N
	[ "$(find "$F" -name '*.ts' 2>/dev/null | wc -l)" -ge "$1" ]
}

# location: where the last answer sends its client
location() {
	oss_is 307 && sed -n 's/^Location: //p' "$T/answer"
}

status() { # curl's options
	curl -s -o /dev/null -w '%{http_code}' "$@"
}

@test "a signed GET, HEAD or DELETE at one node is sent to the node that recorded, with a pass for it alone" {
	name=$(find "$F" -name '*.ts' -printf '%f\n' | sort | head -n 1)
	oss GET films "c/$name"
	at=$(location)
	[[ $at == "http://$B/films/c/$name?"* ]]
	curl -s "$at" -o "$T/got"
	cmp "$T/got" "$F/$name"
	[ "$(status "${at/$name/playlist.m3u8}")" = 403 ]
	[ "$(status "$at&live")" = 403 ]
	[ "$(status -X DELETE "$at")" = 403 ]
	[ "$(status "${at/mr-expires=/mr-expires=9}")" = 403 ]
	oss HEAD films "c/$name"
	[ "$(status -I "$(location)")" = 200 ]
	oss DELETE films "c/$name"
	[ "$(status -X DELETE "$(location)")" = 204 ]
	[ ! -e "$F/$name" ]
	oss GET films c/none.ts
	[ "$(status "$(location)")" = 404 ]
	oss GET films none/x.ts
	oss_is 404 NoSuchKey
	oss GET films '?prefix=c/'
	oss_is 200
}

@test "a player at one node plays what the other records; a VOD playlist is found there too" {
	curl -s "http://$A/films/c/playlist.m3u8" | grep -q AccessDenied
	millrace --state "$T/a" bucket acl films public-read
	within 10 eval '[ "$(status "http://$B/films/c/playlist.m3u8")" = 200 ]'
	[ "$(status -L "http://$A/films/c/playlist.m3u8")" = 200 ]
	timeout 40 ffmpeg -v error -i "http://$A/films/c/playlist.m3u8" -t 3 -c copy -f mpegts "$T/got.ts"
	[ "$(ffprobe -v error -select_streams v -show_entries packet=size -of csv=p=0 "$T/got.ts" | grep -c .)" -ge 60 ]
	kill "$SENDS"
	now=$(date +%s)
	oss GET films "c?vod&startTime=$((now - 300))&endTime=$((now + 300))"
	curl -s "$(location)" | grep -q ENDLIST
	oss POST films "c/all.m3u8?vod&startTime=$((now - 300))&endTime=$((now + 300))"
	[ "$(status -X POST "$(location)")" = 200 ]
	[ "$(status -L "http://$A/films/c/all.m3u8")" = 200 ]
}
