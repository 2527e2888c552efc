#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Live channels as object storage has them: RTMP in, HLS objects out, driven by a client written from the documentation.

load lib
load oss

setup() {
	e2e_setup
	fixture
	up --set oss.host=oss.example
	mr bucket create films
	export OSS_AT=127.0.0.1:$API OSS_HOST=oss.example
	as "$S"
	F=$S/objects/films
}

teardown() {
	rm -f "$T/watched"
	if mountpoint -q "$T/disk"; then
		fsfreeze -u "$T/disk" 2>/dev/null || :
		umount -l "$T/disk"
	fi
	e2e_teardown
}

# sends CHANNEL QUERY [ffmpeg option...]: publishes the fixture; its process id is in $PID
sends() {
	local channel=$1 query=$2
	shift 2
	background "sends-$channel" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy "$@" -f flv \
		-rtmp_tcurl "rtmp://films.oss.example/live" "rtmp://127.0.0.1:$RTMP/live/$channel?$query"
}

segments() { # CHANNEL
	find "$F/$1" -name '*.ts' 2>/dev/null | wc -l
}

has_segments() { # CHANNEL N
	[ "$(segments "$1")" -ge "$2" ]
}

is_live() { # CHANNEL
	oss GET films "$1?live&comp=stat" && [ "$(value Status)" = Live ]
}

# playable PLAYLIST: every segment that it names is there, and its packets are the published ones
playable() {
	local name
	while read -r name; do
		[ -s "$(dirname "$1")/$name" ] || { echo "$name is not there"; return 1; }
	done < <(grep -v '^#' "$1")
	(sed "s|^[^#]|$(dirname "$1")/&|" "$1"; echo "#EXT-X-ENDLIST") >"$T/check.m3u8"
	ffmpeg -v error -i "$T/check.m3u8" -c copy -f null - 2>"$T/errors"
	[ ! -s "$T/errors" ] || { cat "$T/errors"; return 1; }
}

# elementary INPUT [option...]: "stream size md5" of each packet, without what a container adds
elementary() {
	ffmpeg -v error -i "$1" -map 0:v -map 0:a -c copy "${@:2}" -f framemd5 - |
		grep -v '^#' | awk -F', *' '{print $1, $5, $6}'
}

# is_run SENT GOT: of each stream all packets are there, in their order, from the first key frame on
is_run() {
	python3 - "$1" "$2" <<'PY'
import sys
sent, got = ([l.split() for l in open(f)] for f in sys.argv[1:])
for stream in '01':
    a, b = ([x[1:] for x in f if x[0] == stream] for f in (sent, got))
    if len(b) < 100 or not any(a[i:i + len(b)] == b for i in range(50)):
        sys.exit(f'stream {stream}: {len(b)} packets are not a run of those sent')
PY
}

@test "a channel is made, shown, listed and deleted, with V1, V4 and signed URLs" {
	for how in -v1 -v4; do
		oss PUT films "c$how?live" -b "$(config '<FragDuration>2</FragDuration><FragCount>4</FragCount><PlaylistName>p.m3u8</PlaylistName>' '<Description>a &amp; b</Description>')" $how
		oss_is 200
		[ "$(body | grep -o '<Url>[^<]*' | sed 's/<Url>//' | paste -sd' ')" = "rtmp://films.oss.example:$RTMP/live/c$how http://films.oss.example:$API/c$how/p.m3u8" ]
		oss GET films "c$how?live" $how
		oss_is 200
		[ "$(value Description) $(value Status) $(value Type) $(value FragDuration) $(value FragCount) $(value PlaylistName)" = 'a &amp; b enabled HLS 2 4 p.m3u8' ]
	done
	oss GET films 'c-v1?live' -q
	oss_is 200
	oss GET films 'c-v1?live&comp=stat' -v4
	[ "$(value Status)" = Idle ]
	oss PUT films 'c-v1?live&status=disabled'
	oss_is 200
	oss GET films 'c-v1?live&comp=stat'
	[ "$(value Status)" = Disabled ]
	oss GET films '?live&max-keys=1'
	[ "$(value Name) $(value Status) $(value IsTruncated) $(value NextMarker) $(value MaxKeys)" = 'c-v1 disabled true c-v1 1' ]
	oss GET films '?live&marker=c-v1&prefix=c'
	[ "$(value Name) $(value IsTruncated)" = 'c-v4 false' ]
	oss GET films 'c-v1?live&comp=history'
	oss_is 200
	run -1 mr bucket remove films
	for how in -v1 -v4; do
		oss DELETE films "c$how?live"
		oss_is 204
	done
	mr bucket remove films
	oss GET films '?live'
	oss_is 404 NoSuchBucket
}

@test "by path where no host name is configured" {
	unset OSS_HOST
	make_channel c
	oss GET films 'c?live' -v4
	oss_is 200
}

@test "every operation answers every error with its status, code and EC" {
	make_channel c
	python3 "$BATS_TEST_DIRNAME/oss_table.py"
	unset OSS_HOST
	python3 "$BATS_TEST_DIRNAME/oss_table.py"
	curl -s --path-as-is "http://127.0.0.1:$API/films/..%2f..%2fcredentials.json" >"$T/answer"
	grep -q InvalidObjectName "$T/answer"
}

@test "who may publish: signed URLs, for an existing and enabled channel, one publisher at a time" {
	make_channel c
	make_channel off
	oss PUT films 'off?live&status=disabled'
	now=$(date +%s)
	refused() { # CODE CHANNEL QUERY
		: >"$T/sends-$2.log"
		sends "$2" "$3"
		end_of "$PID" 10
		within 5 grep -q "event=channel_refused.* channel=\"\?$2\"\? .*code=$1" "$S/log/cp.log" || { tail "$S/log/cp.log"; return 1; }
	}
	refused AccessDenied c ''
	refused 0002-00000803 c "OSSAccessKeyId=$OSS_ID&Signature=x"
	refused 0002-00000806 c "OSSAccessKeyId=$OSS_ID&Expires=$((now + 60))"
	refused 0002-00000808 c "x-oss-signature-version=OSS4-HMAC-SHA256&$(signed c)"
	refused 0002-00000805 c "$(signed c $((now - 10)))"
	refused 0002-00000804 c "$(signed c tomorrow)"
	refused 0002-00000807 c "$(OSS_SECRET=wrong signed c)"
	refused NoSuchLiveChannel none "$(signed none)"
	grep -q 'there is no such live channel' "$T/sends-none.log"
	refused LiveChannelDisabled off "$(signed off)"
	grep -q 'the live channel is switched off' "$T/sends-off.log"
	sends c "$(signed c)"
	within 15 is_live c
	first=$PID
	sends c "$(signed c)"
	end_of "$PID" 10
	alive "$first"
	oss PUT films 'c?live' -b "$(config '')"; oss_is 409 ChannelStillLive 0044-00000201
	oss DELETE films 'c?live'; oss_is 409 ChannelStillLive 0044-00000201
	mr bucket acl films public-read-write
	make_channel open
	sends open ''
	within 15 is_live open
}

@test "what is published is what the objects hold; the newest are in the playlist that the URL names" {
	make_channel c 1 3
	start=$(date +%s)
	sends c "$(signed c '' playlistName=mine.m3u8)"
	within 30 has_segments c 6
	oss GET films 'c?live&comp=stat'
	[ "$(value Status) $(value Width) $(value Height)" = 'Live 320 180' ]
	[[ $(value RemoteAddr) == 127.0.0.1:* ]]
	[ "$(body | grep -o '<Codec>[^<]*' | paste -sd' ')" = '<Codec>H264 <Codec>AAC' ]
	[ "$(value Bandwidth)" -gt 10000 ]
	[ "$(grep -c EXTINF "$F/c/mine.m3u8")" = 3 ]
	[ ! -e "$F/c/playlist.m3u8" ]
	kill "$PID"
	end_of "$PID" 10
	within 15 eval 'oss GET films "c?live&comp=stat" && [ "$(value Status)" = Idle ]'
	oss POST films "c/all.m3u8?vod&startTime=$((start - 60))&endTime=$((start + 600))"
	oss_is 200
	grep -qi '^etag: "' "$T/answer"
	within 10 eval 'oss GET films "c?vod&startTime=$((start - 60))&endTime=$((start + 600))" && [ "$(body | grep -c EXTINF)" = "$(segments c)" ]'
	grep -q 'Content-Type: application/x-mpegURL' "$T/answer"
	body >"$F/c/whole.m3u8"
	grep -q ENDLIST "$F/c/whole.m3u8"
	run ! grep -q DISCONTINUITY "$F/c/whole.m3u8"
	elementary "$F/c/whole.m3u8" -bsf:v filter_units=remove_types=7-9 -bsf:a aac_adtstoasc >"$T/got"
	elementary "$AV" -bsf:v h264_mp4toannexb,filter_units=remove_types=7-9 >"$T/sent"
	is_run "$T/sent" "$T/got"
	within 5 eval 'oss GET films "c?live&comp=history" && [[ $(value RemoteAddr) == 127.0.0.1:* ]]'
}

@test "objects are fetched, in ranges too, listed and deleted; the bucket's access decides for the unsigned" {
	make_channel c 1 3
	sends c "$(signed c)"
	within 30 has_segments c 3
	kill "$PID"
	end_of "$PID" 10
	within 15 eval '! is_live c'
	name=$(find "$F/c" -name '*.ts' -printf '%f\n' | sort | head -n 1)
	size=$(stat -c %s "$F/c/$name")
	at="http://films.oss.example:$API/c/$name"
	get() { curl -s --resolve "films.oss.example:$API:127.0.0.1" "$@"; }
	oss GET films "c/$name" -v4
	oss_is 200
	[ "$(get -o /dev/null -w '%{http_code}' "$at")" = 403 ]
	mr bucket acl films public-read
	get "$at" -D "$T/heads" -o "$T/got"
	cmp "$T/got" "$F/c/$name"
	grep -qi '^content-type: video/mp2t' "$T/heads"
	etag=$(grep -i '^etag:' "$T/heads" | tr -d '\r' | cut -d' ' -f2)
	[ "$(get -o /dev/null -w '%{http_code}' -H "If-None-Match: $etag" "$at")" = 304 ]
	[ "$(get -I "$at" | tr -d '\r' | grep -i '^content-length:' | cut -d' ' -f2)" = "$size" ]
	get -r 188-375 "$at" -o "$T/got" && cmp "$T/got" <(tail -c +189 "$F/c/$name" | head -c 188)
	get -r -188 "$at" -o "$T/got" && cmp "$T/got" <(tail -c 188 "$F/c/$name")
	[ "$(get -o /dev/null -w '%{http_code}' -r "$size-" "$at")" = 416 ]
	get "http://films.oss.example:$API/?delimiter=/" >"$T/list"
	grep -q '<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>' "$T/list"
	get "http://films.oss.example:$API/?prefix=c/&max-keys=1" >"$T/list"
	grep -q "<Key>c/$name</Key>.*<Size>$size</Size>" "$T/list"
	grep -q '<IsTruncated>true</IsTruncated>' "$T/list"
	run ! grep -q '\.index' "$T/list"
	[ "$(get -o /dev/null -w '%{http_code}' -X DELETE "$at")" = 403 ]
	oss DELETE films "c/$name"
	oss_is 204
	[ ! -e "$F/c/$name" ]
	oss DELETE films 'c?live'
	oss_is 204
	run -1 mr bucket remove films
	while read -r name; do oss DELETE films "c/$name"; done < <(cd "$F/c" && printf '%s\n' *)
	mr bucket remove films
	[ ! -e "$F" ]
}

@test "a disabled channel's publisher is cut after about 10 s" {
	make_channel c
	sends c "$(signed c)"
	within 15 is_live c
	oss PUT films 'c?live&status=disabled'
	oss_is 200
	since=${EPOCHREALTIME/./}
	oss PUT films 'c?live&status=enabled'
	oss_is 409 ChannelStillLive
	end_of "$PID" 25
	took=$(((${EPOCHREALTIME/./} - since) / 1000000))
	[ "$took" -ge 8 ]
	within 5 eval 'oss PUT films "c?live&status=enabled" && oss_is 200'
}

@test "kills of the worker, the control plane and the data plane while it records leave a playable set, which goes on" {
	make_channel c 1 3
	start=$(date +%s)
	sends c "$(signed c)"
	within 30 has_segments c 2
	for who in worker cp worker cp; do
		n=$(segments c)
		case $who in
		worker) pkill -KILL -P "$(pid_of cp)" millrace-worker ;;
		cp) kill -KILL "$(pid_of cp)" ;;
		esac
		playable "$F/c/playlist.m3u8"
		within 40 has_segments c $((n + 3))
		playable "$F/c/playlist.m3u8"
	done
	kill -KILL "$(pid_of dp)"
	end_of "$PID" 20 || kill "$PID"
	playable "$F/c/playlist.m3u8"
	within 20 up_ready
	n=$(segments c)
	sends c "$(signed c)"
	within 40 has_segments c $((n + 2))
	kill "$PID"
	within 15 eval 'oss GET films "c?vod&startTime=$((start - 60))&endTime=$((start + 900))" && [ "$(head -n 1 "$T/answer")" = 200 ] && [ "$(body | grep -c EXTINF)" = "$(segments c)" ]'
	body >"$F/c/whole.m3u8"
	grep -q DISCONTINUITY "$F/c/whole.m3u8"
	playable "$F/c/whole.m3u8"
}

@test "pictures other than H.264 are not recorded; sound other than AAC is left out and counted" {
	make_channel c
	sends c "$(signed c)" -c:a libmp3lame
	within 30 has_segments c 2
	first=$(find "$F/c" -name '*.ts' | sort | head -n 1)
	[ "$(ffprobe -v error -show_entries stream=codec_type -of csv=p=0 "$first" | grep -c video)" -ge 1 ]
	[ -z "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 "$first")" ]
	within 5 eval 'curl -s "http://127.0.0.1:$API/metrics" | grep -q "^millrace_channel_frames_dropped_total [1-9]"'
	make_channel other
	sends other "$(signed other)" -c:v flv
	within 20 eval 'curl -s "http://127.0.0.1:$API/metrics" | grep -q "^millrace_channels{state=\"failed\"} 1"'
	[ "$(segments other)" = 0 ]
}

@test "without a key frame a segment ends after 60 s, or twice FragDuration" {
	ffmpeg -v error -f lavfi -i testsrc2=size=160x90:rate=5 -f lavfi -i sine=frequency=440:sample_rate=44100 -t 170 \
		-c:v libx264 -preset ultrafast -g 100000 -sc_threshold 0 -c:a aac -b:a 32k -f flv "$T/long.flv"
	make_channel short 1
	make_channel long 40
	# Faster than the clock, with the film's times.
	for name in short long; do
		background "sends-$name" ffmpeg -v error -readrate 20 -i "$T/long.flv" -c copy -f flv \
			-rtmp_tcurl "rtmp://films.oss.example/live" "rtmp://127.0.0.1:$RTMP/live/$name?$(signed "$name")"
	done
	within 30 has_segments short 3
	within 30 has_segments long 3
	for is in 'short 60 60' 'long 80 80'; do
		read -r name first second <<<"$is"
		playable "$F/$name/playlist.m3u8"
		mapfile -t lasts < <(awk -F "[:,]" '/^#EXTINF/ { printf "%.0f\n", $2 }' "$F/$name/playlist.m3u8")
		[ "${lasts[0]} ${lasts[1]}" = "$first $second" ] || { echo "$name: ${lasts[*]}"; return 1; }
		run ! grep -q '^#EXT-X-DISCONTINUITY$' "$F/$name/playlist.m3u8"
	done
}

# on_disk MIB [option...]: oss.folder is a file system of its own, of that size, at $T/disk
on_disk() {
	local size=$1
	shift
	mr_down
	mkdir -p "$T/disk"
	truncate -s "${size}M" "$T/disk.img"
	mkfs.ext4 -q -b 1024 -m 0 "$T/disk.img"
	mount -o loop "$T/disk.img" "$T/disk" 2>"$T/mount" || skip "cannot mount"
	F=$T/disk/objects/films
	up_run --set oss.host=oss.example --set "oss.folder=$T/disk/objects"
}

mr_down() {
	kill "$UP"
	end_of "$UP" 20
}

counted() { # METRIC
	curl -s "http://127.0.0.1:$API/metrics" | grep -q "^$1 [1-9]"
}

# never_broken PLAYLIST FILE: as long as FILE is there, what the playlist names is there; says what was not
never_broken() {
	local name
	while [ -e "$2" ]; do
		while read -r name; do
			[ -s "$(dirname "$1")/$name" ] || echo "$name"
		done < <(grep -v '^#' "$1" 2>/dev/null)
		read -rt 0.1 <> <(:) || :
	done
}

@test "a full disk costs segments, counted and logged, never the playlist, and it goes on when there is room" {
	on_disk 2
	make_channel c 1 3
	touch "$T/watched"
	background broken never_broken "$F/c/playlist.m3u8" "$T/watched"
	watcher=$PID
	sends c "$(signed c)"
	within 30 has_segments c 3
	dd if=/dev/zero of="$T/disk/filler" bs=1k count=100000 2>/dev/null || :
	within 20 counted millrace_channel_segments_failed_total
	within 5 grep -q 'event=channel_not_kept .*reason=hls_disk_full' "$S/log/cp.log"
	playable "$F/c/playlist.m3u8"
	n=$(segments c)
	rm "$T/disk/filler"
	within 20 has_segments c $((n + 3))
	playable "$F/c/playlist.m3u8"
	rm "$T/watched"
	end_of "$watcher" 5
	[ ! -s "$T/broken.log" ] || { cat "$T/broken.log"; return 1; }
	[ "$(sed -n 's/^#EXT-X-DISCONTINUITY-SEQUENCE://p' "$F/c/playlist.m3u8")" -ge 1 ] || grep -q '^#EXT-X-DISCONTINUITY$' "$F/c/playlist.m3u8"
}

@test "a disk that stands still for a while costs nothing: what was published is there afterwards" {
	on_disk 32
	make_channel c 1 3
	start=$(date +%s)
	sends c "$(signed c)"
	within 30 has_segments c 2
	fsfreeze -f "$T/disk"
	n=$(segments c)
	mkfifo "$T/go"
	background thaw bash -c "read -rt 60 <>'$T/go'; fsfreeze -u '$T/disk'" # whatever becomes of the test
	read -rt 6 <> <(:) || :
	[ "$(segments c)" -le $((n + 1)) ]
	echo >"$T/go"
	end_of "$PID" 15
	within 20 has_segments c $((n + 6))
	oss GET films "c?vod&startTime=$((start - 60))&endTime=$((start + 600))"
	oss_is 200
	body >"$F/c/whole.m3u8"
	run ! grep -q '^#EXT-X-DISCONTINUITY$' "$F/c/whole.m3u8"
	playable "$F/c/whole.m3u8"
	run ! counted millrace_channel_segments_failed_total
}
