/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex - regular expressions whose cost is linear in the text: a small part of ECMA-262, so that a
 * `matches:` condition and the `pattern` it becomes in a listed schema say the same.
 *
 * Literals, `.`, [a-z], [^a-z], \d \w \s \D \W \S, escaped punctuation, ( ) and (?: ), |, * + ?
 * {m,n}; `^` only first and `$` only last.  No back references, no look-around: what is missing is
 * refused when it is read.  Characters are code points.  Like JSON Schema's `pattern`, a match may
 * lie anywhere unless ^ and $ say otherwise.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#define REGEX_BYTES_MAX 256
#define REGEX_INSTR_MAX 512

struct regex;
/* ERR_INVALID says what is not understood.  Lives in the arena. */
const struct regex *regex_parse(struct arena *a, struct str text, struct err *e) MUST_CHECK;
bool regex_match(const struct regex *r, struct str text); /* text is valid UTF-8 */
/* Does the expression say where a match starts (^ or .*) and where it ends ($ or .*)? */
bool regex_starts(const struct regex *r);
bool regex_ends(const struct regex *r);

/* One code point of valid UTF-8; advances *p. */
uint32_t utf8_next(const char **p);
