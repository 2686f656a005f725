/* SPDX-License-Identifier: Apache-2.0 */
/* hot - the definition of `lua`, the same bytes as long as a session lasts. */
#pragma once

#include "codemode/run.h"

/* The listed JSON object.  `session`: of the client; "" = it has none. */
void hot_put_lua(struct codemode *cm, struct key *k, const struct view_settings *of,
    struct str session, struct buf *out);
void hot_init(struct codemode *cm);
void hot_free(struct codemode *cm);
