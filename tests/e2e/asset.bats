#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The catalogue of assets, and tasks that play from it (SourceType vod).

load lib
load clips

setup() {
	e2e_setup
	clips
	www_start
	nginx_start
	mkdir -p "$T/films/sub" "$T/outside"
	cp "$CLIPS/a.mp4" "$T/films/sub/a.mp4"
	cp "$CLIPS/b.mp4" "$T/films/b.mp4"
	cp "$CLIPS/c.flv" "$T/outside/secret.flv"
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\nasset:\n  folder: %s\n' "$T/films" >"$T/up.yaml"
	up
}

teardown() {
	e2e_teardown
}

vod_create() { # DST LIST [k=v...]: prints the id
	local dst=$1 ids
	# shellcheck disable=SC2086
	ids=$(printf '"%s",' $2)
	shift 2
	api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=vod \
		"SourceUrls=[${ids%,}]" "DstUrl=$dst" RetryInterval=1 "$@" | jq -er .TaskId
}

@test "assets are looked at when they are added, listed, shown and removed, and survive a restart" {
	serve c.flv
	run -0 mr asset add one --file sub/a.mp4 --json
	[ "$(jq -r .video <<<"$output")" = h264 ]
	[ "$(jq -r .audio <<<"$output")" = aac ]
	duration=$(jq .duration_ms <<<"$output")
	[ "$duration" -ge 2900 ] && [ "$duration" -le 3200 ]
	run -0 mr asset add two --url "$WWW/c.flv?key=hush-hush"
	run -1 mr asset add one --file b.mp4
	kill -KILL "$(pid_of cp)"
	within 15 up_ready
	run -0 mr asset list --json
	[ "$(jq -r '[.assets[].id] | join(" ")' <<<"$output")" = "one two" ]
	[[ $output != *hush-hush* ]]
	run -0 mr asset show one
	[[ $output == *sub/a.mp4* ]]
	run -0 mr asset remove two
	run -1 mr asset show two
}

@test "media ids play as one stream: local files and URLs, seam by seam" {
	serve c.flv
	run -0 mr asset add one --file sub/a.mp4
	run -0 mr asset add two --file b.mp4
	run -0 mr asset add three --url "$WWW/c.flv"
	TASK=$(vod_create "rtmp://127.0.0.1:$NGX/dst/v" "one two three" RepeatNumber=-1)
	within 10 task_is "$TASK" 1
	record v 14
	continuous "$T/v.flv" 90
	run -1 mr asset remove one
	[[ $output == *"$TASK"* ]]
}

@test "no path leads out of asset.folder" {
	ln -s "$T/outside/secret.flv" "$T/films/link.flv"
	ln -s "$T/outside" "$T/films/door"
	for path in ../outside/secret.flv sub/../../outside/secret.flv /etc/passwd sub//a.mp4 ./b.mp4; do
		run -1 mr asset add bad --file "$path"
		[[ $output == *"must be a path below"* ]]
	done
	for path in link.flv door/secret.flv gone.mp4 sub; do
		run -1 mr asset add bad --file "$path"
		[[ $output == *asset_missing* ]]
	done
	echo '#EXTM3U' >"$T/films/list.mp4"
	run -1 mr asset add bad --file list.mp4
	[[ $output == *remote_protocol* ]]
	run -1 mr asset add bad --url "file://$T/films/b.mp4"
	run -1 mr asset add bad --url "$WWW/gone.mp4"
	[[ $output == *remote_not_found* ]]
	[ "$(mr asset list --json | jq '.assets | length')" = 0 ]
}

@test "a file that is gone is left out with its reason; a worker reads only the folder" {
	run -0 mr asset add one --file sub/a.mp4
	run -0 mr asset add two --file b.mp4
	rm "$T/films/sub/a.mp4"
	TASK=$(vod_create "rtmp://127.0.0.1:$NGX/dst/g" "one two" RepeatNumber=-1)
	within 10 task_is "$TASK" 1
	[[ $(described "$TASK" LastSkipped) == "file 0: asset_missing"* ]]
}

@test "the command line makes tasks of every kind, and the same id makes nothing twice" {
	run -0 mr asset add one --file b.mp4
	TASK=$(mr task create --assets one --destination "rtmp://127.0.0.1:$NGX/dst/k" --repeat -1 --id cup \
		--more-destinations "rtmp://127.0.0.1:$NGX/dst/m rtmp://127.0.0.1:$NGX/dst/n" --retry-interval 1s --retry-policy exponential)
	[ "$TASK" = cup ]
	within 10 task_is cup 1
	[ "$(described cup 'Destinations | length')" = 3 ]
	[ "$(described cup TaskInfo.RepeatNumber)" = -1 ]
	run -0 mr task create --source rtmp://h/a/b --backup-sources "rtmp://h/a/c rtmp://h/a/d" --slate one --start +1h --end +2h \
		--destination rtmp://h/x/y
	[ "$(described "$output" 'TaskInfo.BackupSourceUrls | length')" = 2 ]
	[ "$(described "$output" TaskInfo.SlateUrl)" = one ]
	run -0 mr task create --files "$WWW/a.mp4 $WWW/c.flv" --start +1h --end +2h --destination rtmp://h/x/z
	[ "$(described "$output" TaskInfo.SourceType)" = url ]
	run -2 mr task create --files "$WWW/a.mp4" --assets one --destination rtmp://h/x/w
}

@test "the command line gives every parameter of a task and changes it" {
	run -0 mr task create --id t --source rtmp://h/a/b --backup-sources rtmp://h/a/c --backup-after 5s --backup-return -1 --start +1h \
		--end +2h --destination rtmp://h/x/y --retry-policy exponential --retry-interval 2s --retry-max-interval 1m --region here
	jq -e '.BackupAfter == 5 and .BackupReturn == -1 and .RetryMaxInterval == 60 and .Region == "here"' <<<"$(described t TaskInfo)"
	run -0 mr task update t --backup-after 7s --slate "$WWW/a.mp4" --destination rtmp://h/x/z --end +3h
	jq -e '.BackupAfter == 7 and (.SlateUrl | endswith("a.mp4")) and .DstUrl == "rtmp://h/x/z" and .Region == "here"' <<<"$(described t TaskInfo)"
	run -0 mr task update t --backup-sources "" --slate ""
	[ "$(described t TaskInfo.BackupSourceUrls)" = null ]
	run -0 mr task update t --files "$WWW/a.mp4 $WWW/c.flv" --file-index 1 --offset 2s --repeat 3
	jq -e '.SourceType == "url" and .FileIndex == 1 and .Offset == 2 and .RepeatNumber == 3 and (.SourceUrls | length) == 2' \
		<<<"$(described t TaskInfo)"
	run -0 mr task update t --retry-policy fixed --retry-interval 5s --retry-max-interval 30s --retry-count -1
	jq -e '.RetryPolicy == "fixed" and .RetryInterval == 5 and .RetryMaxInterval == 30 and .RetryCount == -1' <<<"$(described t TaskInfo)"
	run -1 mr task update t --retry-max-interval 4s
	[[ $output == *"at least RetryInterval"* ]]
	run -2 mr task update t --files a.mp4 --assets one
	run -2 mr task update t --offset soon
	run -2 mr task update t
}
