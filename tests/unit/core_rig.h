/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core_rig - a core on a data folder and a small organisation of its own, for one test program.
 */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policies/core.h"
#include "tests/unit/check.h"

#define USD 1000000000ll

static char dir[64], data[96], bundle[96];

static inline void
file_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static inline void
bundle_make(void)
{
	char path[160];

	(void)snprintf(dir, sizeof(dir), "/tmp/tollgate-core-XXXXXX");
	if (mkdtemp(dir) == NULL)
		abort();
	(void)snprintf(data, sizeof(data), "%s/data", dir);
	(void)snprintf(bundle, sizeof(bundle), "%s/policies", dir);
	(void)mkdir(bundle, 0700);
	(void)snprintf(path, sizeof(path), "%s/root", bundle);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/root/all.yaml", bundle);
	file_put(path, "version: 1\n"
		       "organisation:\n"
		       "  customers:\n"
		       "    acme:\n"
		       "      budget: 100 USD/month\n"
		       "      teams:\n"
		       "        payments:\n"
		       "          budget: [50 USD/month, 40 USD/day]\n"
		       "          users:\n"
		       "            ana: { budget: 10 USD/month }\n"
		       "            bob: {}\n");
	(void)snprintf(path, sizeof(path), "%s/root/tools.yaml", bundle);
	file_put(path, "version: 1\n"
		       "policy: everybody\n"
		       "applies_to: { customers: [acme] }\n"
		       "rules:\n"
		       "  - allow: \"notes/*\"\n"
		       "  - deny: notes/delete_note\n"
		       "    reason: Nobody deletes notes\n"
		       "  - allow: \"model:*\"\n");
}

static inline int
unlink_cb(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
bundle_drop(void)
{
	(void)nftw(dir, unlink_cb, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct core *
open_core(struct loop **l, struct err *e)
{
	struct core *c;

	*l = loop_new(e);
	if (*l == NULL)
		return NULL;
	c = core_open(*l, &(struct core_settings){ .data_dir = data, .policies_dir = bundle }, e);
	if (c == NULL)
		loop_free(l);
	return c;
}

static inline void
cut(struct pass *p, const struct err *why)
{
	(void)why;
	gate_leave(p, &(struct outcome){ .end = END_CUT });
}

static inline struct ask
model_ask(int64_t hold)
{
	return (struct ask){ .kind = ASK_MODEL, .name = STR("claude-x"), .hold_nusd = hold };
}

static inline int64_t
used(struct core *c, const char *id)
{
	return account_get(c, str_of(id))->used_nusd[PERIOD_MONTH - 1];
}

static inline bool
verified(void)
{
	struct buf out;
	struct err e;
	bool ok;

	buf_init(&out, 0);
	ok = audit_verify(data, &out, &e);
	if (!ok)
		(void)printf("  verify: %s (%s)\n", e.text, buf_cstr(&out));
	buf_fini(&out);
	return ok;
}
