#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Streams as HLS from end to end: who is packaged and when, what the segments hold, what a killed
# process costs.

load lib
load clips
load hls

setup() {
	e2e_setup
	fixture
}

teardown() {
	if mountpoint -q "$T/full"; then umount -l "$T/full"; fi
	e2e_teardown
}

# pictures FILE: one line per decoded picture
pictures() {
	ffmpeg -v error -i "$1" -map 0:v -f framemd5 - | grep -v '^#' | awk -F', *' '{print $6}'
}

# same_pictures FILE: its pictures are a run of those in the fixture, which may repeat; the last few may
# lack what they refer to
same_pictures() {
	[ -s "$FIXTURES/av.pictures" ] || (
		flock 9
		pictures "$AV" >"$FIXTURES/av.pictures.part" && mv "$FIXTURES/av.pictures.part" "$FIXTURES/av.pictures"
	) 9>"$FIXTURES/lock"
	pictures "$1" >"$T/pictures"
	python3 - "$FIXTURES/av.pictures" "$T/pictures" <<'PY'
import sys
sent, got = (open(p).read().split() for p in sys.argv[1:])
ring = sent + sent
got = got[:-4]
assert len(got) >= 60, f'{len(got)} pictures'
assert any(ring[i:i + len(got)] == got for i in range(len(sent)) if sent[i] == got[0]), 'not a run of what was published'
PY
}

worker_pid() {
	mr hls list --json | jq '.packages[0].pid'
}

@test "L8 a stream is packaged when it is asked for, at once, and no longer when nobody asks" {
	hls_up --set hls.idle=5s
	publish a
	within 10 stream_live live/a
	[ "$(mr hls list --json | jq '.packages | length')" = 0 ]
	run -0 playlist a
	[[ $output == *'#EXTINF'* ]]
	[ "$(mr hls list --json | jq -r '.packages[0].stream')" = default/live/a ]
	[ "$(mr stream show default/live/a --json | jq -c '[.viewers_flv, .pushes]')" = '[0,1]' ]
	within 20 not_packaged
	run -0 playlist a
	[[ $output == *'#EXTINF'* ]]
}

not_packaged() {
	[ "$(mr hls list --json | jq '.packages | length')" = 0 ]
}

@test "L3 L4 MPEG-TS holds every picture that was published; its segments keep to the target" {
	hls_up --set hls.mode=always
	publish a
	within 20 reaches a 5
	list=$(playlist a)
	in_target "$list"
	segments a "$list" "$T/a.ts"
	same_pictures "$T/a.ts"
	[ "$(metric millrace_hls_memory_bytes)" -gt 100000 ]
	[ "$(metric millrace_hls_packets_refused_total)" = 0 ]
	grep -q '^a/[0-9]*.ts' <<<"$list"
	[[ $list != *DISCONTINUITY$'\n'* ]]
}

@test "fragmented MP4 holds exactly the packets that were published" {
	hls_up --set hls.mode=always --set hls.format=fmp4
	publish a
	within 20 reaches a 5
	list=$(playlist a)
	in_target "$list"
	segments a "$list" "$T/a.mp4"
	ffmpeg -v error -i "$T/a.mp4" -c copy -f framemd5 - | grep -v '^#' | awk -F', *' '{print $1, $5, $6}' >"$T/got"
	same_packets "$T/got"
}

@test "a killed worker costs one discontinuity and nothing else" {
	hls_up --set hls.mode=always
	publish a
	within 20 reaches a 2
	before=$(playlist a)
	kill -KILL "$(worker_pid)"
	within 20 reaches a $(($(next_of "$before") + 2))
	after=$(playlist a)
	[ "$(grep -c '^#EXT-X-DISCONTINUITY$' <<<"$after")" = 1 ]
	[[ $after != *GAP* ]]
	in_target "$after"
	within 5 metric_is millrace_package_workers_lost_total 1
}

metric_is() {
	[ "$(metric "$1")" = "$2" ]
}

@test "L1 numbers never go back: the control plane, Redis, the data plane, all of them are killed" {
	hls_up --set hls.mode=always
	publish a
	within 20 reaches a 2
	n=$(next_of "$(playlist a)")
	for victim in cp redis; do
		kill -KILL "$(pid_of $victim)"
		within 30 reaches a $((n + 1))
		list=$(playlist a)
		[ "$(first_of "$list")" -le "$n" ]
		[[ $list != *GAP* ]]
		n=$(next_of "$list")
	done
	within 10 saved "$n"
	kill -KILL "$(pid_of dp)"
	within 20 up_ready
	publish a
	within 30 reaches a "$n"
	[ "$(first_of "$(playlist a)")" -ge "$n" ]
	n=$(next_of "$(playlist a)")
	within 10 saved "$n"
	kill -KILL "$(pid_of cp)" "$(pid_of dp)" "$(pid_of redis)"
	within 30 up_ready
	publish a
	within 30 reaches a "$n"
	[ "$(first_of "$(playlist a)")" -ge "$n" ]
}

saved() {
	[ "$(redis-cli -s "$S/redis/redis.sock" HGET mr:hls:default/live/a MediaSeq)" -ge "$1" ]
}

@test "M10 audio alone is cut by time" {
	hls_up --set hls.mode=always
	background sound ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -vn -f flv "rtmp://127.0.0.1:$RTMP/live/s"
	within 20 reaches s 3
	list=$(playlist s)
	in_target "$list"
	segments s "$list" "$T/s.ts"
	[ -z "$(ffprobe -v error -select_streams v -show_entries stream=index -of csv=p=0 "$T/s.ts")" ]
	[ "$(ffprobe -v error -select_streams a -show_entries packet=size -of csv=p=0 "$T/s.ts" | grep -c .)" -ge 100 ]
}

@test "M8 L2 another picture size is a discontinuity with an init section of its own" {
	hls_up --set hls.mode=always --set hls.format=fmp4
	publish a
	within 20 reaches a 1
	kill -INT "$PID"
	end_of "$PID" 5
	background other ffmpeg -v warning -re -f lavfi -i testsrc2=size=160x90:rate=25 -t 60 -c:v libx264 -preset ultrafast \
		-g 25 -f flv "rtmp://127.0.0.1:$RTMP/live/a"
	within 30 changed
	list=$(playlist a)
	in_target "$list"
	curl -sf "http://127.0.0.1:$HTTP/live/$(sed -n 's/^#EXT-X-MAP:URI="\(.*\)"$/\1/p' <<<"$list" | tail -n 1)" >"$T/i.mp4"
	[ "$(ffprobe -v error -show_entries stream=width -of csv=p=0 "$T/i.mp4")" = 160 ]
}

changed() {
	local list
	list=$(playlist a) && grep -q '^#EXT-X-DISCONTINUITY$' <<<"$list" && [ "$(grep -c '^#EXT-X-MAP' <<<"$list")" -ge 2 ]
}

@test "M19 HEVC is packaged as fragmented MP4" {
	clips
	www_start
	hls_up --set hls.mode=always
	serve hevc.mp4
	api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=url \
		"SourceUrls=[\"$WWW/hevc.mp4\"]" "DstUrl=rtmp://127.0.0.1:$RTMP/live/h" RetryInterval=1 RepeatNumber=-1 | jq -er .TaskId
	within 30 reaches h 2
	list=$(playlist h)
	segments h "$list" "$T/h.mp4"
	[ "$(ffprobe -v error -select_streams v -show_entries stream=codec_tag_string -of csv=p=0 "$T/h.mp4")" = hvc1 ]
	run -0 ffmpeg -v error -i "$T/h.mp4" -map 0:v -f null -
	[ -z "$output" ]
}

@test "L9 encrypted segments play with keys that change" {
	hls_up --set hls.mode=always --set hls.encrypt=true --set hls.key_segments=2
	publish a
	within 20 reaches a 5
	list=$(playlist a)
	[ "$(grep -o 'URI="[^"]*key[^"]*"' <<<"$list" | sort -u | wc -l)" -ge 2 ]
	timeout 40 ffmpeg -v error -live_start_index 0 -i "http://127.0.0.1:$HTTP/live/a.m3u8" -t 4 -map 0:v -c copy -f mpegts "$T/a.ts"
	same_pictures "$T/a.ts"
}

@test "L11 with hls.part the parts of a segment are its bytes" {
	hls_up --set hls.mode=always --set hls.part=200ms
	publish a
	within 20 reaches a 3
	list=$(playlist a)
	grep -q 'PART-TARGET=0.2' <<<"$list"
	seq=$(grep -o '^#EXT-X-PART:.*URI="a/[0-9]*\.' <<<"$list" | head -n 1 | grep -o '[0-9]*\.$')
	seq=${seq%.}
	for uri in $(grep -o "a/$seq\.[0-9]*\.m4s" <<<"$list"); do
		curl -sf "http://127.0.0.1:$HTTP/live/$uri"
	done >"$T/parts"
	curl -sf "http://127.0.0.1:$HTTP/live/a/$seq.m4s" >"$T/whole"
	cmp "$T/parts" "$T/whole"
}

@test "hls.folder keeps a recording that plays; a folder that fails does not touch what is live" {
	mkdir "$T/kept"
	hls_up --set hls.mode=always --set "hls.folder=$T/kept"
	publish a
	within 20 reaches a 4
	kill -INT "$PID"
	within 20 grep -rq ENDLIST "$T/kept"
	index=$(find "$T/kept" -name index.m3u8)
	grep -q 'PLAYLIST-TYPE:VOD' "$index"
	ffmpeg -v error -i "$index" -c copy "$T/kept.ts"
	same_pictures "$T/kept.ts"
	rm -rf "$T/kept"
	publish a
	n=$(next_of "$(playlist a)")
	within 20 reaches a $((n + 3))
	within 10 lost_files
}

lost_files() {
	[ "$(metric millrace_package_files_failed_total)" -ge 1 ]
}

@test "a full disk costs files with a reason, the live playlist goes on" {
	mkdir "$T/full"
	mount -t tmpfs -o size=200k tmpfs "$T/full" 2>/dev/null || skip "cannot mount"
	hls_up --set hls.mode=always --set "hls.folder=$T/full"
	publish a
	within 20 lost_files
	n=$(next_of "$(playlist a)")
	within 20 reaches a $((n + 2))
	[[ $(playlist a) != *GAP* ]]
	[ "$(redis-cli -s "$S/redis/redis.sock" XREVRANGE mr:events + - | grep -A1 '^Reason$' | grep -c hls_disk_full)" -ge 1 ]
}

@test "M21 a codec that HLS cannot carry fails with its reason" {
	hls_up --set hls.mode=always
	background alaw ffmpeg -v warning -re -f lavfi -i sine=frequency=440:sample_rate=8000 -c:a pcm_alaw -f flv "rtmp://127.0.0.1:$RTMP/live/g"
	within 20 refused
}

refused() {
	[ "$(mr hls list --json | jq -r '.packages[0] | .state + " " + .reason')" = "failed codec_refused" ]
}

@test "the playlist of a stream that is over has an end, and goes on when it is published again" {
	hls_up --set hls.mode=always --set publish.hold=500ms
	publish a
	within 20 reaches a 2
	kill -INT "$PID"
	within 15 ended
	n=$(next_of "$(playlist a)")
	publish a
	within 20 reaches a $((n + 1))
	list=$(playlist a)
	[[ $list != *ENDLIST* && $list != *GAP* ]]
	[ "$(grep -c '^#EXT-X-DISCONTINUITY$' <<<"$list")" = 1 ]
}

ended() {
	playlist a | grep -q ENDLIST
}

@test "L1-L6 the linter finds nothing while every process is killed, one after the other" {
	hls_up --set hls.mode=always --set hls.window=8
	publish a
	within 20 reaches a 3
	background lint python3 "$BATS_TEST_DIRNAME/hls_lint.py" "http://127.0.0.1:$HTTP/live/a.m3u8" 60
	LINT=$PID
	for victim in worker cp redis worker; do
		n=$(next_of "$(playlist a)")
		if [ $victim = worker ]; then kill -KILL "$(worker_pid)"; else kill -KILL "$(pid_of $victim)"; fi
		within 30 reaches a $((n + 3))
	done
	# What breaks the stream off is the publisher's end, which the linter waits for.
	kill -INT "${PIDS[1]}"
	end_of "$LINT" 40 || { playlist a; mr hls list --json; cat "$S"/log/cp.log "$S"/log/dp.log; false; }
	cat "$T/lint.log"
	[ "$(grep -c : "$T/lint.log")" = 0 ]
	grep -q segments "$T/lint.log"
}
