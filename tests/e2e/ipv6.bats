#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# IPv6 listeners, dual stack, and literals in URLs.

load lib

setup() {
	e2e_setup
	[ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6 || skip "no IPv6 loopback"
}

teardown() {
	e2e_teardown
}

plays() { # host for RTMP and HTTP URLs
	rtmp_plays "rtmp://$1:$RTMP/live/a" && flv_plays "http://$1:$HTTP/live/a.flv"
}

@test "U6: [::1] takes encoders and players, and says who they are" {
	ports 2
	RTMP=${PORTS[0]} HTTP=${PORTS[1]}
	background dp millrace-dp --state "$S" --set "rtmp.listen=[::1]:$RTMP" --set "http.listen=[::1]:$HTTP" \
		--set memory.arena=64m --set cores=2
	within 10 grep -q event=start "$T/dp.log"
	fixture
	background publish ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://[::1]:$RTMP/live/a"
	within 10 plays '[::1]'
	grep -q 'event=publish stream=default/live/a protocol=rtmp peer="\?\[::1\]:' "$T/dp.log"
	run -7 curl -s --max-time 2 "http://127.0.0.1:$HTTP/live/a.flv"
}

@test "U6: an address for all is dual stack; IPv4 clients are shown as such, several addresses work" {
	ports 3
	RTMP=${PORTS[0]} HTTP=${PORTS[1]}
	background dp millrace-dp --state "$S" --set "rtmp.listen=:$RTMP" --set "http.listen=[::]:$HTTP 127.0.0.1:${PORTS[2]}" \
		--set memory.arena=64m --set cores=2
	within 10 listening "$RTMP"
	publish a
	within 10 plays 127.0.0.1
	plays '[::1]'
	flv_plays "http://127.0.0.1:${PORTS[2]}/live/a.flv"
	grep -q 'event=publish stream=default/live/a protocol=rtmp peer=127.0.0.1:' "$T/dp.log"
}

@test "U6: a push and a pull reach their ends by IPv6 literals" {
	ports 4
	RTMP=${PORTS[0]} HTTP=${PORTS[1]}
	background dp millrace-dp --state "$S" --set "rtmp.listen=:$RTMP" --set "http.listen=:$HTTP" --set memory.arena=64m
	# shellcheck disable=SC2034 # script() uses it
	DP=$PID
	background far millrace-dp --state "$T/far" --set "rtmp.listen=[::1]:${PORTS[2]}" --set "http.listen=[::1]:${PORTS[3]}" --set memory.arena=64m
	within 10 listening "$RTMP"
	within 10 grep -q event=start "$T/far.log"
	script FAR="${PORTS[2]}" FAR_HTTP="${PORTS[3]}" <<'PY'
first = Peer().live('a')
control, far = Control(), os.environ['FAR']
control.ask('push.create', leg='out', stream='default/live/a', url=f'rtmp://[::1]:{far}/far/b')
def running(kind):
    return [l['state'] for l in control.ask(f'{kind}.list')[f'{kind}es' if kind == 'push' else 'pulls']]
wait_for(lambda: 'running' in running('push'))
control.ask('pull.create', leg='in', stream='default/live/c', url=f'rtmp://[::1]:{far}/far/b')
control.ask('pull.create', leg='flv', stream='default/live/d', url=f'http://[::1]:{os.environ["FAR_HTTP"]}/far/b.flv')
n = 0
def flow():
    global n
    n += 1
    first.video(n * 40, key(n))
    return running('pull').count('running') == 2
wait_for(flow)
PY
}
