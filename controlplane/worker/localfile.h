/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of this machine as a source: below one folder and nowhere else.
 *
 * The path is resolved beneath the folder's descriptor, so neither ".." nor a symbolic link leads out
 * of it; Landlock allows the folder and no more (sandbox.h).
 * Threads: one per file.
 */
#ifndef WORKER_LOCALFILE_H
#define WORKER_LOCALFILE_H

#include <libavformat/avio.h>

#include "controlplane/worker/job.h"

/* NULL with the fault. */
AVIOContext *localfile_open(const char *folder, const char *path, struct fault *f);
/* NULL is fine. */
void localfile_close(AVIOContext *av);

#endif
