/* SPDX-License-Identifier: Apache-2.0 */
/* lenient_literal - lists and objects as JSON and other languages write them. */
#pragma once

#include "codemode/edits.h"
#include "codemode/outline.h"

/* The token at i is a ':' or a '['.  True: it was of such a literal, and is edited. */
bool lenient_literal(const struct outline *o, size_t i, struct edits *edits);
