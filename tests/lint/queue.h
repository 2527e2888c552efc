/* SPDX-License-Identifier: Apache-2.0 */
/* The list heads and loops of <sys/queue.h> for cppcheck, which reads no system headers. */
#define LIST_HEAD(name, type)              struct name { struct type *lh_first; }
#define TAILQ_HEAD(name, type)             struct name { struct type *tqh_first; }
#define STAILQ_HEAD(name, type)            struct name { struct type *stqh_first; }
#define LIST_ENTRY(type)                   struct { struct type *le_next, **le_prev; }
#define TAILQ_ENTRY(type)                  struct { struct type *tqe_next, **tqe_prev; }
#define TAILQ_FOREACH(var, head, field) \
	for ((var) = (head)->tqh_first; (var); (var) = (var)->field.tqe_next)
#define LIST_FOREACH(var, head, field) \
	for ((var) = (head)->lh_first; (var); (var) = (var)->field.le_next)
