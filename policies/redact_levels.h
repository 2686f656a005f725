/* SPDX-License-Identifier: Apache-2.0 */
/* redact_levels - one block of text as its readers would unescape it; private to redact_scan.c. */
#pragma once

#include "policies/redact.h"

void levels_init(struct redactor *r);
void levels_fini(struct redactor *r);
/* Makes the levels of a block; r->levels is how many differ. */
void levels_make(struct redactor *r, struct str raw, bool final);
/* Is there nothing in it to unescape or to fold? */
bool levels_plain(struct str s);
/* A position of level k, and those of the finds from `first` on, as positions of the raw block. */
size_t level_down(struct redactor *r, size_t k, struct str raw, size_t at);
void levels_down(struct redactor *r, size_t k, struct str raw, size_t first);
/* The last raw position up to `at` where no character of any level is cut. */
size_t level_boundary(struct redactor *r, struct str raw, size_t at);
/* The block's first `cut` bytes are gone: what stood last is remembered on each level. */
void levels_left(struct redactor *r, struct str raw, size_t cut);
