/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first - the first start: one key and one admin token, told once.
 *
 * Both are made before the gateway serves, and told when it is ready: on a terminal, or else in
 * DATA/first-run (0600), which is removed as soon as one of the two has been used.  Neither is ever
 * logged; what was told is wiped from memory.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/settings.h"

#define FIRST_NAME  "first"
#define FIRST_ADMIN "admin"

/* Was there ever one, of keys or of admin tokens? */
static bool
any(struct core *c, bool admin)
{
	struct key_info i;

	for (struct key *k = key_next(c, NULL); k != NULL; k = key_next(c, k)) {
		key_info(k, &i);
		if (i.admin == admin)
			return true;
	}
	return false;
}

bool
first_make(struct gateway *g, const char *data_dir, struct err *e)
{
	struct key_spec key = { .name = STR(FIRST_NAME) };
	struct key_spec admin = { .name = STR(FIRST_ADMIN), .admin = true };
	struct first *f = &g->first;

	(void)snprintf(f->path, sizeof(f->path), "%s/first-run", data_dir);
	f->pending = access(f->path, F_OK) == 0; /* of an earlier start, not used yet */
	if (!any(g->core, false)) {
		core_first_owner(g->core, &key);
		if (key_create(g->core, &key, STR("first-run"), f->key, e) == NULL)
			return false;
	}
	return any(g->core, true) ||
	       key_create(g->core, &admin, STR("first-run"), f->admin, e) != NULL;
}

/* Without a key at hand (NULL) the lines take it from the environment, each in its own way. */
static void
lines_put(const char *base, const char *key, struct buf *out)
{
	const char *in_shell = key != NULL ? key : "${TOLLGATE_KEY}";

	buf_printf(out,
	    "Tollgate is ready on %s\n\n"
	    "Paste one of these:\n"
	    "  claude mcp add --transport http tollgate %s/mcp "
	    "--header \"Authorization: Bearer %s\"\n"
	    "  {\"env\":{\"ANTHROPIC_BASE_URL\":\"%s/anthropic\"%s%s%s}   (in "
	    "~/.claude/settings.json)\n"
	    "  curl -s %s/mcp -H \"Authorization: Bearer %s\" "
	    "-H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' "
	    "-H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' "
	    "-d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"_meta\":{"
	    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
	    "\"io.modelcontextprotocol/clientCapabilities\":{}}}}'\n\n",
	    base, base, in_shell, base, key != NULL ? ",\"ANTHROPIC_AUTH_TOKEN\":\"" : "",
	    key != NULL ? key : "},\"apiKeyHelper\":\"printenv TOLLGATE_KEY",
	    key != NULL ? "\"}" : "\"", base, in_shell);
}

static void
text_put(const struct first *f, const char *base, struct buf *out)
{
	lines_put(base, f->key[0] != '\0' ? f->key : NULL, out);
	if (f->admin[0] != '\0')
		buf_printf(out,
		    "Admin token, for /admin/api where `admin` is served:\n  curl -s "
		    "%s/admin/api/keys -H \"Authorization: Bearer %s\"\n\n",
		    base, f->admin);
	buf_puts(
	    out, f->key[0] != '\0' || f->admin[0] != '\0'
		     ? "This is the only time they are shown.  More keys: tollgate key create\n"
		     : "Keys: tollgate key create --name NAME --user USER\n");
}

void
first_tell(struct gateway *g, int port)
{
	struct first *f = &g->first;
	bool secrets = f->key[0] != '\0' || f->admin[0] != '\0';
	char base[LISTEN_BASE];
	struct buf b;

	listen_base(&g->listen[0], port, base);
	buf_init(&b, 0);
	text_put(f, base, &b);
	if (!secrets || isatty(STDOUT_FILENO) != 0) {
		(void)fputs(buf_cstr(&b), stdout);
	} else if (file_replace(f->path, buf_str(&b))) {
		f->pending = true;
		(void)printf("The first key and the admin token are in %s; the file goes when one "
			     "of them is used\n",
		    f->path);
	} else {
		log_error(NULL, "the first key could not be written (tollgate key create)",
		    F_TEXT("file", f->path));
	}
	(void)fflush(stdout);
	explicit_bzero(b.p, b.n);
	buf_fini(&b);
	explicit_bzero(f->key, sizeof(f->key));
	explicit_bzero(f->admin, sizeof(f->admin));
}

void
first_used(struct gateway *g, const struct key *k)
{
	struct key_info i;

	if (!g->first.pending)
		return;
	key_info(k, &i);
	if (!str_eq(i.name, STR(FIRST_NAME)) && !str_eq(i.name, STR("@" FIRST_ADMIN)))
		return;
	g->first.pending = false;
	(void)unlink(g->first.path);
}
