/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several encoders for one name: one publishes, the others stand by (publish.backup of a domain).
 *
 *   joined --the first one--> publishing --another takes over--> standing by
 *   joined --there is one----> standing by --its turn, at its key frame--> asking --> publishing
 *   any --its session ends--> gone
 *
 * Who stands by is read and thrown away, but for its sequence headers. It is its turn when the one that
 * publishes is gone ("lost"), sends nothing for backup_after ("no_data", unless the stream is
 * switched by hand only) or an operator said so ("manual"). Then it takes the stream with its headers
 * and that key frame, on one time line (stream_resume()), and viewers stay. An operator's kick or ban
 * ends all of a name.
 *
 * Invariants: a stream has BACKUPS_MAX publishers at most; who asks for a stream, or publishes it, is
 * its group's master, and nobody else is.
 *
 * Threads: backup_* of a publisher on its core; lists and switches on the control thread; a short
 * mutex, never per message.
 */
#ifndef SESSION_BACKUP_H
#define SESSION_BACKUP_H

#include <jansson.h>

#include "media/msg.h"
#include "session/publish.h"

#define BACKUPS_MAX 4

/* ---- a publisher ---- */
/* p is one of those of key, and who has to ask for the stream where *first. NONE, CAP_STREAMS (they
 * are BACKUPS_MAX) or NO_MEMORY. */
enum reason backup_join(struct publish *p, const char *key, bool *first);
/* p's session ends, or its name was refused; the others follow where why says so. */
void backup_leave(struct publish *p, enum reason why);
/* Whether another one will take the stream up when p ends like this. */
bool backup_follows(const struct publish *p, enum reason why);
/* p publishes from now on. */
void backup_begun(struct publish *p);
/* Audio, video or data of p; true: it was dealt with, p does not publish. */
bool backup_message(struct publish *p, const struct msg *m);
/* NONE, or why p has to end with the others. */
enum reason backup_over(const struct publish *p);
/* Why p took over: "lost", "no_data", "manual"; "": it did not. */
const char *backup_change(const struct publish *p);

/* ---- the control thread ---- */
/* [{"stream":s,"sequence":i,"address":s,"since":i,"master":b}], those of a stream in the order in which
 * they came; key "": of all. */
json_t *backup_list(const char *key);
/* That one takes over at its next key frame; false: there is none. */
bool backup_switch(const char *key, unsigned sequence);

#endif
