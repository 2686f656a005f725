/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_listen - where the gateway listens, what it serves there, and to whom it listens.
 *
 * Addresses are numeric, so that no resolver decides what is loopback.  In the open only loopback
 * is listened on; elsewhere an entry has certificates, or says itself that it does without.  The
 * certificates are read by settings_files_check(), not by every command that looks at the file.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/settings_read.h"

#define SERVES_LOOPBACK  (SERVES_MODEL | SERVES_MCP | SERVES_METRICS)
#define SERVES_ELSEWHERE (SERVES_MODEL | SERVES_MCP)
#define NAMES_MAX        64
#define PROXIES_MAX      64

static const struct word serves_words[] = { { "model", SERVES_MODEL }, { "mcp", SERVES_MCP },
	{ "admin", SERVES_ADMIN }, { "metrics", SERVES_METRICS }, { NULL, 0 } };

struct listen_raw {
	struct yaml *address, *serves, *tls, *hosts, *origins;
	bool insecure;
};

static void
node_read(struct reading *r, struct yaml *y, void *into)
{
	(void)r;
	*(struct yaml **)into = y;
}

/* "127.0.0.1:8080" or "[::1]:8080"; sets out->loopback. */
static bool
address_check(struct reading *r, const struct yaml *y, bool may_leave, struct listen_entry *out)
{
	struct str text = y->text, host, port;
	const char *colon = text.n == 0 ? NULL : memrchr(text.p, ':', text.n);
	struct address a;
	int64_t number;

	if (y->kind != YAML_SCALAR || colon == NULL)
		return bad(r, y, "an address is IP:PORT, like 127.0.0.1:8080 or [::1]:8080");
	port = STR_SPAN(colon + 1, text.p + text.n);
	host = STR_SPAN(text.p, colon);
	if (!str_i64(port, &number) || number < 0 || number > 65535 || !address_parse(host, &a) ||
	    (host.p[0] == '[') != str_has(host, ':'))
		return bad(r, y, "an address is IP:PORT, like 127.0.0.1:8080 or [::1]:8080");
	out->loopback = address_is_loopback(&a);
	return out->loopback || may_leave ||
	       bad(r, y,
		   "without TLS only loopback is listened on (listen on 127.0.0.1, add tls: "
		   "{ cert: FILE, key: FILE }, or set insecure: true)");
}

static void
tls_read(struct reading *r, struct yaml *y, struct listen_entry *out)
{
	static const struct setting rows[] = {
		{ "cert", offsetof(struct tls_files, cert), path_read },
		{ "key", offsetof(struct tls_files, key), path_read },
		{ "client_ca", offsetof(struct tls_files, client_ca), path_read }, { NULL, 0, NULL }
	};

	out->tls_line = y->line;
	out->tls_column = y->column;
	if (!rows_read(r, y, "tls", rows, &out->tls))
		return;
	if (yaml_get(y, "cert") == NULL || yaml_get(y, "key") == NULL)
		(void)bad(r, y, "tls needs cert and key, each the path of a PEM file");
}

static struct str *
names_read(struct reading *r, const struct yaml *y, bool origins, size_t *n)
{
	struct str *names;

	if (y->kind != YAML_LIST || y->n == 0 || y->n > NAMES_MAX) {
		(void)bad(r, y, "a list of 1 to %d names was expected", NAMES_MAX);
		return NULL;
	}
	names = arena_zalloc(&r->s->arena, y->n * sizeof(*names));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		struct str text;

		if (!text_read(r, k, &text))
			continue;
		if (origins && !str_starts(text, STR("https://")) &&
		    !str_starts(text, STR("http://")))
			(void)bad(r, k, "an origin begins with https:// or http://");
		else if (!origins && str_has(text, '/'))
			(void)bad(r, k, "a host is a name, or name:port, without https://");
		else
			names[(*n)++] = text;
	}
	return names;
}

static void
serves_read(struct reading *r, struct yaml *y, struct listen_entry *out)
{
	if (y->kind != YAML_LIST || y->n == 0) {
		(void)bad(r, y, "serves is a list of model, mcp, admin, metrics");
		return;
	}
	for (struct yaml *w = y->kids; w != NULL; w = w->next) {
		int one = 0;

		if (word_read(r, w, serves_words, &one))
			out->serves |= one;
	}
}

static void
listen_one(struct reading *r, struct yaml *y, struct listen_entry *out)
{
#define AT(member) offsetof(struct listen_raw, member)
	static const struct setting rows[] = { { "address", AT(address), node_read },
		{ "serves", AT(serves), node_read }, { "tls", AT(tls), node_read },
		{ "hosts", AT(hosts), node_read }, { "origins", AT(origins), node_read },
		{ "insecure", AT(insecure), bool_read }, { NULL, 0, NULL } };
#undef AT
	struct listen_raw raw = { 0 };

	if (!rows_read(r, y, "a listen entry", rows, &raw))
		return;
	if (raw.address == NULL) {
		(void)bad(
		    r, y, "a listen entry has address: and serves: [model, mcp, admin, metrics]");
		return;
	}
	if (raw.tls != NULL)
		tls_read(r, raw.tls, out);
	if (raw.hosts != NULL)
		out->hosts = names_read(r, raw.hosts, false, &out->hosts_n);
	if (raw.origins != NULL)
		out->origins = names_read(r, raw.origins, true, &out->origins_n);
	if (address_check(r, raw.address, raw.insecure || raw.tls != NULL, out))
		out->address = arena_cstr(&r->s->arena, raw.address->text);
	if (raw.serves != NULL)
		serves_read(r, raw.serves, out);
	else
		out->serves = out->loopback ? SERVES_LOOPBACK : SERVES_ELSEWHERE;
}

void
listen_read(struct reading *r, struct yaml *y, void *settings)
{
	struct settings *s = settings;

	if (y->kind != YAML_LIST || y->n == 0 || y->n > SETTINGS_LISTEN_MAX) {
		(void)bad(r, y,
		    "listen is a list of 1 to %d entries: - { address: …, serves: […] }",
		    SETTINGS_LISTEN_MAX);
		return;
	}
	for (struct yaml *one = y->kids; one != NULL; one = one->next)
		listen_one(r, one, &s->listen[s->listen_n++]);
}

struct listen_entry
listen_default(void)
{
	return (struct listen_entry){
		.address = "127.0.0.1:8080", .serves = SERVES_LOOPBACK, .loopback = true
	};
}

void
listen_base(const struct listen_entry *l, int port, char out[LISTEN_BASE])
{
	const char *scheme = l->tls.cert != NULL ? "https" : "http";
	struct str host = str_of(l->address);

	/* The first of `hosts` is what the certificate is for. */
	if (l->hosts_n > 0 && l->tls.cert != NULL) {
		host = l->hosts[0];
		if (str_has(host, ':')) {
			(void)snprintf(out, LISTEN_BASE, "%s://%.*s", scheme,
			    (int)(host.n < 200 ? host.n : 200), host.p);
			return;
		}
	} else {
		host = STR_SPAN(host.p, strrchr(l->address, ':'));
		if (str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("[::]")))
			host = STR("127.0.0.1");
	}
	(void)snprintf(out, LISTEN_BASE, "%s://%.*s:%d", scheme, (int)(host.n < 200 ? host.n : 200),
	    host.p, port);
}

void
trusted_proxies_read(struct reading *r, struct yaml *y, void *settings)
{
	struct settings *s = settings;

	if (y->kind != YAML_LIST || y->n > PROXIES_MAX) {
		(void)bad(r, y, "trusted_proxies is a list of at most %d addresses or ranges",
		    PROXIES_MAX);
		return;
	}
	s->proxies = arena_zalloc(&s->arena, (y->n + 1) * sizeof(*s->proxies));
	for (struct yaml *k = y->kids; k != NULL; k = k->next)
		if (k->kind != YAML_SCALAR || !range_parse(k->text, &s->proxies[s->proxies_n++]))
			(void)bad(
			    r, k, "an address or range was expected, like 10.1.2.3 or 10.0.0.0/8");
}

bool
settings_files_check(const struct settings *s, struct err *e)
{
	for (size_t i = 0; i < s->listen_n; i++) {
		const struct listen_entry *l = &s->listen[i];
		struct tls_server *t;
		struct err why;

		if (l->tls.cert == NULL)
			continue;
		t = tls_server_new(&l->tls, &why);
		if (t == NULL)
			return err_set(e, ERR_INVALID, "%s:%d:%d: %s", s->file, l->tls_line,
			    l->tls_column, why.text);
		tls_server_free(&t);
	}
	return true;
}
