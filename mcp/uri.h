/* SPDX-License-Identifier: Apache-2.0 */
/* uri - resource URIs that say whose they are, and back; nothing is lost on the way. */
#pragma once

#include "base/text.h"

/*
 *   file:///a      of notes  <->  tg+notes+file:///a
 *   ui://panel/x   of notes  <->  ui://notes/panel/x     (clients look at this scheme)
 *
 * Also for templates: what stands before the first expression is kept as it is.
 */
void uri_wrap(struct buf *out, struct str server, struct str uri);
/* false: not one of ours.  *server is a span of `listed`, the server's own URI is appended. */
bool uri_unwrap(struct str listed, struct str *server, struct buf *uri);

/*
 * Appends `result` (a checked object) with every URI in it wrapped: content[] and messages[]
 * (resource links and embedded resources), contents[] of resources/read.
 */
void uri_wrap_result(struct buf *out, struct str server, struct str result);
