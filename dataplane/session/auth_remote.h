/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote authentication: the operator's server decides, asked by the control plane.
 *
 *   unknown --event auth.ask--> asking --auth.answer--> allowed or refused, for its ttl --> unknown
 *                               asking --remote.timeout_ms--> unknown
 *
 * A question is what is asked: kind, domain, app, name, parameters, and with remote.by_address the
 * client's address. Whoever asks the same meanwhile waits for the same answer, on whatever core. What
 * is known is kept in a table of fixed size, in which old answers make way and open questions do not;
 * who waits is bounded by limits.asking. So no flood of made-up URLs makes this process grow.
 *
 * Threads: auth_remote, auth_remote_end: the session's core; auth_remote_answer: the control thread.
 * The table has a short mutex.
 */
#ifndef SESSION_AUTH_REMOTE_H
#define SESSION_AUTH_REMOTE_H

#include "session/auth.h"
#include "session/domains.h"

/* NONE (known, or waiting: a->wait), why it was refused, CAP_ASKING or NO_MEMORY. */
enum reason
auth_remote(struct auth *a, struct session *s, const struct domain *d, const struct auth_request *q,
	    void (*answered)(struct auth *a, const struct stream_name *name, enum reason why));
/* Nobody waits for the answer any more; fine where nobody did. */
void auth_remote_end(struct auth *a);
/* why: NONE allows. False: there is no such open question. ttl_ms < 0: as the domain has it. */
bool auth_remote_answer(struct engine *e, uint64_t ask, enum reason why, int64_t ttl_ms,
			uint64_t now_us);
/* Forgets everything: the cores have stopped. */
void auth_remote_fini(void);

#endif
