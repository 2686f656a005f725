/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_form - a checked JSON value written in another form with the same meaning.
 *
 * canonical: what two documents that mean the same have in common, to be hashed: no spaces, members
 *            in order of their names' bytes, strings and numbers in one spelling (RFC 8785, but for
 *            numbers: their exact decimal value, never a double's, so that no two differ alike).
 * compact:   the bytes without the spaces between them.
 * pretty:    for people and their diffs: two spaces a level, a member a line, what cannot be seen
 *            or deceives (rune.h) as \u escapes.  Read again it is the same value.
 *
 * All three append; the value must have passed json_check().
 */
#pragma once

#include "base/text.h"

void json_canonical(struct buf *out, struct str raw);
void json_compact(struct buf *out, struct str raw);
void json_pretty(struct buf *out, struct str raw, int depth); /* depth: levels around it */
/* A string as pretty writes it: of any text in UTF-8. */
void json_pretty_str(struct buf *out, struct str text);
