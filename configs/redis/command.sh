#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Schedules relay tasks through Redis: adds one command to the stream mr:cmd and prints its answer.
#
#   command.sh ACTION FIELD VALUE [FIELD VALUE]...
#
#   command.sh create Region local TaskId cup SourceType live SourceProtocol rtmp \
#       SourceUrls '["rtmp://source.example/live/a"]' DstUrl rtmp://target.example/live/b \
#       StartTime 2026-06-01T10:00:00Z EndTime 2026-06-01T12:00:00Z
#   command.sh stop Region local TaskId cup
#
# REDIS holds the options of redis-cli, for example REDIS="-s /var/lib/millrace/redis/redis.sock".
# CORRELATION names the command; the same name again gets the same answer and does nothing.
# Exit status: 0 done, 1 refused (the answer says why), 2 no answer within 10 s.
set -eu

: "${REDIS:=-h 127.0.0.1}"
: "${CORRELATION:=$(cat /proc/sys/kernel/random/uuid)}"
action=$1
shift

# shellcheck disable=SC2086 # REDIS holds several words
{
	redis-cli $REDIS XADD mr:cmd '*' Action "$action" Correlation "$CORRELATION" "$@" >/dev/null
	answer=$(redis-cli $REDIS --raw BLPOP "mr:cmd:reply:$CORRELATION" 10 | tail -n 1)
}
[ -n "$answer" ] || exit 2
printf '%s\n' "$answer"
case $answer in
*'"Status":200'* | *'"Status": 200'*) ;;
*) exit 1 ;;
esac
