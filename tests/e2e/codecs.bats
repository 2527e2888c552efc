#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What workers carry beside H.264 and AAC: HEVC with backups, slates and SRT destinations; other audio.

load lib
load clips

setup() {
	e2e_setup
	clips
	more_clips
	www_start
	up
}

teardown() {
	e2e_teardown
}

# more_clips: 3 s of H.264 with another audio codec each: opus, ac3, eac3, mp3, alac
more_clips() {
	[ -e "$CLIPS/codecs" ] && return
	(
		flock 9
		[ -e "$CLIPS/codecs" ] && exit
		for codec in libopus ac3 eac3 libmp3lame alac; do
			ffmpeg -v error -y -f lavfi -t 3 -i testsrc2=size=320x180:rate=25 -f lavfi -t 3 -i sine=frequency=330:sample_rate=48000 \
				-c:v libx264 -preset ultrafast -g 25 -b:v 300k -c:a "$codec" -ac 2 "$CLIPS/${codec#lib}.mp4"
		done
		touch "$CLIPS/codecs"
	) 9>"$FIXTURES/clips.lock"
}

# playing CLIP DST [k=v...]: a task that plays it for ever; its id is in TASK
playing() {
	serve "$1"
	TASK=$(api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=url \
		"SourceUrls=[\"$WWW/$1\"]" "DstUrl=$2" RetryInterval=1 RepeatNumber=-1 "${@:3}" | jq -er .TaskId)
}

# hevc_source NAME: live/NAME is HEVC
hevc_source() {
	playing hevc.mp4 "$(at "$1")"
	within 15 flv_plays "http://127.0.0.1:$HTTP/live/$1.flv"
}

at() {
	echo "rtmp://127.0.0.1:$RTMP/live/$1"
}

flv_holds() { # NAME TEXT: what is played of live/NAME
	curl -s --max-time 3 "http://127.0.0.1:$HTTP/live/$1.flv" | grep -qa "$2"
}

# taken_by_srt: what comes at $SRT, into $T/taken.ts
taken_by_srt() {
	ports 1
	SRT=${PORTS[0]}
	background listener ffmpeg -v error -y -copy_unknown -i "srt://127.0.0.1:$SRT?mode=listener" -map 0 -c copy -f mpegts "$T/taken.ts"
}

grown() { # FILE BYTES
	[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

ts_codecs() {
	ffprobe -v quiet -show_entries stream=codec_name -of default=nk=1:nw=1 "$T/taken.ts" | sort -u | tr "\n" " "
}

source_is() {
	[ "$(described "$TASK" ActiveSource)" = "$1" ]
}

@test "P4 HEVC by Enhanced RTMP: a backup is shown when the primary ends, then the slate; all of it HEVC" {
	serve hevc.mp4
	hevc_source a
	a=$TASK
	hevc_source b
	b=$TASK
	TASK=$(relay_create "$(at a)" "$(at out)" "BackupSourceUrls=[\"$(at b)\"]" "SlateUrl=$WWW/hevc.mp4" BackupAfter=1)
	within 20 task_is "$TASK" 1
	within 10 source_is 0
	within 10 flv_holds out hvc1
	run -0 api Action=StopLivePullToPush Region=local "TaskId=$a"
	within 15 source_is 1
	within 10 flv_holds out hvc1
	run -0 api Action=StopLivePullToPush Region=local "TaskId=$b"
	within 15 source_is -1
	within 10 flv_holds out hvc1
	task_is "$TASK" 1
	[ "$(described "$TASK" RetriesUsed)" = 0 ]
}

@test "HEVC is sent on to an SRT destination" {
	hevc_source a
	taken_by_srt
	TASK=$(relay_create "$(at a)" "srt://127.0.0.1:$SRT")
	within 20 task_is "$TASK" 1
	within 20 grown "$T/taken.ts" 150000
	[ "$(ts_codecs)" = "aac hevc " ]
	continuous "$T/taken.ts" 110
}

@test "Opus, AC-3 and E-AC-3 are carried as Enhanced RTMP has them, MP3 as FLV has it" {
	playing opus.mp4 "$(at opus)"
	playing ac3.mp4 "$(at ac3)"
	playing eac3.mp4 "$(at eac3)"
	playing mp3lame.mp4 "$(at mp3)"
	within 20 flv_holds opus OpusHead
	within 20 flv_holds ac3 ac-3
	within 20 flv_holds eac3 ec-3
	within 20 rtmp_plays "$(at mp3)"
	[ "$(ffprobe -v quiet -rw_timeout 6000000 -select_streams a -show_entries stream=codec_name -of csv=p=0 "$(at mp3)" | head -1)" = mp3 ]
}

@test "Opus and AC-3 are sent on to SRT destinations" {
	playing opus.mp4 "$(at opus)"
	taken_by_srt
	TASK=$(relay_create "$(at opus)" "srt://127.0.0.1:$SRT")
	within 20 grown "$T/taken.ts" 150000
	[ "$(ts_codecs)" = "h264 opus " ]
	playing ac3.mp4 "$(at ac3)"
	taken_by_srt
	TASK=$(relay_create "$(at ac3)" "srt://127.0.0.1:$SRT")
	within 20 codecs_are "ac3 h264 "
}

codecs_are() {
	[ "$(ts_codecs)" = "$1" ]
}

@test "a codec that cannot be carried is named with its reason" {
	playing alac.mp4 "$(at alac)" RetryCount=0
	within 15 task_is "$TASK" 3
	[ "$(described "$TASK" Reason)" = codec_refused ]
	[[ $(described "$TASK" LastSkipped) == *alac* ]]
}
