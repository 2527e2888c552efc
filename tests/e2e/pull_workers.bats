#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Streams that a domain pulls from what the data plane cannot read itself: HLS, HTTP-TS, SRT, RTSP.
#
#   ffmpeg or a server -> millrace-worker -> data plane -> viewers

load lib
load domains
load clips

setup() {
	e2e_setup
	printf 'memory:\n  arena: 256m\npublish:\n  hold: 20s\n' >"$T/up.yaml"
	up
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --open --ingest push.example.com
	fixture
	www_start
}

teardown() {
	if [ "${BATS_TEST_COMPLETED:-0}" != 1 ]; then
		tail -n 30 "$S"/log/[cd]p.log 2>/dev/null | sed 's/^/# /'
	fi
	e2e_teardown
}

hls_source() { # NAME
	background "hls-$1" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f hls -hls_time 1 -hls_list_size 5 "$T/www/$1.m3u8"
	within 15 test -s "$T/www/$1.m3u8"
}

add() { # NAME URL
	pull AddLivePullStreamInfoConfig "$1" "SourceUrl=$2" "StartTime=$(utc '-1 minute')" "EndTime=$(utc '+1 hour')" | jq -e '.Code == null'
}

lazy() { # k=v...
	api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live "$@" | jq -e '.Code == null'
}

workers() {
	pgrep -P "$(pid_of cp)" -c -x millrace-worker || :
}

# grows FILE: by 100 KB
grows() {
	local from
	from=$(stat -c %s "$1")
	within 30 eval "[ \$(stat -c %s $1) -gt $((from + 100000)) ]"
}

viewer() { # NAME: of a stream, into $T/out-NAME
	background "viewer-$1" curl -s -o "$T/out-$1" -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/$1.flv"
	VIEWER=$PID
	within 20 test -s "$T/out-$1"
}

@test "regular pulls from HLS, HTTP-TS, SRT and RTSP: shown as pulls, in the window, gone when they are deleted" {
	ports 2
	hls_source h
	background ts ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -bsf:v h264_mp4toannexb -f mpegts -listen 1 "http://127.0.0.1:${PORTS[0]}/a.ts"
	background srt ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -bsf:v h264_mp4toannexb -f mpegts "srt://127.0.0.1:${PORTS[1]}?mode=listener"
	background rtsp env TMPDIR="$T" python3 "$TOP/tests/e2e/rtsp_server.py" "$AV"
	within 20 test -s "$T/rtsp.log"
	add h "$WWW/h.m3u8"
	add t "http://127.0.0.1:${PORTS[0]}/a.ts"
	add s "srt://127.0.0.1:${PORTS[1]}"
	add r "rtsp://127.0.0.1:$(head -1 "$T/rtsp.log")/cam"
	for name in h t s r; do
		within 30 eval '[ "$(state $name)" = "online pull" ]'
		within 10 plays "$name"
	done
	[ "$(workers)" = 4 ]
	pull DescribeLivePullStreamConfig x | jq -e --arg u "$WWW/h.m3u8" '.LiveAppRecordList.LiveAppRecord | length == 4 and any(.SourceUsing == $u)'
	mr stream list --json | jq -e '[.streams[].protocol] | unique == ["worker-pull"]'
	for name in h t s r; do pull DeleteLivePullStreamInfoConfig "$name"; done
	within 30 eval '[ "$(workers)" = 0 ]'
	within 30 eval '[ "$(state h)" = "offline push" ]'
}

@test "a viewer of a pull by a worker stays through kills of the worker and of the control plane; the data plane's comes back; an edit to RTMP needs no worker" {
	nginx_start
	background origin ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/one"
	hls_source a
	add a "http://127.0.0.1:9/none.m3u8;$WWW/a.m3u8"
	within 30 eval '[ "$(state a)" = "online pull" ]'
	viewer a
	kill -KILL "$(pgrep -P "$(pid_of cp)" -x millrace-worker)"
	grows "$T/out-a"
	kill -KILL "$(pid_of cp)"
	within 20 up_ready
	grows "$T/out-a"
	alive "$VIEWER"
	[ "$(workers)" = 1 ]
	kill -KILL "$(pid_of dp)"
	within 30 eval '[ "$(state a)" = "online pull" ]'
	within 30 plays a
	pull UpdateLivePullStreamInfoConfig a "SourceUrl=rtmp://127.0.0.1:$NGX/src/one" "StartTime=$(utc '-1 minute')" "EndTime=$(utc '+1 hour')"
	within 20 eval 'mr stream list --json | jq -e ".streams[0].protocol == \"rtmp-pull\""'
	within 20 eval '[ "$(workers)" = 0 ]'
	plays a
}

@test "a triggered pull from HLS is one worker for all viewers, survives a killed control plane, and ends when nobody watches (P5)" {
	hls_source a
	lazy "PullDomainName=${WWW#http://}" PullAppName=www PullProtocol=hls IdleTime=3
	[ "$(workers)" = 0 ]
	within 30 plays a
	viewer a
	[ "$(state a)" = "online pull" ]
	plays a &
	plays a &
	wait -n
	[ "$(workers)" = 1 ]
	kill -KILL "$(pid_of cp)"
	within 20 up_ready
	grows "$T/out-a"
	alive "$VIEWER"
	kill "$VIEWER"
	within 30 eval '[ "$(workers)" = 0 ]'
	within 40 eval '[ "$(state a)" = "offline push" ]'
	[ "$(redis-cli -s "$S/redis/redis.sock" HLEN "mr:pulling:$(mr node list --json | jq -r '.nodes[] | select(.This) | .Node')")" = 0 ]
}

@test "what is forbidden is not pulled by a worker either, and what it cannot read is told" {
	hls_source a
	api Action=ForbidLiveStream DomainName=push.example.com AppName=live StreamName=a LiveStreamType=publisher | jq -e '.Code == null'
	add a "$WWW/a.m3u8"
	add b "$WWW/none.m3u8"
	within 20 grep -q 'event=pull_failed stream=push.example.com/live/b .*reason=remote_not_found' "$S/log/cp.log"
	within 20 grep -q 'stream=push.example.com/live/a reason=forbidden' "$S/log/dp.log"
	[ "$(state a)" = "offline push" ]
	api Action=ResumeLiveStream DomainName=push.example.com AppName=live StreamName=a LiveStreamType=publisher | jq -e '.Code == null'
	within 40 eval '[ "$(state a)" = "online pull" ]'
}

@test "a source that nothing reads, or with an SRT mode of its own, is refused by its field" {
	for source in http://h/a.mp4 'srt://h:9?mode=listener' rtsps://h/a 'rtmp://h/a/b;file:///etc/passwd'; do
		run -0 pull AddLivePullStreamInfoConfig a "SourceUrl=$source" "StartTime=$(utc '-1 minute')" "EndTime=$(utc '+1 hour')"
		jq -e '.Code == "InvalidParameter" and (.Message | test("SourceUrl, URL"))' <<<"$output"
	done
}
