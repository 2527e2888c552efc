#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Control and inventory of streams as a generic RPC client sees them.

load lib

setup() {
	e2e_setup
	printf 'memory:\n  arena: 256m\npublish:\n  hold: 0ms\n' >"$T/up.yaml"
	up
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --open --ingest push.example.com
	fixture
}

teardown() {
	e2e_teardown
}

# ok k=v...: the body of a signed call that must succeed, in $body
ok() {
	run -0 python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$S/credentials.json" "http://127.0.0.1:$API/" GET "$@"
	[ "${lines[0]}" = 200 ] || {
		echo "# $* -> $output" >&2
		return 1
	}
	body=${lines[1]}
}

no() { # STATUS CODE k=v...
	local http=$1 code=$2
	shift 2
	run -0 python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$S/credentials.json" "http://127.0.0.1:$API/" GET "$@"
	[ "${lines[0]}" = "$http" ] && [ "$(jq -r .Code <<<"${lines[1]}")" = "$code" ] || {
		echo "# $* -> $output" >&2
		return 1
	}
}

sends() { # NAME
	background "sends-$1" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://127.0.0.1:$RTMP/live/$1?vhost=push.example.com"
}

state() { # NAME: online or offline
	api Action=DescribeLiveStreamState DomainName=play.example.com AppName=live "StreamName=$1" | jq -r .StreamState
}

forbid() {
	ok Action=ForbidLiveStream DomainName=push.example.com AppName=live LiveStreamType=publisher "$@"
}

@test "a forbidden stream is cut and refused until it is resumed, also by a data plane and control plane that were killed" {
	sends a
	within 10 eval '[ "$(state a)" = online ]'
	first=$PID
	forbid StreamName=a
	end_of "$first" 10
	within 5 eval '[ "$(state a)" = offline ]'
	sends a
	end_of "$PID" 10
	ok Action=DescribeLiveStreamsBlockList DomainName=play.example.com
	jq -e '.TotalNum == 1 and .StreamUrls.StreamUrl == ["rtmp://play.example.com/live/a"]' <<<"$body"
	kill -KILL "$(pid_of cp)" "$(pid_of dp)"
	within 20 up_ready
	sends a
	end_of "$PID" 10
	[ "$(state a)" = offline ]
	ok Action=ResumeLiveStream DomainName=push.example.com 'AppName=*' StreamName=a LiveStreamType=publisher
	no 404 InvalidStream.NotFound Action=ResumeLiveStream DomainName=push.example.com AppName=live StreamName=a LiveStreamType=publisher
	sends a
	within 10 eval '[ "$(state a)" = online ]'
	ok Action=DescribeLiveStreamsControlHistory DomainName=push.example.com "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')"
	jq -e '[.ControlInfo.LiveStreamControlInfo[] | .Action] == ["resume", "forbid"] and .ControlInfo.LiveStreamControlInfo[0].ClientIP == "127.0.0.1"' <<<"$body"
}

@test "one-shot only disconnects, and a time in the future ends by itself" {
	sends a
	within 10 eval '[ "$(state a)" = online ]'
	forbid StreamName=a Oneshot=yes
	end_of "$PID" 10
	within 5 eval '[ "$(state a)" = offline ]'
	no 404 InvalidStream.NotFound Action=ForbidLiveStream DomainName=push.example.com AppName=live StreamName=a LiveStreamType=publisher Oneshot=yes
	sends a
	within 10 eval '[ "$(state a)" = online ]'
	no 400 InvalidParameter Action=ForbidLiveStream DomainName=push.example.com AppName=live StreamName=a LiveStreamType=publisher "ResumeTime=$(utc '-1 minute')"
	[ "$(state a)" = online ]
	forbid StreamName=a "ResumeTime=$(utc '+6 seconds')"
	end_of "$PID" 10
	within 20 eval 'api Action=DescribeLiveStreamsBlockList DomainName=play.example.com | jq -e ".TotalNum == 0" >/dev/null'
	sends a
	within 10 eval '[ "$(state a)" = online ]'
}

@test "live streams are listed with what is known of them, and those that ended in their history" {
	sends room
	first=$PID
	sends other
	within 10 eval '[ "$(state room)$(state other)" = onlineonline ]'
	background player ffmpeg -v error -headers $'Host: play.example.com\r\n' -i "http://127.0.0.1:$HTTP/live/room.flv" -f null -
	within 15 eval 'api Action=DescribeLiveDomainOnlineUserNum DomainName=play.example.com | jq -e ".UserCount == 1 and .StreamCount == 2" >/dev/null'
	within 10 eval 'ok Action=DescribeLiveStreamsOnlineList DomainName=play.example.com StreamName=roo && jq -e ".OnlineInfo.LiveStreamOnlineInfo[0].VideoCodecId == 7" <<<"$body" >/dev/null'
	jq -e '.TotalNum == 1 and (.OnlineInfo.LiveStreamOnlineInfo[0] | .StreamName == "room" and .AppName == "live" and .DomainName == "play.example.com" and
		.PublishDomain == "push.example.com" and .PublishUrl == "rtmp://push.example.com/live/room" and .Width == 320 and .Height == 180 and .AudioCodecId == 10 and (.ClientIp | startswith("127.0.0.1:")))' <<<"$body"
	ok Action=DescribeLiveStreamsOnlineList DomainName=play.example.com StreamName=roo QueryType=strict
	jq -e '.TotalNum == 0' <<<"$body"
	ok Action=DescribeLiveStreamsOnlineList DomainName=play.example.com PageSize=1 PageNum=2
	jq -e '.TotalNum == 2 and .TotalPage == 2 and (.OnlineInfo.LiveStreamOnlineInfo | length) == 1' <<<"$body"
	ok Action=DescribeLiveDomainLimit DomainName=play.example.com
	jq -e '.LiveDomainLimitList.LiveDomainLimit[0] | .CurrentNum == 2 and .LimitNum == 10000' <<<"$body"
	kill -INT "$first"
	within 10 eval '[ "$(state room)" = offline ]'
	ok Action=DescribeLiveStreamsPublishList DomainName=play.example.com "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')" OrderBy=stream_name_desc
	jq -e '[.PublishInfo.LiveStreamPublishInfo[] | [.StreamName, (.StopTime != "")]] == [["room", true], ["other", false]]' <<<"$body"
	no 400 InvalidParameter Action=DescribeLiveStreamsPublishList DomainName=play.example.com "StartTime=$(utc '-40 days')" "EndTime=$(utc '+1 hour')"
	no 404 InvalidDomain.NotFound Action=DescribeLiveStreamsOnlineList DomainName=other.example.com
}

@test "the numbers of a stream are kept by the minute" {
	sends a
	within 100 eval 'api Action=DescribeLiveStreamBitRateData DomainName=play.example.com AppName=live StreamName=a "StartTime=$(utc "-1 hour")" "EndTime=$(utc "+1 hour")" | jq -e ".FrameRateAndBitRateInfos.FrameRateAndBitRateInfo[0] | .BitRate > 50 and .VideoFrameRate > 15 and .VideoFrameRate < 45" >/dev/null'
	ok Action=DescribeLiveStreamHistoryUserNum DomainName=play.example.com AppName=live StreamName=a "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')"
	jq -e '.LiveStreamUserNumInfos.LiveStreamUserNumInfo[0].UserNum == "0"' <<<"$body"
	ok Action=DescribeLiveStreamMetricDetailData DomainName=play.example.com AppName=live StreamName=a "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')"
	jq -e '.StreamDetailData.StreamData[0] | .Traffic == 0 and .Count == 0' <<<"$body"
}

@test "the command line forbids and resumes" {
	sends a
	within 10 eval '[ "$(state a)" = online ]'
	mr stream forbid push.example.com/live/a --until +1h
	end_of "$PID" 10
	mr stream resume push.example.com/live/a
	run -1 mr stream resume push.example.com/live/a
	run -2 mr stream forbid nonsense
}

@test "publish codes: accepted and refused publishers are counted by the minute" {
	mr domain add signed.example.com --type ingest
	sends a
	within 10 eval '[ "$(state a)" = online ]'
	sends a
	end_of "$PID" 10
	for _ in 1 2 3; do
		run ! timeout 10 ffmpeg -v error -re -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/b?vhost=signed.example.com"
	done
	codes push.example.com '[.[] | .CodeData[]] | (map(select(.Code == "200")) | length == 1) and (map(select(.Code == "501") | .Count | tonumber) | add == 1)'
	codes signed.example.com '[.[] | .CodeData[]] | (map(.Code) | unique) == ["403"] and (map(.Count | tonumber) | add) == 3'
	no 400 InvalidParameter Action=DescribeLiveDomainPublishErrorCode DomainName=play.example.com "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')"
	no 400 InvalidParameter Action=DescribeLiveDomainPublishErrorCode DomainName=push.example.com "StartTime=$(utc '-9 days')" "EndTime=$(utc '+1 hour')"
	ok Action=DescribeLiveDomainFrameRateAndBitRateData DomainName=play.example.com
	jq -e '.FrameRateAndBitRateInfos.FrameRateAndBitRateInfo | length == 1 and .[0].StreamUrl == "rtmp://play.example.com/live/a" and .[0].BitRate >= 0' <<<"$body"
}

codes() { # DOMAIN FILTER: within 10 s it holds for RealTimeCodeData
	within 10 codes_are "$1" "$2"
}

codes_are() {
	api Action=DescribeLiveDomainPublishErrorCode "DomainName=$1" "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')" |
		jq -e ".RealTimeCodeData | $2" >/dev/null
}
