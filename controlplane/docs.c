/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/docs.h"

#include <string.h>

#include "controlplane/api.h"
#include "controlplane/domain.h"
#include "controlplane/model.h"

/* ---- API.md -------------------------------------------------------------------------------------- */

static const char api_head[] =
	"<!-- Written by `millrace-cp --api-doc` from controlplane/api.def. -->\n\n"
	"# The API\n\n"
	"RPC style: `GET /` with a query or `POST /` with a form (`application/x-www-form-urlencoded`), on\n"
	"`api.listen` (127.0.0.1:8090). Generic clients of the API version `2016-11-01` work with this\n"
	"endpoint and the key pair from `STATE/credentials.json`.\n\n"
	"## Common parameters\n\n"
	"| name | value |\n|---|---|\n"
	"| Action, Version | the action; `2016-11-01` |\n"
	"| Format | `JSON`, or left out |\n"
	"| AccessKeyId | from `STATE/credentials.json` |\n"
	"| SignatureMethod, SignatureVersion | `HMAC-SHA1`, `1.0` |\n"
	"| SignatureNonce | never used before; remembered for twice `api.clock_window` (a restart forgets) |\n"
	"| Timestamp | `yyyy-MM-ddTHH:mm:ssZ`, within `api.clock_window` of this node's clock |\n"
	"| Signature | see below |\n\n"
	"All parameters but Signature, sorted by name, percent-encoded by RFC 3986 and joined with `=` and\n"
	"`&`, give the query; `METHOD & %2F & encode(query)` is signed by HMAC-SHA1 with the secret plus `&`\n"
	"as key, in base64. On the owner's socket `STATE/api.sock` (mode 0600) nothing is signed.\n\n"
	"## Answers\n\n"
	"Every answer is JSON and has a `RequestId`. An error has changed nothing and is\n"
	"`{\"RequestId\", \"HostId\", \"Code\", \"Message\"}`; the message names the parameter, its rule and the value.\n\n"
	"| status | Code | when |\n|---|---|---|\n"
	"| 400 | MissingParameter, InvalidParameter | a parameter breaks its rule |\n"
	"| 400 | InvalidVersion | Version is not 2016-11-01 |\n"
	"| 400 | InvalidTimeStamp.Format, InvalidTimeStamp.Expired | the Timestamp |\n"
	"| 400 | SignatureNonceUsed | the nonce was seen before |\n"
	"| 400 | InvalidDstUrl.Duplicate | another task has this DstUrl |\n"
	"| 400 | InvalidTaskId.Duplicate | the chosen TaskId is a task made with other parameters |\n"
	"| 400 | DomainAlreadyExist, ConfigAlreadyExists, OperationDenied.Conflict, OperationDenied.Mapped | a domain; nothing was changed |\n"
	"| 404 | InvalidDomain.NotFound, InvalidConfigId.NotFound, InvalidFunction.NotFound, InvalidMapping.NotFound, InvalidStream.NotFound, InvalidConfig.NotFound "
	"| there is none |\n"
	"| 409 | OperationConflict | another change of the same was faster |\n"
	"| 403 | Forbidden.RAM | the user's role or domains do not allow it |\n"
	"| 403 | SignatureDoesNotMatch | wrong secret or wrong way to sign |\n"
	"| 403 | OperationDenied.TaskStatus | not in the task's present state |\n"
	"| 403 | QuotaExceeded.Task | `tasks.running` is reached |\n"
	"| 404 | InvalidAction.NotFound, InvalidAccessKeyId.NotFound, InvalidTaskId.NotFound | there is none |\n"
	"| 409 | OperationDenied.OtherNode | of several nodes another one runs the task; the message names it |\n"
	"| 403 | QuotaExceeded.Domain, QuotaExceeded.BlockList, QuotaExceeded.Pull | there are 1000 domains, 10000 forbidden "
	"streams, 10000 pulls |\n"
	"| 400, 404, 403 | UserAlreadyExist, InvalidUser.NotFound, QuotaExceeded.User, QuotaExceeded.AccessKey | users |\n"
	"| 503 | Throttling.User | more requests by one key than `api.rate` |\n"
	"| 503 | ServiceUnavailable | Redis did not confirm a change; running relays go on |\n"
	"| 503 | Throttling | more signed requests than can be remembered |\n\n"
	"A change is answered only after Redis confirmed it. When the connection to Redis is lost in between,\n"
	"the answer is 503 and the change is taken back when Redis is there again.\n\n"
	"## Actions\n";

static const char api_tail[] =
	"\n## States\n\n"
	"| TaskStatus | name | meaning |\n|---|---|---|\n"
	"| 0 | Idle | StartTime is not reached; `State` says Starting while the first media is awaited |\n"
	"| 1 | Running | media flows from the source to the destination |\n"
	"| 2 | Recovering | a leg failed; TaskInvalidReason says which, Reason why; it is tried again |\n"
	"| 3 | Offline | stopped, or RetryCount retries failed |\n"
	"| -1 | Exit | past EndTime or deleted; only in callbacks |\n\n"
	"Describe and List say more than is documented:\n\n"
	"| field | meaning |\n|---|---|\n"
	"| State, StateSince | its name, and since when |\n"
	"| Reason, Detail | why it does not run, and what the remote side said; empty: nothing is wrong |\n"
	"| LastReason | the last Reason that was not empty: what interrupted a task that runs again |\n"
	"| Reconnects, RetriesUsed | how often it ran again after a failure since it was started; retries since the "
	"last stable run |\n"
	"| NextRetryTime, RunningSince | empty: no retry is waiting, it does not run |\n"
	"| FirstMediaTime, LastMediaAgeMs | of the source's present connection; empty and -1: none yet |\n"
	"| InBps, OutBps | bits per second from the source, to the destinations together |\n"
	"| Node | the node that has the task; empty: none, nothing is to be done |\n"
	"| CurrentRound, LastSkipped | of lists: how often all was played before; the last file that was left out |\n\n"
	"- A retry comes RetryInterval seconds after the failure (RetryPolicy may say otherwise). The count\n"
	"  begins anew after 30 s of running.\n"
	"- Start and end follow the wall clock and are looked at again when it is set; pauses between retries\n"
	"  do not follow it. A start that passed while this node was down is made up for, an end too.\n"
	"- When only the destination failed, the source stays connected.\n"
	"- With DstUrls each destination is retried by itself (Destinations of Describe: Trying, Running, Retrying,\n"
	"  Failed). The task is Running while one of them gets media, Recovering while none does, and Offline when\n"
	"  all have used up their retries; one that is Failed is tried again by RestartLivePullToPush.\n"
	"- A restart of the data plane costs no retry; the task is recovering with `dataplane_lost` meanwhile.\n"
	"- At EndTime the task ends and is deleted. StartTime to EndTime may be any length.\n"
	"- RestartLivePullToPush keeps the TaskId.\n\n"
	"What UpdateLivePullToPush may change (what is given with its present value is no change):\n\n"
	"| | not started | running, recovering, starting | stopped |\n|---|---|---|---|\n";

static const char callbacks[] =
	"\n## Callbacks\n\n"
	"`POST` with a JSON body to the task's CallbackUrl, at least once and in order per task, also across\n"
	"restarts. Headers: `X-Millrace-Event-Id` (the same for every try of an event: drop what you have\n"
	"seen) and `X-Millrace-Attempt` (counted from 1; a restart counts anew). An answer of 2xx within\n"
	"`callback.timeout` is a delivery; redirects are not followed. After `callback.tries` tries,\n"
	"`callback.interval` apart, the event goes to the list `mr:hooks:dead`: `millrace callback list` shows\n"
	"it, `replay` delivers it again with the same event id, `drop` forgets it.\n\n"
	"With `callback.key` set every try is signed:\n\n"
	"| header | value |\n|---|---|\n"
	"| `ALI-LIVE-TIMESTAMP` | seconds since 1970, of this try |\n"
	"| `ALI-LIVE-SIGNATURE` | md5 of `domain\\|timestamp\\|key` in hexadecimal; the domain is the host of the "
	"CallbackUrl, without a port (a relay task has no ingest domain) |\n"
	"| `X-Millrace-Signature` | `sha256=` and HMAC-SHA256, by the key, of `timestamp.body` in hexadecimal: "
	"covers the body, so prefer it; refuse timestamps that are old |\n\n"
	"| Event | when | fields |\n|---|---|---|\n"
	"| LivePullToPushRunning | Running, Recovering or Offline is entered | EventTime (text), TaskId, "
	"TaskInfo, TaskStatus, Reason; TaskInvalidReason when offline: TriggerByUser or RetryTimesOffline |\n"
	"| LivePullToPushExit | EndTime passed, or deleted | EventTime, TaskId, TaskInfo, TaskStatus -1, "
	"TaskExitReason: OverEndTime or TriggerByUser, TaskExitTime (seconds) |\n"
	"| LivePullToPushDestination | ours, only with DstUrls: one destination is Running, Retrying or Failed | "
	"EventTime, TaskId, TaskInfo, TaskStatus, Destination (as in Destinations of Describe) |\n\n"
	"## Without a signature\n\n"
	"`GET /healthz` (200 or 503) and `GET /metrics` answer to addresses of the loopback only.\n"
	"The owner's socket also serves `/local/...` for the command line (controlplane/local.h).\n";

static const char *type_text(const struct api_param *p, char *dst, size_t n)
{
	switch (p->type) {
	case API_INT:
		snprintf(dst, n, "integer %lld..%lld", (long long)p->min, (long long)p->max);
		break;
	case API_TIME:
		snprintf(dst, n, "time (UTC)");
		break;
	case API_ONEOF:
		snprintf(dst, n, "%s", p->words);
		break;
	case API_URLS:
		snprintf(dst, n, "JSON list");
		break;
	case API_RTMP:
		snprintf(dst, n, "rtmp://, rtmps:// or (ours) srt:// URL, up to %lld bytes",
			 (long long)p->max);
		break;
	case API_LINES:
		snprintf(dst, n, "lines, up to %lld bytes", (long long)p->max);
		break;
	case API_DOMAIN:
		snprintf(dst, n, "host name");
		break;
	case API_HTTP:
		snprintf(dst, n, "http(s):// URL, up to %lld bytes", (long long)p->max);
		break;
	default:
		snprintf(dst, n, "text, up to %lld bytes", (long long)p->max);
		break;
	}
	return dst;
}

static const char *change_text(enum task_state s, enum task_change c)
{
	static const char *const words[] = {"yes", "ignored", "no"};

	return words[task_may_change(s, c)];
}

static void changes(FILE *to)
{
	static const char *const names[TASK_CHANGES] = {
		[CHANGE_CALLBACK] = "CallbackUrl",
		[CHANGE_REPEAT] = "RepeatNumber",
		[CHANGE_RETRY] = "RetryCount, RetryInterval, RetryPolicy, RetryMaxInterval",
		[CHANGE_START] = "StartTime",
		[CHANGE_END] = "EndTime",
		[CHANGE_SOURCES] = "SourceUrls",
		[CHANGE_PROTOCOL] = "SourceProtocol",
		[CHANGE_BACKUP] = "BackupSourceUrls, BackupAfter, BackupReturn, SlateUrl",
		[CHANGE_FILE_INDEX] = "FileIndex",
		[CHANGE_OFFSET] = "Offset",
		[CHANGE_SOURCE_TYPE] = "SourceType",
		[CHANGE_DST] = "DstUrl",
		[CHANGE_DST_LIST] = "DstUrls",
		[CHANGE_REGION] = "Region",
	};

	for (int c = 0; c < TASK_CHANGES; c++)
		fprintf(to, "| %s | %s | %s | %s |\n", names[c], change_text(TASK_IDLE, c),
			change_text(TASK_RUNNING, c), change_text(TASK_OFFLINE, c));
}

static void params_table(FILE *to, const struct api_param *p)
{
	char type[128];

	for (; p->name; p++)
		fprintf(to, "| %s | %s | %s | %s |\n", p->name, p->needed ? "yes" : "no",
			type_text(p, type, sizeof(type)), p->help);
}

static void functions(FILE *to)
{
	static const char *const kinds[] = {"", "ingest domains", "streaming domains",
					    "all domains"};
	const struct domain_function *f;
	size_t n;

	f = domain_functions(&n);
	fputs("\n## Functions of domains\n\nA domain has each of them once; setting it again replaces "
	      "it as a whole. A white and a black list\nof one kind exclude each other.\n",
	      to);
	for (size_t i = 0; i < n; i++) {
		fprintf(to,
			"\n### `%s`\n\nFor %s: %s.\n\n| argument | needed | value | meaning "
			"|\n|---|---|---|---|\n",
			f[i].name, kinds[f[i].kinds], f[i].help);
		params_table(to, f[i].params);
	}
}

void docs_api(FILE *to)
{
	const struct api_action *a;
	size_t n;

	a = api_actions(&n);
	fputs(api_head, to);
	for (size_t i = 0; i < n; i++) {
		fprintf(to,
			"\n### %s\n\n%s\n\n| parameter | needed | value | meaning |\n|---|---|---|---|\n",
			a[i].name, a[i].help);
		params_table(to, a[i].params);
	}
	functions(to);
	fputs(api_tail, to);
	changes(to);
	fputs(callbacks, to);
}

/* ---- REDIS.md ------------------------------------------------------------------------------------ */

static const char redis_head[] =
	"<!-- Written by `millrace-cp --redis-doc` from controlplane/model.def. -->\n\n"
	"# What Millrace keeps in Redis\n\n"
	"Layout version 1. Keys begin with `mr:`; all keys of one task share the hash tag `{TaskId}`, so a\n"
	"task's transaction touches one slot of a cluster only. One node reads and writes these keys; other\n"
	"programs may read all of them, and change tasks by commands (`mr:cmd`, below) or through the API.\n\n"
	"| key | type | holds |\n|---|---|---|\n"
	"| `mr:task:{id}` | hash | one task; the fields are below |\n"
	"| `mr:task:{id}:hooks` | list | its undelivered callbacks, oldest first: `{\"id\",\"url\",\"body\"}`; stays "
	"after the task is deleted until all are delivered |\n"
	"| `mr:tasks` | zset | task ids by time of creation (milliseconds) |\n"
	"| `mr:tasks:due` | zset | task ids by their next wake time (milliseconds): start, retry or end |\n"
	"| `mr:hooks:pending` | set | ids of tasks that may have undelivered callbacks |\n"
	"| `mr:hooks:dead` | list | the newest 1000 callbacks that were given up: as above, with `task`, "
	"`tries`, `why`, `time` |\n"
	"| `mr:task:{id}:lease` | string, PX | several nodes: `<node>/<instance> <epoch>` of who has the task |\n"
	"| `mr:task:{id}:epoch` | string | grows whenever the lease is taken; writes of an earlier epoch are refused |\n"
	"| `mr:assets` | hash | the catalogue of `millrace asset`: id to JSON: `file` (below asset.folder) or `url`, `media` |\n"
	"| `mr:cmd` | stream, group `millrace` | commands from outside, see below; an entry leaves when it is answered |\n"
	"| `mr:cmd:reply:<correlation>` | list, PX 1 h | the command's answer, for `BLPOP` |\n"
	"| `mr:cmd:done:<correlation>` | string, PX 1 day | the same, so that a command that comes again is not done again |\n"
	"| `mr:events` | stream | the newest 10000 or so of everything that happened |\n"
	"| `mr:{domains}` | hash | domain -> JSON document (controlplane/domain.h); holds the keys of signed URLs |\n"
	"| `mr:{blocks}` | hash | domain/app/name of a stream that nobody may publish -> `{\"until_ms\",\"since_ms\"}` |\n"
	"| `mr:{buckets}` | hash | bucket -> `{\"acl\",\"created\"}` (controlplane/buckets.h) |\n"
	"| `mr:{channels}` | hash | bucket/channel -> `{\"description\",\"enabled\",\"frag_s\",\"count\",\"playlist\","
	"\"created\",\"modified\"}` |\n"
	"| `mr:channel:{<bucket/channel>}:nodes` | hash | which nodes recorded it: node -> `{\"address\",\"key\",\"since\"}`, "
	"`oss.address` and what passes for it are signed with |\n"
	"| `mr:channel:{<bucket/channel>}:history` | list | the newest 10 publishers of a live channel, newest first: "
	"`{\"start\",\"end\",\"address\"}` |\n"
	"| `mr:history:{audit}:audit` | list | who changed what by the API, newest first, 10000 at most; all of it is in "
	"STATE/audit.log |\n"
	"| `mr:{users}` | hash | user of the API -> `{\"role\",\"domains\",\"keys\"}`; holds the secrets of their keys |\n"
	"| `mr:{pulls}` | hash | domain/app/name of a regular pull -> `{\"source\",\"start\",\"end\"}` |\n"
	"| `mr:pull:{<domain/app/name>}` | string, PX 10000 | of several nodes: which one pulls it |\n"
	"| `mr:pulling:<node>` | hash, PX 60000 | domain/app/name of a triggered pull that runs there -> "
	"`{\"edge\",\"domain\",\"params\",\"sources\"}`, for the node's next control plane; holds the tokens of "
	"its URLs |\n"
	"| `mr:{domains}:version`, `mr:{blocks}:version`, `mr:{pulls}:version`, `mr:{buckets}:version`, `mr:{channels}:version` | number | grows with each change of them: raise it after a change "
	"of your own, and all nodes read again |\n"
	"| `mr:live:<node>` | hash | stream published there -> `{\"address\",\"protocol\",\"params\",\"host\",\"since\","
	"\"told\"}`; told: its ingest callback was queued |\n"
	"| `mr:stream:<domain/app/name>` | hash, PX 10000 | where a stream is: Node, Address (`cluster.address`), Since, "
	"Publisher; renewed every 2 s |\n"
	"| `mr:online:{<domain>}:<node>` | hash, PX 10000 | what is live there: app/name -> JSON with its publisher and "
	"numbers (controlplane/online.h); renewed every 4 s |\n"
	"| `mr:task:{live-<digest>}:hooks` | list | undelivered callbacks of one stream, as of a task; each has `about` |\n"
	"| `mr:history:{<domain>}:publish`, `:control`, `:notify` | list | rows of JSON, newest first, 10000 at most; end 30, 7 "
	"and 7 days after the last |\n"
	"| `mr:hls:<stream>` | hash, PX 30 days | packaging as HLS: MediaSeq (of the next segment) and DiscSeq, which "
	"never go back; State `running` (they may have gone on since Time) or `closed`; Node, Time |\n"
	"| `mr:history:{<domain/app/name>}:minutes` | list | a stream's numbers by the minute, 2880 rows at most; ends after 2 days |\n"
	"| `mr:nodes` | zset | nodes by their last heartbeat (milliseconds); forgotten after 7 days |\n"
	"| `mr:node:<node>` | hash, PX 10000 | heartbeat every 2 s, of several nodes every second and when it "
	"changes: Version, Time, Pid, Dataplane, Tasks, Streams, Viewers, InBps, OutBps, Commands, CommandsRefused, "
	"Running (tasks it has to do), Room (its `tasks.running`), Drained, Regions |\n"
	"| `mr:dst:<digest>` | string | several nodes: the id of the task that has this DstUrl; digest: the first 32 "
	"hexadecimal digits of its SHA-256 |\n"
	"| `mr:post:<node>` | list, PX 4000 | several nodes: what others ask this node to do, and its answers |\n\n"
	"A state change and its callback are one transaction (`MULTI`: `HSET` or `DEL` of the task, `RPUSH` of\n"
	"the callback, `EXEC`). The indexes lie in other slots and err on the safe side: an id enters\n"
	"`mr:tasks` and `mr:hooks:pending` before the transaction and leaves after it; an id without its key is\n"
	"cleaned up when it is found.\n\n"
	"## Which Redis\n\n"
	"`redis.url` names it; Redis 7 or a server that speaks like it.\n\n"
	"| form | for |\n|---|---|\n"
	"| empty | a private Redis in the state folder, written to disk with every change |\n"
	"| `unix:///path` | one on the same machine |\n"
	"| `redis://[user:password@]host[:port][/db]` | one by name or address. User and password (AUTH) may hold "
	"percent escapes and never appear in the log; `password@` alone is the default user's |\n"
	"| `redis+sentinel://[user:password@]host[:port][,host[:port]...]/master[/db]` | up to 8 Sentinels, asked in turn "
	"for the master of that name, at every connection anew. User and password are the master's; Sentinels are "
	"asked without. A connection that turns out to lead to a replica is given up. What a master took in its last "
	"moment and its replica did not is lost: `min-replicas-to-write` bounds it |\n\n"
	"TLS (`rediss://`) is refused: the hiredis of this system has none; stunnel or a VPN does it. Of a Redis Cluster\n"
	"the keys of a transaction or script lie in one slot, but redirections are not followed: one master must have every\n"
	"slot. A node of a cluster of several masters is refused at every connection, before anything is written: the log says\n"
	"`redis_away` with the reason, `/healthz` and `millrace status` that Redis is away.\n\n"
	"## Several nodes\n\n"
	"With `cluster.enabled` nodes of different names (`node`) share one Redis (`redis.url`). A task is done by\n"
	"the node that holds its lease; one that is idle or stopped is nobody's, and whoever is asked to change it\n"
	"takes it for that. A node takes what has something to do, is of its regions (`cluster.region`; the Regions\n"
	"`local` and `any` are everybody's) and fits in (`tasks.running` is per node; more tasks wait as Idle). Every\n"
	"node reads the others' heartbeats and works out the same order: the emptiest by its share of `tasks.running`\n"
	"takes a task at once, the next one if that has not taken it a quarter of a lease later, and so on. There may\n"
	"be as many tasks as all living nodes together have room for; one more is refused (QuotaExceeded.Task).\n\n"
	"The holder renews three times a lease (`cluster.lease`). One that cannot renew stops an eighth\n"
	"of a lease before the end, and so does its data plane by itself, in case the control plane stands still;\n"
	"another takes the task when the lease has ended. Raise `cluster.lease` where a restart of the control plane\n"
	"takes longer than half of it. A connection that a frozen machine leaves at the destination stands there\n"
	"silently until the destination drops it; when the machine goes on, it sends nothing more.\n\n"
	"Only the holder changes a task that runs: another node that is asked passes the call on to it through\n"
	"`mr:post:<node>` and gives its answer. When the holder does not answer within 4 s the call begins again, so\n"
	"that a change may be done twice where a node dies in the middle of it; a call that finds no node that can\n"
	"do it ends with 409 OperationDenied.OtherNode. Lists are a moment old on other nodes. A DstUrl is claimed\n"
	"before its task is written, so that of two creations on two nodes one is refused; what a crash leaves of a\n"
	"claim ends after 10 s, or does not count once its task is found not to have that DstUrl.\n\n"
	"Without Redis a node stops its tasks at the end of their leases (`cluster.redis_lost: stop`) or keeps\n"
	"them at the risk that others run them too (`keep`). `millrace drain on` gives a node's tasks to others;\n"
	"`millrace node list` shows who is there.\n"
	"Callbacks that a node could not deliver go with the task;\n"
	"those of a deleted task wait for the next start of any node.\n\n"
	"## One node\n\n"
	"While Redis is away, relays go on; what happened meanwhile is written when it is back, and what this\n"
	"process holds then replaces what Redis holds of the same tasks and callbacks.\n\n"
	"## Fields of `mr:task:{id}`\n\n"
	"Unknown fields are left alone.\n\n"
	"| field | kind | holds |\n|---|---|---|\n";

static const char redis_tail[] =
	"\n## Commands\n\n"
	"Any program schedules tasks with `XADD mr:cmd * Action ... Correlation ... NAME VALUE ...`:\n\n"
	"| field | value |\n|---|---|\n"
	"| Action | `create`, `update`, `stop`, `restart`, `delete`, or `start`: as `restart`, for stopped tasks only |\n"
	"| Correlation | names this command: 1 to 64 letters, digits, `-`, `_`, `.`; choose a new one for each |\n"
	"| the rest | the parameters of the API's action (`CreateLivePullToPush` and so on), with the same names and rules |\n\n"
	"The answer on `mr:cmd:reply:<correlation>` is the JSON that the API would give, plus `Correlation` and\n"
	"`Status` (200, or an HTTP status with `Code` and `Message`). Commands of one stream are done one after the\n"
	"other, at least once; the same Correlation again within a day gets the same answer and does nothing.\n"
	"A creation without a TaskId gets one that follows from the Correlation. What cannot be read is answered\n"
	"with its error; without a Correlation it is only counted (`CommandsRefused`) and told in `mr:events`.\n"
	"While Redis or the control plane is away commands wait in the stream.\n\n"
	"```sh\n"
	"redis-cli XADD mr:cmd '*' Action create Correlation order-1 Region local TaskId cup \\\n"
	"    SourceType live SourceProtocol rtmp SourceUrls '[\"rtmp://source.example/live/a\"]' \\\n"
	"    DstUrl rtmp://target.example/live/b StartTime 2026-06-01T10:00:00Z EndTime 2026-06-01T12:00:00Z\n"
	"redis-cli --raw BLPOP mr:cmd:reply:order-1 10\n"
	"```\n\n"
	"`configs/redis/command.sh` (installed as `share/millrace/redis/command.sh`) does both and sets its exit\n"
	"status by the answer.\n"
	"\n## Entries of `mr:events`\n\n"
	"Every entry has `Event` and `Time` (milliseconds).\n\n"
	"| Event | further fields |\n|---|---|\n"
	"| task.created, task.updated, task.state | Node, TaskId, State (name), Reason, Detail |\n"
	"| task.destination | with DstUrls: Node, TaskId, Destination (0: DstUrl, 1: the first of DstUrls, ...), "
	"State (Running, Retrying, Failed), Reason, Detail |\n"
	"| task.list | the list of SourceUrlsAt is played from now on: Node, TaskId |\n"
	"| task.source | with BackupSourceUrls or SlateUrl: Node, TaskId, Source (as ActiveSource), Reason |\n"
	"| callback.delivered, callback.dead, callback.dropped | TaskId, EventId, Tries, Why |\n"
	"| task.taken, task.released | Node, TaskId: the node has it now; another node may take it |\n"
	"| command | Node, Correlation, Action, Status, Code |\n"
	"| hls.running, hls.ended, hls.failed, hls.worker_lost | Node, Stream, MediaSeq, Reason |\n"
	"| hls.not_kept | Node, Segments, Reason: so many were not written to `hls.folder` |\n"
	"| stream.publish, stream.unpublish | Node, Stream, Publisher or Reason |\n";

void docs_redis(FILE *to)
{
	fputs(redis_head, to);
#define TASK_TEXT(member, field, help) fputs("| " field " | text | " help " |\n", to);
#define TASK_INT(member, field, help)  fputs("| " field " | integer | " help " |\n", to);
#include "controlplane/model.def"
#undef TASK_TEXT
#undef TASK_INT
	fputs(redis_tail, to);
}
