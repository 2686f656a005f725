/* SPDX-License-Identifier: Apache-2.0 */
/* fence - what stands around the code and between its lines; the first two passes of lenient.h.
 * true: `out` got another text, with as many lines. */
#pragma once

#include "codemode/lenient.h"

bool fence_pass(struct str source, struct lenient *l, struct buf *out);
bool trivia_pass(struct str source, struct lenient *l, struct buf *out);
