/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker gives up before it meets foreign bytes: every capability, new privileges, core dumps
 * with secrets, memory and descriptors without end; and, by Landlock where the kernel has it, writing
 * any file, starting any program, and reading anything but the system's libraries and settings.
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

/* 0 or -errno. Threads can still be started: libraries need them. */
int sandbox_enter(void);
/*
 * ca, files: more paths that may be read, or ""; folder: one in which files and folders may be made and
 * removed, or "". 0 or -errno; a kernel without Landlock is fine.
 */
int sandbox_files(const char *ca, const char *files, const char *folder);
/* For a job with many streams: descriptors up to the bound that others do not get. 0 or -errno. */
int sandbox_many_files(void);

#endif
