/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of buckets as files: FOLDER/BUCKET/KEY.
 *
 * A key's parts between slashes are folders. What could lead out of the bucket, or is no file name
 * (an empty part, ".", "..", control characters, parts that begin with '.', more than 255 bytes), is
 * no key; symbolic links are not followed. A file is written under a name that is no key, synced
 * and renamed, so what is there is whole after a kill at any moment. Folders that a deletion leaves
 * empty go with it.
 *
 * Threads: any; several processes may use one folder.
 */
#ifndef CONTROLPLANE_OBJECT_FILES_H
#define CONTROLPLANE_OBJECT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_KEY_MAX	  1024 /* with the NUL */
#define OBJECT_BUCKET_MAX 64
#define OBJECT_LIST_MAX	  1000

struct object_info {
	char key[OBJECT_KEY_MAX];
	int64_t bytes, modified_ms;
	bool folder; /* of a listing with a delimiter: a common prefix, which ends with '/' */
};

/* 3 to 63 small letters, digits and '-', neither first nor last. */
bool object_bucket_fine(const char *bucket);
bool object_key_fine(const char *key);

/* All below: 0 or -errno; the names must be fine (-EINVAL else). folder: FOLDER. */
int object_bucket_make(const char *folder, const char *bucket);
/* -ENOTEMPTY while there are objects. */
int object_bucket_remove(const char *folder, const char *bucket);
/*
 * The folder that objects of one more part go into (BUCKET/NAME), for who writes them itself; and
 * what such writers left in a bucket without objects: files whose names are no keys, and folders.
 */
int object_folder_make(const char *folder, const char *bucket, const char *name);
void object_bucket_tidy(const char *folder, const char *bucket);
/* The descriptor for reading, info with size and time. -ENOENT: no such object. */
int object_open(const char *folder, const char *bucket, const char *key, struct object_info *info);
int object_write(const char *folder, const char *bucket, const char *key, const void *p, size_t n);
/* Fine where there is none. */
int object_delete(const char *folder, const char *bucket, const char *key);

/*
 * Keys that begin with prefix and come after marker, in order of their bytes, max at most
 * (1..OBJECT_LIST_MAX) into dst; delimited: what lies behind the next '/' after the prefix is one
 * common prefix. How many; *more: there are others behind them.
 */
int object_list(const char *folder, const char *bucket, const char *prefix, const char *marker,
		bool delimited, unsigned max, struct object_info *dst, bool *more);

#endif
