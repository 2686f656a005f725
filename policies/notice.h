/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice - tells when the policy files have changed on disk; private to this folder.
 */
#pragma once

#include "base/err.h"
#include "base/loop.h"

/*
 * Watches the folder `dir` and every folder below it, and `files` (their folders must exist).  fn
 * runs once things have been quiet for a moment after a change, at the latest NOTICE_LATEST_MS
 * after the first; what has changed before it was made is not told.  Never fails for good: what
 * cannot be watched is logged, and tried again.
 */
#define NOTICE_SETTLE_MS 300
#define NOTICE_LATEST_MS 3000
#define NOTICE_RETRY_MS  5000
struct notice;
typedef void notice_f(void *ctx);
struct notice *notice_new(struct loop *l, const char *dir, const char *const *files, size_t files_n,
    notice_f *fn, void *ctx);
void notice_free(struct notice **n);
