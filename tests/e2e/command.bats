#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a person sees: the command line, its errors, the demo, installing.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "an unknown configuration key: line, name, nearest key; nothing starts" {
	printf 'rtmp:\n  lisen: 127.0.0.1:1\n' >"$T/c.yaml"
	run millrace up --state "$S" --config "$T/c.yaml"
	[ "$status" -ne 0 ]
	[[ $output == *"c.yaml:2:"*rtmp.lisen*rtmp.listen* ]]
	[ ! -e "$S/dp.sock" ]
	for program in millrace-dp millrace-cp; do
		run "$program" --state "$S" --config "$T/c.yaml"
		[ "$status" -ne 0 ]
		[[ $output == *"c.yaml:2:"*rtmp.lisen*rtmp.listen* ]]
	done
}

@test "a port in use and an unreadable configuration give one clear line" {
	ports 3
	background holder python3 -c "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',${PORTS[0]})); s.listen(); time.sleep(60)"
	within 5 listening "${PORTS[0]}"
	run millrace up --state "$S" --rtmp "127.0.0.1:${PORTS[0]}" --http "127.0.0.1:${PORTS[1]}" --api "127.0.0.1:${PORTS[2]}"
	[ "$status" -ne 0 ]
	[[ $output == *"127.0.0.1:${PORTS[0]}"*"in use"* ]]
	run millrace up --state "$S" --config "$T/none.yaml"
	[ "$status" -ne 0 ]
	[[ $output == *none.yaml*"No such file"* ]]
}

@test "every command has --help, an unknown one names the nearest, exit codes mean something" {
	for c in up status task stream viewer reload drain config version "task create" "task list" "stream kick"; do
		# shellcheck disable=SC2086 # a command and its noun
		run -0 millrace $c --help
		[[ $output == *[Uu]sage* ]]
	done
	run -2 millrace statsu
	[[ $output == *status* ]]
	run -3 mr status
	[[ $output == *"millrace up"* ]]
	run -0 millrace version
	[[ $output == *millrace* ]]
}

@test "up, status, stream and viewer commands on a running node" {
	up
	publish a
	within 10 stream_live live/a
	background viewer curl -s -o /dev/null "http://127.0.0.1:$HTTP/live/a.flv"
	viewer=$PID
	within 5 viewers_of live/a 1
	run -0 mr status
	[[ $output == *live/a* ]]
	run -0 mr stream show default/live/a
	[[ $output == *h264* ]]
	[[ $output == *320x180* ]]
	run -0 mr viewer list --json
	id=$(jq -er '.viewers[0].id' <<<"$output")
	run -0 mr viewer kick "$id"
	end_of "$viewer" 5
	run -1 mr stream kick default/live/none
	run -0 mr stream kick default/live/a
	within 5 not stream_live live/a
}

viewers_of() {
	mr status --json | jq -e --arg k "default/$1" --argjson n "$2" 'any(.streams[]; .stream == $k and .viewers_rtmp + .viewers_flv == $n)' >/dev/null
}

@test "a second 'up' on the same state says who runs" {
	up
	run millrace up --state "$S"
	[ "$status" -ne 0 ]
	[[ $output == *"$UP"* ]]
}

@test "up --demo relays the demo source; SIGINT ends all of it within five seconds" {
	up --demo
	within 20 stream_live live/relay
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/relay.flv"
	grep -q "rtmp://127.0.0.1:$RTMP/live/relay" "$T/up.log"
	children=$(pgrep -P "$UP")
	kill -INT "$UP"
	end_of "$UP" 5
	for pid in $children; do
		run ! alive "$pid"
	done
	run ! listening "$RTMP"
}

@test "make install: programs find each other from any DESTDIR" {
	make -s -C "$TOP" install DESTDIR="$T/root" PREFIX=/opt/mr
	[ -x "$T/root/opt/mr/bin/millrace-dp" ]
	[ -s "$T/root/opt/mr/share/man/man1/millrace.1" ]
	grep -q /opt/mr/bin/millrace-dp "$T/root/opt/mr/lib/systemd/system/millrace-dp.service"
	ports 3
	RTMP=${PORTS[0]} HTTP=${PORTS[1]} API=${PORTS[2]}
	PATH=/usr/bin:/bin background up "$T/root/opt/mr/bin/millrace" up --state "$S" --rtmp "127.0.0.1:$RTMP" \
		--http "127.0.0.1:$HTTP" --api "127.0.0.1:$API"
	within 20 up_ready
}
