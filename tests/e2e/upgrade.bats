#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A new data plane in the place of one that serves: nobody is refused, nobody is cut before his time.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

# takeover [option...]: another data plane takes over from the one that serves; OLD and DP are their ids
takeover() {
	OLD=$DP
	background next millrace-dp --takeover --state "$S" --set "rtmp.listen=127.0.0.1:$RTMP" \
		--set "http.listen=127.0.0.1:$HTTP" --set memory.arena=256m "$@"
	DP=$PID
	within 15 grep -q 'event=takeover state=begun' "$T/next.log"
}

# Connections in a loop until the file $T/stop is there, each answered by whoever got it; what went wrong is in
# $T/knock.log, how many were answered in $T/knocked.
knock() {
	cat >"$T/knock.py" <<'PY'
import os, socket, sys, time
rtmp, http, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def rtmp_answers():
    with socket.create_connection(('127.0.0.1', rtmp), 10) as s:
        s.sendall(b'\x03' + bytes(8) + b'x' * 1528)
        got = b''
        while len(got) < 1 + 1536 * 2:
            part = s.recv(8192)
            if not part:
                raise SystemExit('RTMP: closed in the handshake')
            got += part
def http_answers():
    with socket.create_connection(('127.0.0.1', http), 10) as s:
        s.sendall(b'OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        if not s.recv(4096).startswith(b'HTTP/1.1 204'):
            raise SystemExit('HTTP: not answered')
n = 0
while not os.path.exists(folder + '/stop'):
    rtmp_answers()
    http_answers()
    n += 2
    with open(folder + '/knocked.new', 'w') as f:
        f.write(str(n))
    os.rename(folder + '/knocked.new', folder + '/knocked')
PY
	background knock python3 "$T/knock.py" "$RTMP" "$HTTP" "$T"
	KNOCK=$PID
	within 10 knocked 20
}

knocked() {
	[ "$(cat "$T/knocked" 2>/dev/null || echo 0)" -ge "$1" ]
}

grows() { # FILE BYTES
	[ "$(stat -c %s "$1")" -gt "$2" ]
}

@test "of a loop of RTMP and HTTP connections through the whole upgrade none is refused" {
	dp_start --set cores=2
	knock
	takeover --set cores=2 --set upgrade.drain=1s
	end_of "$OLD" 15
	grep -q 'state=over' "$T/dp.log"
	knocked $(($(cat "$T/knocked") + 20)) || within 10 knocked $(($(cat "$T/knocked") + 20))
	takeover --set cores=3 --set upgrade.drain=1s
	end_of "$OLD" 15
	alive "$KNOCK"
	touch "$T/stop"
	end_of "$KNOCK" 10
	[ ! -s "$T/knock.log" ]
}

@test "viewers and the encoder stay until the drain's end, who comes gets the same stream from the new one" {
	dp_start --set cores=2
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	background stays curl -sN -o "$T/stays.flv" "http://127.0.0.1:$HTTP/live/a.flv"
	STAYS=$PID
	within 10 grows "$T/stays.flv" 50000
	takeover --set cores=2 --set upgrade.drain=10s
	grep -q 'event=takeover state=begun streams=1' "$T/next.log"
	# Both go on: the one from the old process, the other from the new one's bridge.
	packets "rtmp://127.0.0.1:$RTMP/live/a" 3 >"$T/new"
	same_packets "$T/new"
	alive "$OLD" && alive "$STAYS"
	within 10 grows "$T/stays.flv" $(($(stat -c %s "$T/stays.flv") + 50000))
	end_of "$OLD" 30
	end_of "$STAYS" 5
	grep -q 'state=over cause=time' "$T/dp.log"
}

@test "an encoder that reconnects takes its name over from the bridge, its viewers stay" {
	dp_start
	exec 8<>"/dev/tcp/127.0.0.1/$RTMP" # the old one is not empty before the end
	script NEXT_LOG="$T/next.log" <<'PY'
import subprocess
first = Peer().live('a')
start = ['millrace-dp', '--takeover', '--state', os.environ['STATE'], '--set', 'rtmp.listen=127.0.0.1:' + os.environ['RTMP'],
         '--set', 'http.listen=127.0.0.1:' + os.environ['HTTP'], '--set', 'memory.arena=256m', '--set', 'upgrade.drain=30s']
log = open(os.environ['NEXT_LOG'], 'w')
new = subprocess.Popen(start, stderr=log)
try:
    wait_for(lambda: 'event=takeover state=begun streams=1' in open(log.name).read())
    viewer = Peer().watch('a')
    first.video(80, key(2, 2000))
    assert viewer.media(1) == [(VIDEO, 80, key(2, 2000))]
    second = Peer().live('a', at=120)
    second.video(160, key(3, 2000))
    while viewer.media(1)[-1][2] != key(3, 2000):
        pass
finally:
    new.terminate()
    new.wait(10)
PY
}

@test "millrace upgrade: tasks run again by themselves, the control plane knows the new data plane" {
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\nupgrade:\n  drain: 5s\n' >"$T/up.yaml"
	up
	publish a
	within 10 stream_live live/a
	id=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/b")
	within 15 task_is "$id" 1
	old=$(pid_of dp)
	mr upgrade
	[ "$(pid_of dp | wc -l)" = 2 ]
	within 15 up_ready
	within 15 task_is "$id" 1
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/b.flv"
	end_of "$old" 15
	[ "$(pid_of dp | wc -l)" = 1 ]
	mr status --json | jq -e .dataplane.connected
}

@test "--detach ends well once the new one serves, and the service manager is told which process it is" {
	dp_start
	NOTIFY_SOCKET=$T/notify timeout 60 python3 - millrace-dp --takeover --detach --state "$S" --set "rtmp.listen=127.0.0.1:$RTMP" \
		--set "http.listen=127.0.0.1:$HTTP" --set memory.arena=256m --set upgrade.drain=1s >"$T/pid" 2>"$T/next.log" <<'PY'
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(os.environ['NOTIFY_SOCKET'])
s.settimeout(30)
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
ready, main = s.recv(200).decode().split('\n')
assert ready == 'READY=1', ready
print(main.removeprefix('MAINPID='))
PY
	PIDS+=("$(cat "$T/pid")")
	end_of "$DP" 15
	alive "$(cat "$T/pid")"
	listening "$HTTP"
}

@test "a new one that cannot start changes nothing, and says why" {
	dp_start --set cores=2
	run millrace-dp --takeover --state "$S" --set cores=1
	[ "$status" = 1 ]
	[[ $output == *"it has 2 cores, and this one 1"* ]]
	run millrace-dp --state "$S" --set "rtmp.listen=127.0.0.1:0" --set "http.listen=127.0.0.1:0"
	[[ $output == *"replace it with --takeover"* ]]
	listening "$RTMP"
	alive "$DP"
}
