/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/settings.h"
#include "controlplane/tls.h"

struct application {
	struct cp *cp;
	struct config next;
	char *path; /* the file, links followed; NULL: it was not replaced */
	json_t *changes;
	apply_fn *fn;
	void *arg;
};

/* One at a time; and the data plane missed one. */
static bool busy, behind;

static void end(struct application *a, const struct refusal *r)
{
	busy = false;
	a->fn(a->arg, r, a->changes);
	json_decref(a->changes);
	free(a->path);
	free(a);
}

/* ---- the file ------------------------------------------------------------------------------------ */

/* Synced, with the old one's mode and owner. */
static int write_new(const char *path, const char *old, const char *content)
{
	size_t n = strlen(content);
	struct stat st;
	int fd, rc = 0;

	if (stat(old, &st))
		return -errno;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = 0;
	if (fchown(fd, st.st_uid, st.st_gid) || fchmod(fd, st.st_mode & 0777) ||
	    write(fd, content, n) != (ssize_t)n || fsync(fd))
		rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

/* The old one stays as PATH.previous; there is always one at PATH. */
static int replace_file(struct application *a, const char *content)
{
	char fresh[4100], previous[4110], *path = realpath(a->cp->conf_path, NULL);
	int rc;

	if (!path)
		return -errno;
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	snprintf(previous, sizeof(previous), "%s.previous", path);
	rc = write_new(fresh, path, content);
	if (!rc &&
	    ((unlink(previous) && errno != ENOENT) || link(path, previous) || rename(fresh, path)))
		rc = -errno;
	if (rc) {
		unlink(fresh);
		free(path);
		return rc;
	}
	a->path = path;
	return 0;
}

static void put_back(const struct application *a)
{
	char previous[4110];

	if (!a->path)
		return;
	snprintf(previous, sizeof(previous), "%s.previous", a->path);
	if (rename(previous, a->path))
		log_error("config_rollback", "file=%s why=\"%s\"", a->path, strerror(errno));
}

/* ---- the processes --------------------------------------------------------------------------------- */

/* The API's certificate, before anything changes. */
static bool certificate_fits(const struct config *next, struct refusal *r)
{
	struct tls *trial;
	char err[400];
	int rc;

	if (!*next->api_tls_certificate)
		return true;
	trial = tls_new();
	rc = tls_load(trial, next->api_tls_certificate, next->api_tls_key, err, sizeof(err));
	tls_free(trial);
	return !rc || refuse(r, 400, "InvalidConfiguration", "api.tls_certificate: %s", err);
}

static void on_read(void *arg, json_t *answer)
{
	struct application *a = arg;
	json_t *error = answer ? dp_error(answer) : NULL;
	struct refusal r;

	if (error) {
		put_back(a);
		refuse(&r, 400, "InvalidConfiguration",
		       "the data plane refused it, nothing was changed: %.400s",
		       dp_text(error, "message"));
		end(a, &r);
		return;
	}
	behind = !answer;
	settings_take(a->cp, &a->next);
	end(a, NULL);
}

void apply(struct cp *cp, const char *content, apply_fn *fn, void *arg)
{
	struct application *a;
	struct conf_error e;
	struct refusal r;
	int rc;

	if (busy || !cp->conf_path) {
		if (busy)
			refuse(&r, 409, "OperationDenied.Busy",
			       "another change of the configuration is being applied");
		else
			refuse(&r, 404, "InvalidConfiguration.NoFile",
			       "the node was started without a configuration file");
		fn(arg, &r, NULL);
		return;
	}
	a = calloc(1, sizeof(*a));
	must(a);
	*a = (struct application){.cp = cp, .fn = fn, .arg = arg};
	busy = true;
	if (settings_read(cp, content, &a->next, &e)) {
		refuse(&r, 400, "InvalidConfiguration", "%s", e.text);
		end(a, &r);
		return;
	}
	if (!certificate_fits(&a->next, &r)) {
		end(a, &r);
		return;
	}
	a->changes = settings_changes(cp, &a->next);
	rc = content ? replace_file(a, content) : 0;
	if (rc) {
		refuse(&r, 409, "OperationDenied.File",
		       "%.200s cannot be replaced by the control plane (%s): put the file there and "
		       "reload",
		       cp->conf_path, strerror(-rc));
		end(a, &r);
		return;
	}
	if (dp_up(cp->dp))
		dp_request(cp->dp, "reload", NULL, on_read, a);
	else
		on_read(a, NULL);
}

static void on_caught_up(void *arg, json_t *answer)
{
	char text[300];

	if (answer && dp_error(answer))
		log_error("dataplane_reload", "why=%s",
			  log_q(text, sizeof(text), dp_text(dp_error(answer), "message")));
}

void apply_up(struct cp *cp)
{
	if (behind && cp->conf_path)
		dp_request(cp->dp, "reload", NULL, on_caught_up, NULL);
	behind = false;
}
