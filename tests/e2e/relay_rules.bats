#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What relay tasks promise beside moving packets: when they run, where they may connect to, what a slow
# destination and a short gap of the source do.

load lib

setup() {
	e2e_setup
	nginx_start
}

teardown() {
	e2e_teardown
}

publish_to_source() {
	fixture
	background "publish-$1" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/$1"
	SOURCE=$PID
}

# configure LINE...: the configuration of `up`
configure() {
	printf '%s\n' 'memory:' '  arena: 256m' 'tasks:' '  retry_interval_min: 1' "$@" >"$T/up.yaml"
}

described() {
	api Action=DescribeLivePullToPush Region=local "TaskId=$1"
}

failed_with() { # task word
	[[ $(described "$1") == *"$2"* ]]
}

legs() { # kind state: how often a leg of the kind came into the state
	grep -c "event=relay .*kind=$1 .*state=$2" "$S/log/dp.log"
}

@test "P3: a destination that takes media for a moment and closes never makes the task Running" {
	up
	publish_to_source a
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/closed/a" RetryCount=3)
	within 30 task_is "$TASK" 3
	[ "$(legs push failed)" -ge 3 ]
	[ "$(legs push running)" = 0 ]
	grep -q 'event=task .*state=Running' "$S/log/cp.log" && return 1
	described "$TASK" | jq -e '.TaskInvalidReason == "PushStreamFailed"' >/dev/null
}

@test "U7: relay.deny holds for sources, destinations and redirects" {
	configure relay: '  deny: 10.0.0.0/8 127.0.0.2 ::1'
	up
	publish live
	TASK=$(relay_create "rtmp://127.0.0.2:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/a")
	within 10 failed_with "$TASK" address_denied
	TASK=$(relay_create "rtmp://[::ffff:127.0.0.2]:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/b")
	within 10 failed_with "$TASK" address_denied
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/live.flv"
	TASK=$(relay_create "http://127.0.0.1:$HTTP/live/live.flv" "rtmp://127.0.0.2:$NGX/dst/c")
	within 10 failed_with "$TASK" address_denied
	ports 1
	printf 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:%s/live/live.flv\r\n\r\n' "$HTTP" >"$T/redirect.txt"
	background redirect socat "TCP-LISTEN:${PORTS[0]},bind=127.0.0.1,reuseaddr,fork" "SYSTEM:cat $T/redirect.txt"
	within 5 listening "${PORTS[0]}"
	TASK=$(relay_create "http://127.0.0.1:${PORTS[0]}/x" "rtmp://127.0.0.1:$NGX/dst/d")
	within 10 failed_with "$TASK" address_denied
	TASK=$(relay_create "http://localhost:$HTTP/live/live.flv" "rtmp://127.0.0.1:$NGX/dst/e")
	within 10 task_is "$TASK" 1
}

@test "U7: what is no address range is refused with its name" {
	configure relay: '  deny: 10.0.0.0/8 intranet'
	run ! millrace-dp --state "$S" --config "$T/up.yaml"
	[[ $output == *"relay.deny: intranet"* ]]
}

@test "P9: the destination's connection outlives a gap of the source that is shorter than the hold" {
	configure publish: '  hold: 20s' '  hold_on_unpublish: true'
	up
	publish_to_source a
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/a")
	within 10 task_is "$TASK" 1
	background player ffmpeg -v warning -i "rtmp://127.0.0.1:$NGX/dst/a" -c copy -flush_packets 1 -f framemd5 "$T/dst.md5"
	player=$PID
	within 10 test -s "$T/dst.md5"
	kill -TERM "$SOURCE"
	within 15 task_is "$TASK" 2
	frames=$(wc -l <"$T/dst.md5")
	publish_to_source a
	within 15 task_is "$TASK" 1
	within 10 more_lines "$T/dst.md5" "$frames"
	alive "$player"
	[ "$(legs push running)" = 1 ]
	[ "$(legs push waiting)" = 1 ]
}

more_lines() { # file than
	[ "$(wc -l <"$1")" -gt $(($2 + 50)) ]
}

@test "P7: a task that would feed its own source is refused" {
	up
	publish live
	within 10 stream_live live/live
	run ! relay_create "rtmp://127.0.0.1:$RTMP/live/live" "rtmp://127.0.0.1:$RTMP/live/live?x=y"
	[[ $output == *DstUrl* ]]
	# By another name of the same place the server's own rule holds: it is publishing already.
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/live" "rtmp://localhost:$RTMP/live/live")
	within 10 failed_with "$TASK" remote_busy
	stream_live live/live
	flv_plays "http://127.0.0.1:$HTTP/live/live.flv"
}

# leg_says ID JQ: what push.list has about a push of the data plane alone
leg_says() {
	script LEG="$1" <<'PY' 2>/dev/null | jq -e "$2" >/dev/null
import json
print(json.dumps([l for l in Control().ask('push.list')['pushes'] if l['id'] == os.environ['LEG']][0]))
PY
}

@test "P8: a destination that stops reading is given up, another push of the stream gets every packet" {
	dp_start --set play.stall_timeout=2s
	publish a
	ports 2
	background far millrace-dp --state "$T/far" --set "rtmp.listen=127.0.0.1:${PORTS[0]}" \
		--set "http.listen=127.0.0.1:${PORTS[1]}" --set memory.arena=64m
	far=$PID
	within 10 listening "${PORTS[0]}"
	script FAR="${PORTS[0]}" NGX="$NGX" <<'PY'
control = Control()
for leg, port in (('slow', os.environ['FAR']), ('good', os.environ['NGX'])):
    control.ask('push.create', leg=leg, stream='default/live/a', url=f'rtmp://127.0.0.1:{port}/dst/a')
PY
	within 10 leg_says slow '.state == "running"'
	within 10 leg_says good '.state == "running"'
	kill -STOP "$far"
	packets "rtmp://127.0.0.1:$NGX/dst/a" 12 >"$T/good.txt" &
	good=$!
	within 30 leg_says slow '.state == "failed" and .reason == "remote_slow"'
	wait "$good"
	same_packets "$T/good.txt"
	leg_says good '.state == "running"'
}
