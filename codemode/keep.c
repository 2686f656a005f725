/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep - the owners of what scripts leave behind.
 *
 *   codemode_new() --> keep_load(): each value to whom it belongs, by its name
 *                                   "state HASH" --> state.c   "run ID…" --> journal.c
 *   a key is revoked --> on_key(): forgotten here and in the database
 *
 * Memory decides and is bounded by those who use it; the database brings it back after a restart.
 * An owner lives as long as the gateway, like its key.
 */
#include "codemode/keep.h"

#include <stdlib.h>

#include "base/log.h"
#include "codemode/journal.h"
#include "codemode/shape.h"
#include "codemode/state.h"

int64_t
keep_until_ns(const struct codemode *cm)
{
	const int64_t ms = cm->set.keep_ms > 0 ? cm->set.keep_ms : CODEMODE_KEEP_MS;

	return loop_wall_ns(cm->loop) + ms * 1000000;
}

void
owner_keep(const struct owner *o, const char *name, struct str value, int64_t until_ns)
{
	if (value.p != NULL && o->cm->set.keep_ms == 0)
		return;
	core_keep(o->cm->core,
	    &(struct kept_row){
		.key = str_of(o->id), .name = str_of(name), .value = value, .until_ns = until_ns });
}

static void
on_key(void *ctx, struct key *k)
{
	struct owner *o = ctx;
	struct key_info info;

	key_info(k, &info);
	if (info.state != KEY_REVOKED || (link_empty(&o->sessions) && link_empty(&o->pasts)))
		return;
	sessions_forget(o);
	pasts_forget(o);
	owner_keep(o, "", STR_NONE, 0);
}

struct owner *
owner_of(struct codemode *cm, struct key *k)
{
	struct key_info info;
	struct owner *o;

	key_info(k, &info);
	o = map_get(&cm->owners, info.id);
	if (o != NULL)
		return o;
	o = mem_zalloc(sizeof(*o));
	o->cm = cm;
	o->key = k;
	o->id = str_dup(info.id);
	link_init(&o->sessions);
	link_init(&o->pasts);
	map_init(&o->by_name);
	o->watch = (struct key_watch){ .fn = on_key, .ctx = o };
	key_watch_add(k, &o->watch);
	map_set(&cm->owners, str_of(o->id), o);
	return o;
}

static void
on_kept(void *ctx, const struct kept_row *r)
{
	struct codemode *cm = ctx;
	struct key *k = key_named(cm->core, r->key);

	if (str_starts(r->name, STR(SHAPE_NAME)))
		shape_load(cm, r);
	if (k == NULL || r->until_ns < loop_wall_ns(cm->loop))
		return;
	if (cm->set.keep_ms == 0) { /* kept under another setting */
		owner_keep(owner_of(cm, k), "", STR_NONE, 0);
		return;
	}
	if (str_starts(r->name, STR(SESSION_NAME)))
		session_load(owner_of(cm, k), r);
	else if (str_starts(r->name, STR(PAST_NAME)))
		past_load(owner_of(cm, k), r);
}

void
keep_load(struct codemode *cm)
{
	struct err e;

	map_init(&cm->owners);
	link_init(&cm->sessions);
	link_init(&cm->pasts);
	if (!core_kept_each(cm->core, on_kept, cm, &e))
		log_error(NULL, "what scripts had kept cannot be read", F_TEXT("why", e.text));
	pasts_loaded(cm);
}

void
keep_free(struct codemode *cm)
{
	struct str key;
	void *value;

	for (size_t it = 0; map_next(&cm->owners, &it, &key, &value);) {
		struct owner *o = value;

		sessions_forget(o);
		pasts_forget(o);
		key_watch_drop(&o->watch);
		map_fini(&o->by_name);
		(void)map_del(&cm->owners, key);
		free(o->id);
		free(o);
	}
	map_fini(&cm->owners);
}
