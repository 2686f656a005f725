/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign_in - what the gateway's pages and commands ask of a server's oauth.
 *
 * One job per request, so that a browser that goes away takes its waiting along.  A token never
 * comes up here: who waits hears an address, a server's name, or what is wrong.
 */
#include <stdlib.h>

#include "mcp/hub.h"
#include "mcp/oauth.h"

struct asking {
	struct job job;
	struct oauth_wait wait;
	struct deferred later;
	const struct server *sv;
	bool returned;
	struct buf text;
	struct err why;
	sign_in_f *done;
	void *ctx;
};

static void
asking_stop(struct job *j)
{
	struct asking *a = CONTAINER(j, struct asking, job);

	oauth_wait_drop(&a->wait);
	deferred_drop(&a->later);
}

static void
asking_reap(struct job *j)
{
	struct asking *a = CONTAINER(j, struct asking, job);

	buf_fini(&a->text);
	free(a);
}

static const struct job_type asking_type = { "sign-in", asking_stop, asking_reap };

static void
asking_done(struct job *j, const struct err *e, void *ctx)
{
	struct asking *a = CONTAINER(j, struct asking, job);

	(void)ctx;
	a->done(a->ctx, buf_str(&a->text), e);
}

static void
tell(void *ctx)
{
	struct asking *a = ctx;

	job_finish(&a->job, a->why.code == ERR_NONE ? NULL : &a->why);
}

/* oauth.c may answer at once: who asked hears it later. */
static void
heard(void *ctx, struct str text, const struct err *e)
{
	struct asking *a = ctx;

	if (e != NULL)
		a->why = *e;
	else
		buf_put(&a->text, a->returned ? a->sv->name : text);
	loop_defer(a->sv->loop, &a->later, tell, a);
}

static struct asking *
asking_new(const struct server *sv, struct job *parent, sign_in_f *done, void *ctx)
{
	struct asking *a = mem_zalloc(sizeof(*a));

	a->sv = sv;
	a->done = done;
	a->ctx = ctx;
	a->wait.fn = heard;
	a->wait.ctx = a;
	link_init(&a->wait.link);
	buf_init(&a->text, (size_t)64 << 10);
	job_init(&a->job, &asking_type, parent, asking_done, NULL);
	return a;
}

static struct server *
server_named(struct hub *h, struct str name)
{
	for (size_t i = 0; i < h->servers_n; i++)
		if (str_eq(h->servers[i].name, name))
			return &h->servers[i];
	return NULL;
}

bool
hub_sign_in(struct hub *h, struct job *parent, const struct sign_in_ask *ask, sign_in_f *done,
    void *ctx, struct err *e)
{
	struct server *sv = server_named(h, ask->server);
	struct buf owner;

	IS(h, HUB_MAGIC);
	if (sv == NULL)
		return err_set(e, ERR_NOT_FOUND, "no server is called \"%.*s\" (tollgate servers)",
		    (int)(ask->server.n < 64 ? ask->server.n : 64), ask->server.p);
	if (sv->oauth == NULL || sv->s->oauth->grant != OAUTH_CODE)
		return err_set(e, ERR_INVALID,
		    "server %s wants nobody to sign in (its settings have no oauth:, or "
		    "client_credentials)",
		    sv->s->name);
	if (ask->key != NULL && !sv->s->oauth->per_user)
		return err_set(e, ERR_INVALID,
		    "server %s has one sign-in for all (tollgate servers sign-in %s)", sv->s->name,
		    sv->s->name);
	buf_init(&owner, 4096);
	if (ask->key != NULL)
		oauth_owner_put(ask->key, &owner);
	oauth_sign_in(
	    sv->oauth, buf_str(&owner), ask->browser, &asking_new(sv, parent, done, ctx)->wait);
	buf_fini(&owner);
	return true;
}

bool
hub_signed_in(struct hub *h, struct job *parent, const struct sign_in_answer *answer,
    sign_in_f *done, void *ctx, struct err *e)
{
	IS(h, HUB_MAGIC);
	for (size_t i = 0; i < h->servers_n; i++) {
		struct asking *a;

		if (h->servers[i].oauth == NULL)
			continue;
		a = asking_new(&h->servers[i], parent, done, ctx);
		a->returned = true;
		if (oauth_returned(h->servers[i].oauth, answer, &a->wait))
			return true;
		job_cancel(&a->job);
	}
	return err_set(e, ERR_NOT_FOUND,
	    "this sign-in is unknown, used up or older than ten minutes; begin it anew");
}
