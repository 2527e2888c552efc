# SPDX-License-Identifier: Apache-2.0
# What the end-to-end tests share: real programs on ports of their own, waits with deadlines, and a
# teardown that ends every process a test started, by its id.
# shellcheck shell=bash disable=SC2034

bats_require_minimum_version 1.5.0

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=${MILLRACE_BIN:-$TOP/build}
FIXTURES=$TOP/build/tests/fixtures
PATH=$BIN:$PATH
export MILLRACE_LOG_COLOR=never

# --- ground ---------------------------------------------------------------------------------

e2e_setup() {
	T=$(mktemp -d "${TMPDIR:-/tmp}/millrace-e2e.XXXXXX")
	S=$T/state
	mkdir -m 700 "$S"
	PIDS=()
}

e2e_teardown() {
	local pid status=${BATS_TEST_COMPLETED:-0}
	for pid in "${PIDS[@]}"; do
		kill -CONT "$pid" 2>/dev/null
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${PIDS[@]}"; do
		end_of "$pid" 6 || kill -KILL "$pid" 2>/dev/null
	done
	if [ "$status" != 1 ] && compgen -G "$T/*.log" >/dev/null; then
		tail -n 25 "$T"/*.log "$S"/log/*.log 2>/dev/null | sed 's/^/# /'
	fi
	rm -rf "$T"
}

# background NAME command...: runs it with its output in $T/NAME.log; its id is in $PID
background() {
	local name=$1
	shift
	"$@" >>"$T/$name.log" 2>&1 3>&- 4>&- </dev/null &
	PID=$!
	PIDS+=("$PID")
}

alive() {
	[ -d "/proc/$1" ] && [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)" != Z ]
}

# end_of PID SECONDS: waits for a process to end
end_of() {
	within "$2" not alive "$1"
}

not() {
	! "$@"
}

# within SECONDS command...: until it succeeds; false at the deadline, which is later in the guest of
# tests/guest/run, whose processor is emulated
within() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * ${PATIENCE:-1} * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
		read -rt 0.05 <> <(:) || :
	done
}

# ports N: sets PORTS to N free TCP ports of the loopback, below those that connections take for themselves
ports() {
	mapfile -t PORTS < <(python3 - "$1" <<'PY'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(('127.0.0.1', random.SystemRandom().randrange(12000, 32000)))
        held.append(s)
    except OSError:
        s.close()
for s in held:
    print(s.getsockname()[1])
PY
	)
}

listening() {
	(exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# --- Millrace -------------------------------------------------------------------------------

# dp_start [option...]: the data plane alone; sets RTMP, HTTP (ports) and DP (process id)
dp_start() {
	ports 2
	RTMP=${PORTS[0]} HTTP=${PORTS[1]}
	dp_run "$@"
}

# over_dpdk PORT...: where over_dpdk.bash runs the tests, the clients' connections to these ports go to
# the device
over_dpdk() {
	local p
	[ "${MILLRACE_NET:-}" = dpdk ] || return 0
	for p in "$@"; do nft add element ip mr ports "{ $p }"; done
}

# dp_device [option...]: sets DEVICE to the options for it, with as many queues as the last cores= says
dp_device() {
	local o cores=1
	DEVICE=()
	[ "${MILLRACE_NET:-}" = dpdk ] || return 0
	for o in "$@"; do [[ $o != cores=* ]] || cores=${o#cores=}; done
	DEVICE=(--set domain.open=true --set net.backend=dpdk --set "dpdk.device=net_af_packet0,iface=mr0,qpairs=$cores"
		--set dpdk.addresses=10.78.0.2/24 --set dpdk.routes=127.0.0.0/8=10.78.0.1 --set dpdk.huge_pages=false --set dpdk.idle_us=100 --set "cores=$cores"
		--set "rtmp.listen=127.0.0.1:$RTMP 10.78.0.2:$RTMP" --set "http.listen=127.0.0.1:$HTTP 10.78.0.2:$HTTP")
}

# dp_run [option...]: (again) on the same ports
dp_run() {
	dp_device "$@"
	over_dpdk "$RTMP" "$HTTP"
	background dp millrace-dp --state "$S" --set "rtmp.listen=127.0.0.1:$RTMP" \
		--set "http.listen=127.0.0.1:$HTTP" --set memory.arena=256m "$@" "${DEVICE[@]}"
	DP=$PID
	within 10 listening "$RTMP" && within 10 listening "$HTTP" && within 10 test -S "$S/dp.sock"
}

# up [option...]: the whole of it; sets RTMP, HTTP, API (ports) and UP (process id)
up() {
	ports 3
	RTMP=${PORTS[0]} HTTP=${PORTS[1]} API=${PORTS[2]}
	up_run "$@"
}

up_run() {
	[ -e "$T/up.yaml" ] || printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\n' >"$T/up.yaml"
	background up millrace up --state "$S" --config "$T/up.yaml" --rtmp "127.0.0.1:$RTMP" \
		--http "127.0.0.1:$HTTP" --api "127.0.0.1:$API" "$@"
	UP=$PID
	within 20 up_ready
}

up_ready() {
	local json
	json=$(mr status --json 2>/dev/null) || return 1
	[ "$(jq -r '.dataplane.connected and .redis.connected' <<<"$json")" = true ]
}

mr() {
	millrace --state "$S" "$@"
}

# pid_of NAME: the process id of dp, cp or redis under this test's `millrace up`
pid_of() {
	local name
	case $1 in
	dp | cp) name=millrace-$1 ;;
	redis) name=redis-server ;;
	esac
	pgrep -P "$UP" -x "$name"
}

# api Action=... k=v...: an unsigned call over the owner's socket; prints the JSON answer
api() {
	local args=() a
	for a in "$@"; do args+=(--data-urlencode "$a"); done
	curl -sS --unix-socket "$S/api.sock" -G "http://localhost/" --data-urlencode Version=2016-11-01 "${args[@]}"
}

utc() {
	date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ
}

# relay_create SRC DST [k=v...]: a live relay task for an hour; prints its id
relay_create() {
	local src=$1 dst=$2 protocol=rtmp answer
	shift 2
	[[ $src != http* ]] || protocol=http-flv
	[[ $src != *.m3u8 ]] || protocol=hls
	answer=$(api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" \
		SourceType=live SourceProtocol=$protocol "SourceUrls=[\"$src\"]" "DstUrl=$dst" RetryInterval=1 "$@")
	jq -er .TaskId <<<"$answer" || {
		echo "# create said: $answer" >&2
		return 1
	}
}

task_status() {
	api Action=DescribeLivePullToPush Region=local "TaskId=$1" | jq -r .TaskStatus
}

task_is() {
	[ "$(task_status "$1")" = "$2" ]
}

stream_live() {
	mr stream list --json 2>/dev/null | jq -e --arg k "default/$1" 'any(.streams[]?; .stream == $k)' >/dev/null
}

# script [k=v...]: runs the script on standard input with the names of rtmp_script.py, and of ctl.py
# for the control socket; k=v are put into its environment
script() {
	{
		printf 'from rtmp_script import *\nfrom ctl import *\n'
		cat
	} >"$T/script.py"
	env RTMP="$RTMP" HTTP="$HTTP" DP="$DP" DP_LOG="$T/dp.log" STATE="$S" PYTHONDONTWRITEBYTECODE=1 \
		PYTHONPATH="$TOP/tests/e2e" "$@" timeout 60 python3 "$T/script.py"
	alive "$DP"
}

# --- certificates ---------------------------------------------------------------------------

# ca: an authority of the test, $T/ca.crt
ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
		-keyout "$T/ca.key" -out "$T/ca.crt" 2>/dev/null
}

# issue NAME [IP]: $T/NAME.crt and .key, signed by the test's own authority
issue() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$T/$1.key" -out "$T/$1.csr" 2>/dev/null
	openssl x509 -req -in "$T/$1.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -CAcreateserial -days 2 -out "$T/$1.crt" \
		-extfile <(printf 'subjectAltName=DNS:%s%s' "$1" "${2:+,IP:$2}") 2>/dev/null
}

# --- media ----------------------------------------------------------------------------------

# fixture: 60 s of H.264 (with B-frames) and AAC, made once; sets AV
fixture() {
	AV=$FIXTURES/av.flv
	[ -s "$AV" ] && return
	mkdir -p "$FIXTURES"
	(
		flock 9
		[ -s "$AV" ] && exit
		ffmpeg -v error -y -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=frequency=440:sample_rate=44100 \
			-t 60 -c:v libx264 -preset veryfast -g 30 -bf 2 -b:v 400k -c:a aac -b:a 64k \
			-flvflags no_duration_filesize -f flv "$AV.part" && mv "$AV.part" "$AV"
	) 9>"$FIXTURES/lock"
}

# publish NAME [port]: sends the fixture in real time as live/NAME; its process id is in $PID
publish() {
	fixture
	background "publish-${1//\//_}" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://127.0.0.1:${2:-$RTMP}/live/$1"
}

rtmp_plays() { # URL: some media arrives within 8 s
	timeout 8 ffprobe -v error -rw_timeout 6000000 -show_entries packet=pts -read_intervals '%+#2' "$1" >/dev/null 2>&1
}

flv_plays() { # URL
	[ "$(curl -s --max-time 4 "$1" | head -c 20000 | wc -c)" -ge 20000 ]
}

# packets INPUT SECONDS: one line per packet, "stream size md5", without times
packets() {
	timeout $((($2 + 15) * ${PATIENCE:-1})) ffmpeg -v error -rw_timeout 8000000 -i "$1" -t "$2" -c copy -f framemd5 - 2>>"$T/packets.log" |
		grep -v '^#' | awk -F', *' '{print $1, $5, $6}'
}

# packets_of FILE: once, the packets of what is published, into a file beside it; prints its name
packets_of() {
	local list=${1%.*}.packets
	[ -s "$list" ] || (
		flock 9
		ffmpeg -v error -i "$1" -c copy -f framemd5 - | grep -v '^#' | awk -F', *' '{print $1, $5, $6}' >"$list.part" &&
			mv "$list.part" "$list"
	) 9>"$FIXTURES/lock"
	echo "$list"
}

# same_packets RECEIVED [FILE]: what was received stands, in this order and without a gap, in FILE, the
# fixture (which may repeat), each of audio and video by itself
same_packets() {
	fixture
	python3 - "$(packets_of "${2:-$AV}")" "$1" <<'PY'
import sys
sent = [l.split() for l in open(sys.argv[1])]
got = [l.split() for l in open(sys.argv[2])]
for stream, least in (('0', 20), ('1', 20)):
    a = [tuple(x[1:]) for x in sent if x[0] == stream]
    b = [tuple(x[1:]) for x in got if x[0] == stream]
    if len(b) < least:
        sys.exit(f'stream {stream}: only {len(b)} packets received')
    ring = a + a
    starts = [i for i in range(len(a)) if a[i] == b[0]]
    if not any(ring[i:i + len(b)] == b for i in starts):
        sys.exit(f'stream {stream}: {len(b)} packets are not a run of the published ones')
PY
}

# --- foreign server -------------------------------------------------------------------------

# nginx_start: by the command NGX_BY, at the address NGX_AT (127.0.0.1): Debian's nginx with the RTMP module; sets NGX (port), applications src and dst
nginx_start() {
	ports 1
	NGX=${PORTS[0]}
	nginx_run
}

nginx_run() {
	mkdir -p "$T/nginx/logs"
	cat >"$T/nginx/nginx.conf" <<NGINX
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
master_process off;
pid $T/nginx/nginx.pid;
error_log $T/nginx/error.log warn;
events { worker_connections 256; }
rtmp {
	access_log off;
	server {
		listen ${NGX_AT:-127.0.0.1}:$NGX;
		application src { live on; wait_key on; idle_streams off; drop_idle_publisher 8s; }
		application dst { live on; wait_key on; ${NGX_DST:-idle_streams off;} }
		application closed { live on; deny publish all; deny play all; }
	}
}
NGINX
	background nginx "${NGX_BY[@]}" nginx -p "$T/nginx" -c "$T/nginx/nginx.conf"
	NGINX=$PID
	within 5 listening "$NGX"
}
