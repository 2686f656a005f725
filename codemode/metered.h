/* SPDX-License-Identifier: Apache-2.0 */
/* metered - what scripts kept out of contexts, by team. */
#pragma once

#include "codemode/run.h"

/* A run of `k` has ended: what its tools answered, less what its model reads. */
void metered_add(struct codemode *cm, struct key *k, const struct outcome *o);
/* Prometheus lines. */
void metered_put(const struct codemode *cm, struct buf *out);
void metered_free(struct codemode *cm);
