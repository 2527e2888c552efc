#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Several nodes on one Redis: a task runs on one of them, and on another when that one is gone.
#
#   redis-server <- node a, node b (millrace up, a state folder each)
#   nginx src/a -> a or b -> nginx dst/a: nginx logs each publisher of dst

# shellcheck disable=SC2030,SC2031,SC2046,SC2119,SC2120,SC2174 # process ids are words; parameters are optional
load lib

setup() {
	e2e_setup
	nginx_count
	ports 1
	REDIS_PORT=${PORTS[0]}
	background redis redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --appendonly no --dir "$T"
	REDIS_SERVER=$PID
	within 5 listening "$REDIS_PORT"
	fixture
	background source ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/a"
	within 5 rtmp_plays "rtmp://127.0.0.1:$NGX/src/a"
	node a
	node b
}

teardown() {
	for name in "${!UPS[@]}"; do
		kill -CONT "${UPS[$name]}" $(pgrep -P "${UPS[$name]}") 2>/dev/null || :
	done
	if [ "${BATS_TEST_COMPLETED:-0}" != 1 ]; then
		tail -n 40 "$T"/[ab]/log/[cd]p.log "$T/publishers" | sed 's/^/# /'
	fi
	e2e_teardown
}

declare -gA UPS

# nginx_count: a destination that writes down each publisher as it comes and goes
nginx_count() {
	ports 2
	NGX=${PORTS[0]} COUNT=${PORTS[1]}
	background counter python3 "$BATS_TEST_DIRNAME/publish_counter.py" "$COUNT" "$T/publishers"
	within 5 listening "$COUNT"
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
		listen 127.0.0.1:$NGX;
		application src { live on; wait_key on; idle_streams off; }
		application dst {
			live on;
			wait_key on;
			drop_idle_publisher 3s;
			on_publish http://127.0.0.1:$COUNT/;
			on_publish_done http://127.0.0.1:$COUNT/;
		}
	}
}
NGINX
	background nginx nginx -p "$T/nginx" -c "$T/nginx/nginx.conf"
	within 5 listening "$NGX"
}

# node NAME [option...]: a node of that name; UPS[NAME] is its `millrace up`
node() {
	local name=$1
	shift
	mkdir -p -m 700 "$T/$name"
	ports 3
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\n  running: 10\nnode: %s\ncluster:\n  enabled: true\n  region: "%s"\n' "$name" "${REGIONS:-}" >"$T/$name.yaml"
	background "up-$name" millrace up --state "$T/$name" --config "$T/$name.yaml" --rtmp "127.0.0.1:${PORTS[0]}" \
		--http "127.0.0.1:${PORTS[1]}" --api "127.0.0.1:${PORTS[2]}" --redis "redis://127.0.0.1:$REDIS_PORT" "$@"
	UPS[$name]=$PID
	within 20 node_ready "$name"
}

node_ready() {
	[ "$(on "$1" status --json 2>/dev/null | jq -r '.dataplane.connected and .redis.connected')" = true ]
}

on() {
	local name=$1
	shift
	millrace --state "$T/$name" "$@"
}

r() {
	redis-cli -p "$REDIS_PORT" --raw "$@"
}

# create [k=v...]: asks node a
create() {
	S=$T/a relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/${DST:-a}" RetryCount=1000 "$@"
}

# holder ID: the node that has the task
holder() {
	r GET "mr:task:{$1}:lease" | sed 's|/.*||'
}

held_by() { # ID NAME
	[ "$(holder "$1")" = "$2" ]
}

runs() { # ID: media flows, as Redis has it
	[ "$(r HGET "mr:task:{$1}" State)" = 1 ]
}

other() {
	[ "$1" = a ] && echo b || echo a
}

# never_two: no second publisher came while there was one
never_two() {
	not grep -q ^busy "$T/publishers"
}

node_pids() { # NAME: of its control plane and its data plane
	pgrep -P "${UPS[$1]}" -x 'millrace-cp|millrace-dp'
}

@test "a task runs on one node and both show it; either changes it or names the node that can" {
	id=$(create)
	within 10 runs "$id"
	never_two
	name=$(holder "$id")
	for n in a b; do
		within 5 listed "$n" "$id"
	done
	run -1 on "$(other "$name")" task stop "$id"
	[[ $output == *"$name"* ]]
	run -0 on "$name" task stop "$id"
	within 5 held_by "$id" ''
	# Nobody has a stopped task: whoever is asked takes it.
	run -0 on "$(other "$name")" task restart "$id"
	within 10 runs "$id"
	never_two
}

listed() {
	on "$1" task list --json | jq -e --arg id "$2" 'any(.tasks[]; .TaskId == $id)' >/dev/null
}

@test "a command finds the node that has the task" {
	id=$(create)
	within 10 runs "$id"
	export REDIS="-p $REDIS_PORT"
	for n in 1 2 3 4; do
		run -0 "$TOP/configs/redis/command.sh" update Region local TaskId "$id" RepeatNumber "$n"
	done
	[ "$(r HGET "mr:task:{$id}" RepeatNumber)" = 4 ]
}

# A node with room for ten: each task it has makes it wait long enough to show on a busy machine.
@test "tasks spread over the nodes, the emptier one takes" {
	for n in 1 2 3 4 5 6; do
		id=$(DST=d$n create)
		within 10 runs "$id"
	done
	for n in a b; do
		[ "$(r --scan --pattern 'mr:task:*:lease' | while read -r k; do r GET "$k"; done | grep -c "^$n/")" -ge 2 ]
	done
	never_two
}

@test "P13: kill -9 of a node moves its tasks to another within 3 leases" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	kill -KILL $(node_pids "$name") "${UPS[$name]}"
	within 6 held_by "$id" "$(other "$name")"
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	never_two
}

@test "P13: a node that is paused and resumed publishes no more when another has the task" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	kill -STOP "${UPS[$name]}" $(node_pids "$name")
	within 6 held_by "$id" "$(other "$name")"
	within 20 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	kill -CONT "${UPS[$name]}" $(node_pids "$name")
	within 5 node_ready "$name"
	# Its connection stood still and was there: the destination alone could refuse the other until
	# it dropped it. What counts is that it sends nothing any more and does not come back.
	within 5 lease_lost "$name"
	read -rt 3 <> <(:) || :
	held_by "$id" "$(other "$name")"
	within 5 runs "$id"
	[ "$(awk '$1 == "publish"' "$T/publishers" | wc -l)" = 2 ]
	[ "$(on "$name" status --json | jq '[.streams[]? | select(.pushes > 0)] | length')" = 0 ]
}

@test "P13: a paused control plane: its data plane stops by itself before another node begins" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	cp=$(pgrep -P "${UPS[$name]}" -x millrace-cp)
	kill -STOP "$cp"
	within 6 held_by "$id" "$(other "$name")"
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	kill -CONT "$cp"
	within 5 node_ready "$name"
	never_two
	lease_lost "$name"
}

lease_lost() {
	grep -q reason=lease_lost "$T/$1/log/dp.log"
}

@test "without Redis the tasks stop when their leases end, and run again when it is back" {
	id=$(create)
	within 10 runs "$id"
	kill -STOP "$REDIS_SERVER"
	within 6 no_publisher
	kill -CONT "$REDIS_SERVER"
	within 15 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	never_two
}

no_publisher() {
	[ "$(tail -n 1 "$T/publishers" | cut -d' ' -f1)" != publish ]
}

@test "a node takes the tasks of its regions only" {
	REGIONS='north west' node c
	for n in a b; do
		run -0 on "$n" drain on
	done
	export REDIS="-p $REDIS_PORT"
	for region in south west; do
		run -0 "$TOP/configs/redis/command.sh" create Region $region TaskId $region SourceType live SourceProtocol rtmp \
			SourceUrls "[\"rtmp://127.0.0.1:$NGX/src/a\"]" DstUrl "rtmp://127.0.0.1:$NGX/dst/$region" \
			StartTime "$(utc now)" EndTime "$(utc '+1 hour')"
	done
	within 5 held_by west c
	held_by south ''
	[ "$(r HGET 'mr:task:{south}' State)" = 0 ]
	run -0 on a drain off
	within 5 held_by south a
}

@test "drain moves the tasks of a node" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	run -0 on "$name" drain on
	within 5 held_by "$id" "$(other "$name")"
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	never_two
}
