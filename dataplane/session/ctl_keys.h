/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keys a JSON packet has, written as one text and checked before anything happens.
 *
 *   "name:s port:i(1..65535) depth:i?"
 *
 * A name, a colon, a type, a question mark where the key may be absent, and the bounds of a whole number
 * where it has any, in round brackets. Types: s text, i whole number, n number, b truth value, { object,
 * [ list of texts.
 *
 * Threads: any, no state.
 */
#ifndef SESSION_CTL_KEYS_H
#define SESSION_CTL_KEYS_H

#include "session/ctl_request.h"

/*
 * Every key of the packet stands in `common`, which all packets of its kind have, or in `keys`, those that
 * must be there are, and each is of its type. 0, or -EINVAL with the first that is not. `name` is what
 * the packet is called.
 */
int ctl_keys_check(const json_t *packet, const char *name, const char *common, const char *keys,
		   struct ctl_error *e);

#endif
