#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Live tasks with backup sources and a slate: the destination's stream goes on, whatever the sources do.

# shellcheck disable=SC2154 # SOURCE_a is set by its name

load lib
load clips

setup() {
	e2e_setup
	clips
	fixture
	up
	nginx_start
	source_start a
	within 10 rtmp_plays "$(source_url a)"
}

teardown() {
	e2e_teardown
}

source_url() {
	echo "rtmp://127.0.0.1:$RTMP/live/$1"
}

source_start() { # NAME: its process in SOURCE_NAME
	publish "$1"
	declare -g "SOURCE_$1=$PID"
}

source_is() {
	[ "$(described "$TASK" ActiveSource)" = "$1" ]
}

switching() { # k=v...: the task, with nginx as destination; its stream is dst/s
	TASK=$(relay_create "$(source_url a)" "rtmp://127.0.0.1:$NGX/dst/s" "$@")
	within 15 task_is "$TASK" 1
	within 10 source_is 0
}

# recording SECONDS: what the destination sends, in the background, into $T/s.flv
recording() {
	record s "$1" &
	RECORD=$!
	within 8 test -s "$T/s.flv"
}

@test "P4 a backup is shown when the primary ends, and the primary again when it is stable; no gap" {
	source_start b
	within 10 rtmp_plays "$(source_url b)"
	switching "BackupSourceUrls=[\"$(source_url b)\"]" BackupReturn=3
	recording 16
	kill -KILL "$SOURCE_a"
	within 8 source_is 1
	[ "$(described "$TASK" SourceReason)" != "" ]
	source_start a
	within 15 source_is 0
	wait "$RECORD"
	# An encoder that is killed leaves out two B-frames at most, and less of one track than of the other.
	continuous "$T/s.flv" 110 250
	task_is "$TASK" 1
	[ "$(described "$TASK" RetriesUsed)" = 0 ]
	run -0 redis-cli -s "$S/redis/redis.sock" XRANGE mr:events - +
	[[ $output == *task.source* ]]
}

@test "P4 a primary that stands still is left after BackupAfter" {
	source_start b
	within 10 rtmp_plays "$(source_url b)"
	switching "BackupSourceUrls=[\"$(source_url b)\"]" BackupAfter=1
	kill -STOP "$SOURCE_a"
	within 8 source_is 1
	[ "$(described "$TASK" SourceReason)" = media_timeout ]
	rtmp_plays "rtmp://127.0.0.1:$NGX/dst/s"
	kill -CONT "$SOURCE_a"
}

@test "a slate is shown while no source is there; the destination stays connected, without a gap" {
	www_start
	slate
	switching "SlateUrl=$WWW/slate.mp4"
	recording 16
	kill -KILL "$SOURCE_a"
	within 8 source_is -1
	task_is "$TASK" 1
	within 6 grep -q 'slate.mp4 bytes' "$T/www/requests"
	source_start a
	within 10 source_is 0
	wait "$RECORD"
	# An encoder that is killed leaves out two B-frames at most, and less of one track than of the other.
	continuous "$T/s.flv" 110 250
	[ "$(described "$TASK" RetriesUsed)" = 0 ]
}

slate() { # 2 s with the codecs of the fixture
	ffmpeg -v error -y -i "$AV" -t 2 -c copy "$T/www/slate.mp4"
}

@test "a slate with other codecs is not shown: the task recovers with the source's reason" {
	www_start
	serve hevc.mp4
	switching "SlateUrl=$WWW/hevc.mp4"
	kill -KILL "$SOURCE_a"
	within 8 source_is -2
	within 20 task_is "$TASK" 2
	[ "$(described "$TASK" TaskInvalidReason)" = PullStreamFailed ]
}

@test "a task whose sources are all away says why; backups and slates are checked" {
	TASK=$(relay_create "rtmp://127.0.0.1:1/live/x" "rtmp://127.0.0.1:$NGX/dst/s" 'BackupSourceUrls=["rtmp://127.0.0.1:1/live/y"]')
	within 15 task_is "$TASK" 2
	[ "$(described "$TASK" Reason)" = connect_refused ]
	refused 'must begin with rtmp' 'BackupSourceUrls=["http://h/a.flv"]'
	refused 'is not an asset' SlateUrl=nothing
	refused 'must begin with http' SlateUrl=file:///etc/passwd
	refused 'must list 0 to 3' 'BackupSourceUrls=["rtmp://h/a/1","rtmp://h/a/2","rtmp://h/a/3","rtmp://h/a/4"]'
}

refused() { # TEXT k=v...
	local text=$1
	shift
	run -0 api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=live \
		SourceProtocol=rtmp 'SourceUrls=["rtmp://h/a/b"]' "DstUrl=rtmp://127.0.0.1:$NGX/dst/x" "$@"
	[[ $(jq -r .Message <<<"$output") == *"$text"* ]] || {
		echo "# $output" >&2
		return 1
	}
}
