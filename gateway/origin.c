/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin - may a web page's browser speak to /mcp and /admin?
 *
 * A page of anywhere can have its own name resolve to 127.0.0.1 and then talk to us as its own
 * server (DNS rebinding).  What it cannot do is to lie about Host and Origin.  So (MCP 2025-11-25
 * and later, transports, security): a listener on loopback answers only to a Host that is loopback
 * or listed in `hosts`; and an Origin, wherever it comes in, must be one of `origins`, or name this
 * gateway: a listed host, loopback on a loopback listener, or the very IP address that Host names
 * (an address cannot be rebound).  Agents send no Origin.
 *
 * Elsewhere than on loopback any Host is answered unless `hosts` is given.
 *
 * Pages of listed `origins` also get what a browser asks for before it lets them read a reply
 * (CORS): a preflight is answered here without a key, exchange.c adds the headers to replies.
 */
#include "gateway/settings.h"

#include <string.h>

#include "gateway/gateway.h"

/* "name:port" or "[v6]:port" without its port. */
static struct str
host_name(struct str host)
{
	const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;

	if (colon == NULL || host.p[host.n - 1] == ']')
		return host;
	return STR_SPAN(host.p, colon);
}

static bool
host_listed(const struct listen_entry *l, struct str host)
{
	for (size_t i = 0; i < l->hosts_n; i++)
		if (str_ieq(l->hosts[i], host) || str_ieq(l->hosts[i], host_name(host)))
			return true;
	return false;
}

static bool
host_is_loopback(struct str host)
{
	struct address a;

	return str_ieq(host_name(host), STR("localhost")) ||
	       (address_parse(host, &a) && address_is_loopback(&a));
}

static bool
host_allowed(const struct listen_entry *l, struct str host)
{
	if (host_listed(l, host))
		return true;
	return l->loopback ? host_is_loopback(host) : l->hosts_n == 0;
}

static bool
origin_listed(const struct listen_entry *l, struct str origin)
{
	for (size_t i = 0; i < l->origins_n; i++)
		if (str_ieq(l->origins[i], origin))
			return true;
	return false;
}

static bool
origin_named(const struct listen_entry *l, struct str origin, struct str host)
{
	struct address a;
	struct str own;

	if (origin_listed(l, origin))
		return true;
	if (str_starts(origin, STR("https://")))
		own = (struct str){ origin.p + 8, origin.n - 8 };
	else if (str_starts(origin, STR("http://")))
		own = (struct str){ origin.p + 7, origin.n - 7 };
	else
		return false;
	return host_listed(l, own) || (l->loopback && host_is_loopback(own)) ||
	       (str_ieq(own, host) && address_parse(own, &a));
}

bool
origin_allowed(struct exchange *x, struct err *e)
{
	const struct listen_entry *l;
	const struct header *origin = http1_find(x->head, STR("origin"));
	struct str host = exchange_header(x, STR("host"));

	if (x->g->listen == NULL || (conn_tag(x->conn) & SERVES_CONTROL) != 0)
		return true; /* no browser reaches a unix socket */
	l = &x->g->listen[SERVES_ENTRY(conn_tag(x->conn))];
	if (!host_allowed(l, host))
		return err_set(e, ERR_DENIED,
		    "this gateway is not called \"%.*s\" (add it to hosts: of this listen entry)",
		    (int)(host.n < 100 ? host.n : 100), host.p);
	if (origin != NULL && !origin_named(l, origin->value, host))
		return err_set(e, ERR_DENIED,
		    "pages of \"%.*s\" may not use this gateway (add it to origins: of this "
		    "listen entry)",
		    (int)(origin->value.n < 100 ? origin->value.n : 100), origin->value.p);
	if (origin != NULL && origin_listed(l, origin->value))
		x->page = origin->value;
	return true;
}

bool
origin_preflight(struct exchange *x)
{
	static const struct header h[] = {
		{ STR("access-control-allow-methods"), STR("GET, POST, DELETE") },
		/* The star does not cover Authorization. */
		{ STR("access-control-allow-headers"), STR("*, Authorization") },
		{ STR("access-control-max-age"), STR("600") },
	};

	if (x->page.n == 0 || !str_eq(x->head->method, STR("OPTIONS")))
		return false;
	sink_head(&x->sink, 204, h, COUNT(h), 0);
	sink_end(&x->sink, NULL);
	return true;
}
