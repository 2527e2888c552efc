/* SPDX-License-Identifier: Apache-2.0 */
/*
 * millrace-worker: one job that needs FFmpeg's libraries, in a process that may crash.
 *
 * Started by the control plane with the job's channel as descriptor 3 (see job.h).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libavformat/avformat.h>
#include <libavutil/log.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/worker/dial.h"
#include "controlplane/worker/job.h"
#include "controlplane/worker/package.h"
#include "controlplane/worker/record.h"
#include "controlplane/worker/relay.h"
#include "controlplane/worker/sandbox.h"

static const char help[] =
	"millrace-worker: relays and packages what needs FFmpeg's libraries; started by millrace-cp, not by hand\n";

/* FFmpeg's texts may hold URLs with their secrets: none is written (interop U5). */
static void swallow(void *av, int level, const char *fmt, va_list args)
{
}

static bool has_channel(void)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return !getsockopt(JOB_FD, SOL_SOCKET, SO_TYPE, &type, &n) && type == SOCK_SEQPACKET;
}

static bool dial_ready(const struct job *j)
{
	char host[128], port[8];
	int number = 0;

	av_url_split(NULL, 0, NULL, 0, host, sizeof(host), &number, NULL, 0, j->output);
	snprintf(port, sizeof(port), "%d", number);
	return dial_init(j->deny, host, port);
}

int main(int argc, char **argv)
{
	struct job job;
	int rc;

	if (argc > 1 && !strcmp(argv[1], "--version")) {
		puts("millrace-worker " MILLRACE_VERSION);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return 0;
	}
	if (argc > 1 || !has_channel()) {
		fputs(help, stderr);
		return 2;
	}
	log_init("worker", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	rc = sandbox_enter();
	if (rc) {
		log_error("sandbox", "why=\"%s\"", strerror(-rc));
		return 1;
	}
	av_log_set_callback(swallow);
	if (!job_receive(&job))
		return 1;
	rc = sandbox_files(job.ca, job.files, job.folder);
	if (!rc && job.kind == JOB_PACKAGE)
		rc = sandbox_many_files();
	if (rc) {
		log_error("sandbox", "what=files why=\"%s\"", strerror(-rc));
		return 1;
	}
	log_set_level((enum log_level)max_of(job.log_level, 0));
	if (!dial_ready(&job)) {
		job_say_failed(&(struct fault){REASON_INTERNAL, "relay.deny cannot be read"},
			       false);
		return 1;
	}
	avformat_network_init();
	if (job.kind == JOB_PACKAGE)
		package_run(&job);
	else if (job.kind == JOB_CHANNEL)
		record_run(&job);
	else if (job.kind == JOB_PROBE)
		relay_probe(&job);
	else if (job.kind == JOB_PUSH)
		relay_push(&job);
	else if (job.kind == JOB_LIST)
		relay_list(&job);
	else
		relay_live(&job);
	job_free(&job);
	return 0;
}
