/* SPDX-License-Identifier: Apache-2.0 */
/* The list heads of <sys/queue.h> for cppcheck, which reads no system headers. */
#define LIST_HEAD(name, type)              struct name { struct type *lh_first; }
#define TAILQ_HEAD(name, type)             struct name { struct type *tqh_first; }
#define STAILQ_HEAD(name, type)            struct name { struct type *stqh_first; }
