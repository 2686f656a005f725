/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alone - the tool servers without a gateway: started, asked what they list, and stopped again.
 *
 * For `tollgate lock` where none runs: in a build, or before the first start.  Servers see the same
 * settings, jail and kept sign-ins as behind a gateway; nothing is called.
 */
#include <stdio.h>

#include "base/log.h"
#include "gateway/cli.h"
#include "gateway/gateway.h"

#define ALONE_MS 30000 /* after that who has not listed is told as it is */

struct alone {
	struct loop *loop;
	struct hub *hub;
	struct deferred look;
	struct timer limit;
};

static void
look(void *ctx)
{
	struct alone *a = ctx;

	if (hub_settled(a->hub))
		loop_stop(a->loop);
}

static void
listed(void *ctx)
{
	struct alone *a = ctx;

	if (a->hub != NULL)
		loop_defer(a->loop, &a->look, look, a);
}

static void
stop(void *ctx)
{
	loop_stop(((struct alone *)ctx)->loop);
}

bool
alone_seen(struct settings *s, struct loop *l, struct core *c, struct buf *out, struct err *e)
{
	struct alone a = { .loop = l };
	char kept[4096], path[4096];
	uint8_t seal[AEAD_KEY_BYTES];
	struct http_pool *pool;

	(void)snprintf(kept, sizeof(kept), "%s/kept", s->data);
	(void)snprintf(path, sizeof(path), "%s/seal.key", s->data);
	log_setup(LOG_LEVEL_ERROR, s->log_json); /* states are told by who asked */
	if (!seal_load(path, seal, e))
		return false;
	pool = http_pool_new(l);
	a.hub = hub_new(l, c, pool,
	    &(struct hub_settings){ .servers = s->servers,
		.servers_n = s->servers_n,
		.version = TOLLGATE_VERSION,
		.pin = PIN_OFF,
		.seal_key = seal,
		.keep = keep_in(kept),
		.listed = listed,
		.ctx = &a },
	    e);
	crypto_wipe(seal, sizeof(seal));
	if (a.hub != NULL) {
		timer_set(l, &a.limit, ALONE_MS, stop, &a);
		hub_start(a.hub);
		loop_defer(l, &a.look, look, &a); /* there may be no server to wait for */
		loop_run(l);
		timer_stop(&a.limit);
		deferred_drop(&a.look);
		hub_seen_json(a.hub, out);
		hub_leave(a.hub, stop, &a);
		loop_run(l);
	}
	if (a.hub != NULL)
		hub_free(&a.hub);
	jobs_reap();
	http_pool_free(&pool);
	return buf_ok(out);
}
