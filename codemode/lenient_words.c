/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lenient_words - what was rewritten, in words.
 *
 * Two lists from one table (LENIENT_FIXES): short words for the audit and metrics, and what a model
 * is told with an error, which leaves out aliases: they change no text.
 */
#include "codemode/lenient.h"

static const char *const fix_words[] = {
#define X(fix, word, told) word,
	LENIENT_FIXES(X)
#undef X
};

const char *
lenient_word(enum lenient_fix fix)
{
	return fix_words[fix];
}

void
lenient_put_words(const struct lenient *l, struct buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < LENIENT_COUNT; i++) {
		if (l->fixed[i] == 0)
			continue;
		buf_printf(out, "%s%s", between, fix_words[i]);
		if (l->fixed[i] > 1)
			buf_printf(out, " x%u", l->fixed[i]);
		between = ", ";
	}
}

void
lenient_put_told(const struct lenient *l, struct buf *out)
{
	static const char *const told[] = {
#define X(fix, word, text) text,
		LENIENT_FIXES(X)
#undef X
	};
	const char *between = "";

	for (size_t i = 0; i < LENIENT_ALIAS; i++) {
		if (l->fixed[i] == 0)
			continue;
		buf_printf(out, "%s%s", between, told[i]);
		if (l->fixed[i] > 1)
			buf_printf(out, " (%u times)", l->fixed[i]);
		between = ", ";
	}
}
