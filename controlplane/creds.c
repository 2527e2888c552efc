/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/creds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"

/* n - 1 random letters and digits; 62 does not divide 256, so the last bytes are drawn again. */
static void random_word(char *dst, size_t n)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t at = 0;

	while (at + 1 < n) {
		unsigned char c;

		must(getrandom(&c, 1, 0) == 1);
		if (c < 248)
			dst[at++] = set[c % 62];
	}
	dst[at] = 0;
}

void creds_make(struct creds *c)
{
	random_word(c->id, 25);
	random_word(c->secret, 41);
}

/* Written beside and linked into place: a crash leaves no half file, a race keeps the first. */
static int make(const char *path, char *err, size_t err_n)
{
	char tmp[1200];
	struct creds made;
	FILE *f = NULL;
	int fd, rc = 0;

	creds_make(&made);
	snprintf(tmp, sizeof(tmp), "%s.%d", path, (int)getpid());
	unlink(tmp);
	fd = open(tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f ||
	    fprintf(f, "{\n\t\"AccessKeyId\": \"%s\",\n\t\"AccessKeySecret\": \"%s\"\n}\n", made.id,
		    made.secret) < 0 ||
	    fflush(f) || fsync(fd) || (link(tmp, path) && errno != EEXIST))
		rc = -errno;
	if (f)
		fclose(f);
	unlink(tmp);
	if (rc)
		snprintf(err, err_n, "%s: cannot be written: %s", path, strerror(-rc));
	return rc;
}

static int take(char dst[129], const json_t *all, const char *name)
{
	const char *text = json_string_value(json_object_get(all, name));

	if (!text || !*text || strlen(text) > 128)
		return -EINVAL;
	strcpy(dst, text);
	return 0;
}

int creds_load(struct creds *c, const char *path, char *err, size_t err_n)
{
	json_error_t je;
	struct stat st;
	json_t *all;
	int rc;

	if (access(path, F_OK) && errno == ENOENT) {
		rc = make(path, err, err_n);
		if (rc)
			return rc;
	}
	if (stat(path, &st)) {
		rc = -errno;
		snprintf(err, err_n, "%s: %s", path, strerror(-rc));
		return rc;
	}
	if (st.st_mode & 077) {
		snprintf(err, err_n,
			 "%s: others may read it (mode %03o); make new keys or run chmod 600", path,
			 (unsigned)st.st_mode & 0777);
		return -EPERM;
	}
	all = json_load_file(path, 0, &je);
	if (!all) {
		snprintf(err, err_n, "%s:%d: %s", path, je.line, je.text);
		return -EINVAL;
	}
	rc = take(c->id, all, "AccessKeyId");
	if (!rc)
		rc = take(c->secret, all, "AccessKeySecret");
	if (rc)
		snprintf(err, err_n,
			 "%s: AccessKeyId and AccessKeySecret must be texts of 1 to 128 bytes",
			 path);
	json_decref(all);
	return rc;
}
