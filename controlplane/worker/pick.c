/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/pick.h"

static bool flows(const struct pick_source *s, const struct pick_rules *rules, uint64_t now_us)
{
	return s->since_us && now_us - s->last_us < rules->silent_us;
}

static bool can_be_shown(const struct pick_source *s, const struct pick_rules *rules,
			 uint64_t now_us)
{
	return flows(s, rules, now_us) && s->head_us && s->head_key && s->fits;
}

static bool may_return(const struct pick_source *s, const struct pick_rules *rules, uint64_t now_us)
{
	return can_be_shown(s, rules, now_us) && now_us - s->since_us >= rules->return_us &&
	       now_us - s->head_us <= PICK_FRESH_US;
}

int pick_next(const struct pick_source *s, unsigned n, int shown, const struct pick_rules *rules,
	      uint64_t now_us)
{
	bool lost = shown == PICK_SLATE || (!s[shown].head_us && !flows(&s[shown], rules, now_us));

	for (int i = 0; i < (int)n; i++) {
		if (i == shown)
			continue;
		if (lost ? can_be_shown(&s[i], rules, now_us)
			 : i < shown && may_return(&s[i], rules, now_us))
			return i;
	}
	return lost ? PICK_SLATE : shown;
}
