/* SPDX-License-Identifier: Apache-2.0 */
/* rune - code points, and which of them a reader does not see or takes for another. */
#pragma once

#include "base/text.h"

/* The first code point of a text that is not empty, cut off; what is no UTF-8 is U+FFFD, a byte. */
uint32_t rune_next(struct str *rest);
void buf_rune(struct buf *b, uint32_t c); /* as UTF-8 */

enum rune_kind {
	RUNE_PLAIN,
	RUNE_CONTROL, /* C0 and C1 but tab, line feed and carriage return */
	RUNE_BIDI,    /* turns the direction of what follows: the text reads otherwise than it is */
	RUNE_INVISIBLE, /* no width: joiners, fillers, marks, soft hyphen */
	RUNE_TAG,       /* U+E0000 …: letters that only programs read */
	RUNE_VARIATION, /* selectors: data can hide in a row of them */
	RUNE_PRIVATE,   /* no meaning outside of one font */
};
enum rune_kind rune_kind(uint32_t c);
const char *rune_word(enum rune_kind k); /* "a bidirectional control" */

enum rune_script { RUNE_NO_SCRIPT, RUNE_LATIN, RUNE_GREEK, RUNE_CYRILLIC, RUNE_ARMENIAN };
/* Of letters; of Greek ones those that look like Latin ones ("μm" is no deceit).  All else has
 * none.
 */
enum rune_script rune_script(uint32_t c);
