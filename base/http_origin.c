/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_origin - where calls go: the origins of a pool, their connections and who waits for one.
 *
 *   call --wire_take()--> wire --call over--> wire_idle() --next call--> wire_take() ...
 *                                   \--too old, closed, too many--> wire_free()
 *
 * Invariants: open counts every connection and every one under way; nobody waits in line while an
 * idle connection or room for a new one is not already spoken for (woken).
 */
#include <stdlib.h>
#include <string.h>

#include "base/http_private.h"

#define IDLE_MS 55000 /* a kept connection; most servers close at 60 s or later */

/* ---- origins ---- */

struct http_pool *
http_pool_new(struct loop *l)
{
	struct http_pool *p = mem_zalloc(sizeof(*p));

	p->loop = l;
	p->read = mem_alloc(READ_BYTES);
	link_init(&p->origins);
	return p;
}

void
http_pool_free(struct http_pool **pp)
{
	struct http_pool *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	while (!link_empty(&p->origins)) {
		struct origin *o = CONTAINER(p->origins.next, struct origin, link);

		origin_free(&o);
	}
	free(p->read);
	free(p);
}

/* Cuts a URL into "scheme://host[:port]", "host[:port]" and a path without trailing slashes. */
static bool
url_split(struct origin *o, const char *url, struct err *e)
{
	struct str s = str_of(url), rest, host;
	size_t scheme =
	    str_starts(s, STR("https://")) ? 8 : (str_starts(s, STR("http://")) ? 7 : 0);
	const char *slash;

	if (scheme == 0)
		return err_set(e, ERR_INVALID, "\"%s\" must begin with https:// or http://", url);
	rest = (struct str){ s.p + scheme, s.n - scheme };
	slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
	host = slash == NULL ? rest : STR_SPAN(rest.p, slash);
	rest = slash == NULL ? STR("") : STR_SPAN(slash, rest.p + rest.n);
	if (host.n == 0 || str_has(host, '@') || str_has(host, '?') || str_has(host, '#'))
		return err_set(e, ERR_INVALID,
		    "the URL must be scheme://host[:port]/path, without credentials");
	while (rest.n > 0 && rest.p[rest.n - 1] == '/')
		rest.n--;
	o->url = str_dup((struct str){ s.p, scheme + host.n });
	o->host = str_dup(host);
	o->path = str_dup(rest);
	return true;
}

struct origin *
origin_new(struct http_pool *p, const struct origin_settings *s, struct err *e)
{
	struct origin *o = mem_zalloc(sizeof(*o));

	if (!url_split(o, s->url, e)) {
		free(o);
		return NULL;
	}
	o->magic = ORIGIN_MAGIC;
	o->pool = p;
	o->s = *s;
	o->ca_file = s->ca_file == NULL ? NULL : mem_strdup(s->ca_file);
	o->proxy = s->proxy == NULL ? NULL : mem_strdup(s->proxy);
	o->s.connect_ms = s->connect_ms > 0 ? s->connect_ms : 10000;
	o->s.idle_max = s->idle_max > 0 ? s->idle_max : 64;
	o->s.open_max = s->open_max > 0 ? s->open_max : 2048;
	link_init(&o->idle);
	link_init(&o->line);
	link_init(&o->link);
	link_push(&p->origins, &o->link);
	return o;
}

struct str
origin_path(const struct origin *o)
{
	return str_of(o->path);
}

/* ---- connections ---- */

/* If there is anything to have. */
void
line_next(struct origin *o)
{
	struct http_call *c;

	if (link_empty(&o->line) || o->idle_n + o->s.open_max - o->open <= o->woken)
		return;
	c = CONTAINER(o->line.next, struct http_call, link);
	link_drop(&c->link);
	o->waiting--;
	o->woken++;
	c->woken = true;
	loop_defer(o->pool->loop, &c->go, call_go, c);
}

void
wire_free(struct wire **wp)
{
	struct wire *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	if (!link_empty(&w->link)) {
		link_drop(&w->link);
		w->origin->idle_n--;
	}
	timer_stop(&w->timer);
	watch_free(&w->watch);
	connection_free(&w->c);
	w->origin->open--;
	line_next(w->origin);
	free(w);
}

void
origin_free(struct origin **op)
{
	struct origin *o = *op;

	if (o == NULL)
		return;
	IS(o, ORIGIN_MAGIC);
	*op = NULL;
	while (!link_empty(&o->idle)) {
		struct wire *w = CONTAINER(o->idle.next, struct wire, link);

		wire_free(&w);
	}
	ASSERT(o->open == 0 && o->waiting == 0);
	link_drop(&o->link);
	free(o->url);
	free(o->host);
	free(o->path);
	free(o->ca_file);
	free(o->proxy);
	o->magic = 0;
	free(o);
}

static void
wire_old(void *ctx)
{
	struct wire *w = ctx;

	wire_free(&w);
}

void
wire_idle(struct wire *w)
{
	struct origin *o = w->origin;

	w->call = NULL;
	w->kept = true;
	if (o->idle_n >= o->s.idle_max && link_empty(&o->line)) {
		wire_free(&w);
		return;
	}
	link_push(&o->idle, &w->link);
	o->idle_n++;
	watch_set(w->watch, WATCH_READ); /* a close is seen when it comes */
	timer_set(o->pool->loop, &w->timer, IDLE_MS, wire_old, w);
	line_next(o); /* whoever waits takes it */
}

struct wire *
wire_take(struct origin *o)
{
	struct wire *w;

	if (link_empty(&o->idle))
		return NULL;
	w = CONTAINER(o->idle.prev, struct wire, link);
	link_drop(&w->link);
	o->idle_n--;
	timer_stop(&w->timer);
	return w;
}
