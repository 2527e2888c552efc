#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tasks whose source needs FFmpeg's libraries: lists of files, SRT, HLS. Files come from a server with
# byte ranges, the destination is nginx-rtmp.

load lib
load clips

setup() {
	e2e_setup
	clips
	www_start
	nginx_start
}

teardown() {
	e2e_teardown
}

# list_create DST LIST [k=v...]: a task that plays files (names separated by spaces); prints its id
list_create() {
	local dst=$1 urls answer
	# shellcheck disable=SC2086
	urls=$(printf "\"$WWW/%s\"," $2)
	shift 2
	answer=$(api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=url \
		"SourceUrls=[${urls%,}]" "DstUrl=$dst" RetryInterval=1 "$@")
	jq -er .TaskId <<<"$answer" || {
		echo "# create said: $answer" >&2
		return 1
	}
}

# live_create PROTOCOL SRC DST: a live task; prints its id
live_create() {
	api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=live \
		"SourceProtocol=$1" "SourceUrls=[\"$2\"]" "DstUrl=$3" RetryInterval=1 | jq -er .TaskId
}

worker() {
	pgrep -P "$(pid_of cp)" -x millrace-worker
}

@test "M23 a list of files plays in order on one time line, new headers at the seam, and ends" {
	up
	serve a.mp4 b.mp4 c.flv
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/l" "a.mp4 b.mp4 c.flv" RepeatNumber=1)
	within 10 task_is "$TASK" 1
	record l 14
	continuous "$T/l.flv" 90
	run -0 ffprobe -v quiet -show_entries frame=width -select_streams v -of csv=p=0 "$T/l.flv"
	[[ $output == *320*426*320* ]]
	grep -q 'a.mp4 bytes=[1-9]' "$T/www/requests"
	within 15 task_is "$TASK" 3
	[ "$(described "$TASK" Reason)" = list_finished ]
	[ "$(described "$TASK" TaskInvalidReason)" = "" ]
}

@test "FileIndex, Offset and the place that Describe tells" {
	up
	serve a.mp4 long.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/o" "a.mp4 long.mp4" FileIndex=1 Offset=10)
	within 10 task_is "$TASK" 1
	began=${EPOCHREALTIME/./}
	[ "$(described "$TASK" CurrentFileIndex)" = 1 ]
	offset=$(described "$TASK" CurrentOffset)
	[ "$offset" -ge 10 ] && [ "$offset" -le 12 ]
	within 20 at_least 14
	passed=$(((${EPOCHREALTIME/./} - began) / 1000000))
	[ "$passed" -ge 2 ] && [ "$passed" -le 6 ]
}

at_least() {
	[ "$(described "$TASK" CurrentOffset)" -ge "$1" ]
}

@test "a file that fails is left out with a reason and the list goes on; RepeatNumber counts at once" {
	up
	serve a.mp4 c.flv
	echo 'this is no film' >"$T/www/bad.mp4"
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/s" "a.mp4 gone.mp4 bad.mp4 c.flv" RepeatNumber=-1)
	within 10 task_is "$TASK" 1
	within 10 skipped 'file 2: remote_protocol'
	within 10 in_round 1
	task_is "$TASK" 1
	run -0 api Action=UpdateLivePullToPush Region=local "TaskId=$TASK" RepeatNumber=1
	within 15 task_is "$TASK" 3
	[ "$(described "$TASK" Reason)" = list_finished ]
}

skipped() {
	[[ $(described "$TASK" LastSkipped) == "$1"* ]]
}

in_round() {
	[ "$(described "$TASK" CurrentRound)" = "$1" ]
}

# new_list LIST [k=v...]: changes what the task plays
new_list() {
	local urls
	# shellcheck disable=SC2086
	urls=$(printf "\"$WWW/%s\"," $1)
	shift
	api Action=UpdateLivePullToPush Region=local "TaskId=$TASK" "SourceUrls=[${urls%,}]" "$@"
}

in_later_round() {
	[ "$(described "$TASK" CurrentRound)" -ge 1 ]
}

plays_list() {
	[ "$(described "$TASK" 'TaskInfo.SourceUrls[0]')" = "$WWW/$1" ] && [ "$(described "$TASK" TaskInfo.NextSourceUrls)" = null ]
}

@test "another list while it runs: refused as documented, with the next round or at once by SourceUrlsAt, on one time line" {
	up
	serve a.mp4 b.mp4 long.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/r" a.mp4 RepeatNumber=-1)
	within 10 task_is "$TASK" 1
	run new_list b.mp4
	[[ $output == *OperationDenied.TaskStatus* ]]
	run new_list away.txt SourceUrlsAt=loop
	[[ $output == *.mp4* ]]
	plays_list a.mp4
	record r 14 &
	recorder=$!
	run -0 new_list long.mp4 SourceUrlsAt=loop
	[ "$(described "$TASK" TaskInfo.SourceUrlsAt)" = loop ]
	within 15 plays_list long.mp4
	within 5 in_later_round
	within 10 at_least 2
	run -0 new_list b.mp4 SourceUrlsAt=now
	within 5 plays_list b.mp4
	within 5 in_round 0
	wait "$recorder"
	task_is "$TASK" 1
	continuous "$T/r.flv" 90
}

@test "a stopped task plays another list from its beginning" {
	up
	serve a.mp4 long.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/z" "a.mp4 long.mp4" FileIndex=1 Offset=5)
	within 10 task_is "$TASK" 1
	run -0 api Action=StopLivePullToPush Region=local "TaskId=$TASK"
	run -0 new_list long.mp4
	run -0 api Action=RestartLivePullToPush Region=local "TaskId=$TASK"
	within 10 task_is "$TASK" 1
	[ "$(described "$TASK" CurrentFileIndex)" = 0 ]
	[ "$(described "$TASK" CurrentOffset)" -le 3 ]
}

@test "a list of which nothing can be played: Recovering, then Offline, with the reason" {
	up
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/n" "gone.mp4 away.mp4" RetryCount=1)
	within 15 task_is "$TASK" 3
	[ "$(described "$TASK" TaskInvalidReason)" = PullStreamFailed ]
	[ "$(described "$TASK" Reason)" = remote_not_found ]
}

@test "a killed worker is back at its place, and the task did not stop running" {
	up
	serve long.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/k" long.mp4)
	within 10 task_is "$TASK" 1
	within 20 at_least 4
	first=$(worker)
	kill -KILL "$first"
	within 5 another_worker "$first"
	within 20 at_least 6
	offset=$(described "$TASK" CurrentOffset)
	[ "$offset" -le 12 ]
	[ "$(described "$TASK" RetriesUsed)" = 0 ]
	task_is "$TASK" 1
	rtmp_plays "rtmp://127.0.0.1:$NGX/dst/k"
}

another_worker() {
	local now
	now=$(worker) && [ "$now" != "$1" ]
}

@test "a killed control plane goes on with the list about where it was" {
	up
	serve long.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/c" long.mp4)
	within 20 at_least 9
	cp=$(pid_of cp)
	kill -KILL "$cp"
	within 20 at_least 11
	offset=$(described "$TASK" CurrentOffset)
	[ "$offset" -le 16 ]
	task_is "$TASK" 1
	rtmp_plays "rtmp://127.0.0.1:$NGX/dst/c"
}

@test "HEVC files are relayed as Enhanced RTMP" {
	up
	serve hevc.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$RTMP/live/h" hevc.mp4 RepeatNumber=-1)
	within 10 task_is "$TASK" 1
	curl -s --max-time 4 "http://127.0.0.1:$HTTP/live/h.flv" >"$T/h.flv" || :
	grep -q hvc1 "$T/h.flv"
}

@test "an SRT source is relayed, and is back after it was away" {
	up
	fixture
	ports 1
	SRT=${PORTS[0]}
	srt_source
	TASK=$(live_create srt "srt://127.0.0.1:$SRT" "rtmp://127.0.0.1:$NGX/dst/srt")
	within 15 task_is "$TASK" 1
	record srt 4
	continuous "$T/srt.flv" 120
	kill -TERM "$SOURCE"
	within 20 task_is "$TASK" 2
	[ "$(described "$TASK" TaskInvalidReason)" = PullStreamFailed ]
	srt_source
	within 20 task_is "$TASK" 1
}

srt_source() {
	background srt ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -bsf:v h264_mp4toannexb -f mpegts "srt://127.0.0.1:$SRT?mode=listener"
	SOURCE=$PID
}

@test "an HLS source is relayed" {
	up
	fixture
	background hls ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f hls -hls_time 1 -hls_list_size 5 "$T/www/live.m3u8"
	within 15 test -s "$T/www/live.m3u8"
	TASK=$(live_create hls "$WWW/live.m3u8" "rtmp://127.0.0.1:$NGX/dst/hls")
	within 20 task_is "$TASK" 1
	record hls 4
	continuous "$T/hls.flv" 120
}

@test "an HLS source whose playlist stands still is away, its old pictures are not sent again, and it is back when it changes" {
	up
	fixture
	hls_source
	TASK=$(live_create hls "$WWW/still.m3u8" "rtmp://127.0.0.1:$NGX/dst/still")
	within 20 task_is "$TASK" 1
	kill -KILL "$SOURCE"
	within 20 task_is "$TASK" 2
	[ "$(described "$TASK" Reason)" = playlist_stale ]
	[ "$(described "$TASK" TaskInvalidReason)" = PullStreamFailed ]
	within 30 retries_used 3
	task_is "$TASK" 2
	hls_source
	within 30 task_is "$TASK" 1
	record still 4
	continuous "$T/still.flv" 120
}

hls_source() {
	background hls ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f hls -hls_time 1 -hls_list_size 5 \
		-hls_flags append_list+omit_endlist "$T/www/still.m3u8"
	SOURCE=$PID
	within 15 test -s "$T/www/still.m3u8"
}

retries_used() {
	[ "$(described "$TASK" RetriesUsed)" -ge "$1" ]
}

@test "an HTTP-TS source is relayed" {
	up
	fixture
	ports 1
	background ts ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -bsf:v h264_mp4toannexb -f mpegts -listen 1 "http://127.0.0.1:${PORTS[0]}/a.ts"
	TASK=$(live_create http-ts "http://127.0.0.1:${PORTS[0]}/a.ts" "rtmp://127.0.0.1:$NGX/dst/ts")
	within 20 task_is "$TASK" 1
	record ts 4
	continuous "$T/ts.flv" 120
	[ "$(described "$TASK" InBps)" -gt 100000 ]
}

@test "an RTSP source is relayed" {
	up
	fixture
	background rtsp env TMPDIR="$T" python3 "$TOP/tests/e2e/rtsp_server.py" "$AV"
	within 20 test -s "$T/rtsp.log"
	TASK=$(live_create rtsp "rtsp://127.0.0.1:$(head -1 "$T/rtsp.log")/cam" "rtmp://127.0.0.1:$NGX/dst/rtsp")
	within 20 task_is "$TASK" 1
	record rtsp 4
	continuous "$T/rtsp.flv" 120
}

@test "a killed data plane gets the list again, about where it was" {
	up
	serve long.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/d" long.mp4)
	within 20 at_least 4
	kill -KILL "$(pid_of dp)"
	within 20 at_least 7
	within 10 task_is "$TASK" 1
	offset=$(described "$TASK" CurrentOffset)
	[ "$offset" -le 14 ]
	rtmp_plays "rtmp://127.0.0.1:$NGX/dst/d"
}

@test "U7 a worker connects nowhere that relay.deny holds" {
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\nrelay:\n  deny: 127.0.0.0/8\n' >"$T/up.yaml"
	up
	serve a.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/u" a.mp4 RetryCount=0)
	within 10 task_is "$TASK" 3
	[ "$(described "$TASK" Reason)" = address_denied ]
	[ ! -e "$T/www/requests" ]
}

@test "an encoder cannot publish into a task" {
	up
	fixture
	run -1 timeout 10 ffmpeg -v error -re -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/task/x?vhost=_relay&pass=00000000000000000000000000000000"
	[[ $output == *"not for encoders"* ]]
}

@test "what is wrong with a source is said, and nothing is made" {
	up
	refused 'must end with .mp4 or .flv' SourceType=url 'SourceUrls=["http://h/a.mp4","http://h/a.mkv"]'
	refused 'must begin with http:// or https://' SourceType=url 'SourceUrls=["file:///etc/passwd.mp4"]'
	refused 'FileIndex must name one' SourceType=url 'SourceUrls=["http://h/a.mp4"]' FileIndex=1
	refused 'must begin with srt://' SourceType=live SourceProtocol=srt 'SourceUrls=["rtmp://h/a/b"]'
	refused 'mode other than caller' SourceType=live SourceProtocol=srt 'SourceUrls=["srt://h:9?mode=listener"]'
	refused 'exactly 1 URL' SourceType=live SourceProtocol=rtsp 'SourceUrls=["rtsp://h/a","rtsp://h/b"]'
	refused 'must hold ids of assets' SourceType=vod 'SourceUrls=["http://h/a.mp4"]'
	refused 'is not an asset' SourceType=vod 'SourceUrls=["abc"]'
	[ "$(api Action=DescribeLivePullToPushList Region=local | jq .Total)" = 0 ]
}

refused() { # TEXT k=v...
	local text=$1
	shift
	run -0 api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" \
		"DstUrl=rtmp://127.0.0.1:$NGX/dst/x" "$@"
	[[ $(jq -r .Message <<<"$output") == *"$text"* ]] || {
		echo "# $output" >&2
		return 1
	}
}

@test "no secret of a source stands in a log or a command line" {
	up
	serve long.mp4
	TASK=$(list_create "rtmp://127.0.0.1:$NGX/dst/p" 'long.mp4?key=hush-hush&x=.mp4' 2>/dev/null) || :
	TASK=$(api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=url \
		"SourceUrls=[\"$WWW/long.mp4?key=hush-hush\",\"$WWW/gone.mp4?key=hush-hush\"]" "DstUrl=rtmp://127.0.0.1:$NGX/dst/q" | jq -r .TaskId)
	within 10 task_is "$TASK" 1
	run ! grep -r hush-hush "$S/log"
	run ! grep -a hush-hush "/proc/$(worker | head -1)/cmdline"
	[ "$(grep NoNewPrivs "/proc/$(worker | head -1)/status" | tr -dc 0-9)" = 1 ]
	[ "$(grep CapEff "/proc/$(worker | head -1)/status" | awk '{print $2}')" = 0000000000000000 ]
}
