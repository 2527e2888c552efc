/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over every file of a corpus folder, and says so in TAP: the inputs that once
 * broke something never do so again. Usage: NAME [FOLDER]; FOLDER is tests/fuzz/corpus/NAME if not
 * given.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

/* The bytes of a file in memory of exactly their size, so that sanitizers see a read beyond. */
static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;
	size_t n;

	if (!f || fstat(fileno(f), &st))
		goto failed;
	n = (size_t)st.st_size;
	bytes = malloc(n ? n : 1);
	if (!bytes || fread(bytes, 1, n, f) != n) {
		free(bytes);
		goto failed;
	}
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
	return 0;
failed:
	printf("# %s: %s\n", path, strerror(errno));
	if (f)
		fclose(f);
	return -1;
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* How many inputs ran; -1: the folder or one of its files cannot be read. */
static int run_folder(const char *folder)
{
	struct dirent **files;
	int n = scandir(folder, &files, not_hidden, alphasort), failed = 0;
	char *path;

	if (n < 0) {
		printf("# %s: %s\n", folder, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		if (asprintf(&path, "%s/%s", folder, files[i]->d_name) < 0)
			abort();
		failed |= run_file(path);
		free(path);
		free(files[i]);
	}
	free(files);
	return failed ? -1 : n;
}

int main(int argc, char **argv)
{
	const char *name = program_invocation_short_name;
	char *standard;
	int n;

	if (asprintf(&standard, "tests/fuzz/corpus/%s", name) < 0)
		abort();
	printf("1..1\n");
	fflush(stdout); /* an abort must not lose the plan */
	n = run_folder(argc > 1 ? argv[1] : standard);
	free(standard);
	printf("%sok 1 - %s: %d inputs\n", n > 0 ? "" : "not ", name, n > 0 ? n : 0);
	return n > 0 ? 0 : 1;
}
