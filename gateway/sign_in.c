/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign_in - the pages where people give the gateway access to a server in their name.
 *
 *   GET /oauth/sign-in/NAME --form--> POST with a virtual key --> a page with the issuer's address,
 *       and a cookie --issuer--> GET /oauth/callback?code&state&iss, the cookie is compared
 *   tollgate servers sign-in NAME --> the issuer's address, for the gateway itself (no cookie)
 *
 * Whose sign-in it is was said by a key that the same browser has shown: an address that is sent
 * to somebody else ends without the cookie.  The key is asked for by a form of this origin only
 * (origin.c), stands in no URL, and nothing is stored in the browser but the cookie.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/url.h"
#include "gateway/admin.h"

#define COOKIE      "__Host-tollgate-sign-in"
#define PAGE_PATH   "/oauth/sign-in/"
#define COOKIE_TEXT 32

struct page {
	struct job job;
	struct exchange *x;
	char browser[COOKIE_TEXT + 1]; /* "" = the address goes to a command */
};

static void
page_reap(struct job *j)
{
	free(CONTAINER(j, struct page, job));
}

static const struct job_type page_type = { "page", NULL, page_reap };

static void
head_put(struct buf *b, const char *title)
{
	buf_printf(b,
	    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
	    "<meta name=\"viewport\" content=\"width=device-width\"><title>%s</title>"
	    "<style>body{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}"
	    "input,button,a.go{font:inherit;padding:.4em "
	    ".8em}input{width:100%%;box-sizing:border-box;"
	    "margin:.5em 0}</style><h1>%s</h1>\n",
	    title, title);
}

/* Nothing may frame it, run in it or remember it. */
static void
page_send(struct exchange *x, int status, struct buf *body, const char *cookie)
{
	struct header h[8] = { { STR("content-type"), STR("text/html; charset=utf-8") },
		{ STR("cache-control"), STR("no-store") },
		{ STR("referrer-policy"), STR("no-referrer") },
		{ STR("x-frame-options"), STR("DENY") },
		{ STR("content-security-policy"),
		    STR("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
			"base-uri 'none'") } };
	char set[256];
	size_t n = 5;

	if (cookie != NULL) {
		int len = snprintf(set, sizeof(set),
		    COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600", cookie);

		h[n++] = (struct header){ STR("set-cookie"), { set, (size_t)len } };
	}
	sink_head(&x->sink, status, h, n, (int64_t)body->n);
	(void)sink_push(&x->sink, buf_str(body));
	sink_end(&x->sink, NULL);
}

static void
refusal_send(struct exchange *x, const struct err *e)
{
	struct buf b;

	buf_init(&b, 0);
	head_put(&b, "Not signed in");
	buf_puts(&b, "<p>");
	buf_xml(&b, str_of(e->text));
	buf_puts(&b, "</p>\n");
	page_send(x, err_http(e->code), &b, NULL);
	buf_fini(&b);
}

static struct page *
page_new(struct exchange *x)
{
	struct page *p = mem_zalloc(sizeof(*p));

	p->x = x;
	job_init(&p->job, &page_type, &x->job, NULL, NULL);
	return p;
}

/* ---- a user ---- */

static void
form_send(struct exchange *x, struct str server)
{
	struct buf b;

	buf_init(&b, 0);
	head_put(&b, "Sign in");
	buf_puts(&b, "<p>The gateway will reach <b>");
	buf_xml(&b, server);
	buf_puts(&b,
	    "</b> in your name, and only for you.  Your virtual key says who you are.</p>\n"
	    "<form method=\"post\"><label>Virtual key<input name=\"key\" type=\"password\" "
	    "autocomplete=\"off\" required autofocus></label>"
	    "<button>Go on</button></form>\n");
	page_send(x, 200, &b, NULL);
	buf_fini(&b);
}

/* A link, and no redirect: the person sees to whom the browser goes. */
static void
address_ready(void *ctx, struct str address, const struct err *e)
{
	struct page *p = ctx;
	struct url u;
	struct buf b;

	if (e == NULL && url_parse(address, &u)) {
		buf_init(&b, 0);
		head_put(&b, "Sign in");
		buf_puts(&b, "<p>You go on at <b>");
		buf_xml(&b, u.host);
		buf_puts(&b, "</b>.</p>\n<p><a class=\"go\" href=\"");
		buf_xml(&b, address);
		buf_puts(&b, "\">Go on</a></p>\n");
		page_send(p->x, 200, &b, p->browser);
		buf_fini(&b);
	} else {
		struct err why;

		(void)err_set(&why, e != NULL ? e->code : ERR_UPSTREAM, "%s",
		    e != NULL ? e->text : "the address is no URL");
		refusal_send(p->x, &why);
	}
}

static bool
begin(struct exchange *x, struct str server, struct err *e)
{
	struct str secret = query_get(x->body, STR("key"), &x->arena);
	struct key_info i;
	struct page *p;

	x->key = key_find(x->g->core, str_trim(secret), e);
	if (x->key == NULL)
		return false;
	key_info(x->key, &i);
	p = page_new(x);
	base62_random(p->browser, COOKIE_TEXT);
	if (!hub_sign_in(x->g->hub, &p->job,
		&(struct sign_in_ask){ server, x->key, str_of(p->browser) }, address_ready, p, e))
		return false;
	event_note(x->g->core, i.id, "sign-in.begin", NULL);
	return true;
}

void
sign_in_page(struct exchange *x)
{
	struct str server = { x->path.p + sizeof(PAGE_PATH) - 1,
		x->path.n - (sizeof(PAGE_PATH) - 1) };
	struct err e;

	if (str_eq(x->head->method, STR("GET"))) {
		form_send(x, server);
		return;
	}
	if (!str_eq(x->head->method, STR("POST")))
		(void)err_set(&e, ERR_METHOD, "this page takes GET and POST");
	else if (begin(x, server, &e))
		return;
	refusal_send(x, &e);
}

/* ---- the way back ---- */

static struct str
cookie_of(struct exchange *x)
{
	struct str all = exchange_header(x, STR("cookie"));

	while (all.p != NULL) {
		struct str value = str_trim(str_cut(&all, ';')), name = str_cut(&value, '=');

		if (str_eq(name, STR(COOKIE)))
			return value.p == NULL ? STR("") : value;
	}
	return STR("");
}

static void
returned(void *ctx, struct str server, const struct err *e)
{
	struct page *p = ctx;
	struct buf b;

	event_note(p->x->g->core, p->x->client, "sign-in.end", e);
	if (e != NULL) {
		refusal_send(p->x, e);
		return;
	}
	buf_init(&b, 0);
	head_put(&b, "Signed in");
	buf_puts(&b, "<p>The gateway can reach <b>");
	buf_xml(&b, server);
	buf_puts(&b, "</b> now.  You can close this page.</p>\n");
	page_send(p->x, 200, &b, "");
	buf_fini(&b);
}

void
sign_in_return(struct exchange *x)
{
	struct sign_in_answer a = { .state = query_get(x->query, STR("state"), &x->arena),
		.code = query_get(x->query, STR("code"), &x->arena),
		.iss = query_get(x->query, STR("iss"), &x->arena),
		.error = query_get(x->query, STR("error"), &x->arena),
		.browser = cookie_of(x) };
	struct page *p = page_new(x);
	struct err e;

	if (!hub_signed_in(x->g->hub, &p->job, &a, returned, p, &e))
		refusal_send(x, &e);
}

/* ---- an operator ---- */

static void
command_ready(void *ctx, struct str address, const struct err *e)
{
	struct page *p = ctx;
	struct err why;
	struct buf b;

	if (e != NULL) {
		why = *e;
		exchange_refuse(p->x, &why);
		return;
	}
	buf_init(&b, 0);
	buf_puts(&b, "{\"address\":");
	buf_json_str(&b, address);
	buf_putc(&b, '}');
	exchange_reply(p->x, 200, STR("application/json"), buf_str(&b));
	buf_fini(&b);
}

void
sign_in_command(struct exchange *x, struct str actor)
{
	struct str server = query_get(x->query, STR("server"), &x->arena);
	struct page *p = page_new(x);
	struct err e;

	if (!hub_sign_in(x->g->hub, &p->job, &(struct sign_in_ask){ server, NULL, STR("") },
		command_ready, p, &e)) {
		exchange_refuse(x, &e);
		return;
	}
	event_note(x->g->core, actor, "sign-in.begin", NULL);
}
