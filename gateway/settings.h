/* SPDX-License-Identifier: Apache-2.0 */
/* settings - tollgate.yaml, read and checked; plain data that lives in one arena. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/tls.h"
#include "codemode/codemode.h"
#include "gateway/address.h"
#include "gateway/dialect.h"
#include "gateway/locked.h"
#include "gateway/webhook.h"
#include "mcp/mcp.h"
#include "sandbox/sandbox.h"

#define SETTINGS_LISTEN_MAX    8
#define SETTINGS_PROVIDERS_MAX 64
#define SETTINGS_MODELS_MAX    512
#define SETTINGS_SERVERS_MAX   256
#define LISTEN_BASE            400

struct listen_entry {
	const char *address;
	int serves; /* SERVES_* */
	bool loopback;
	struct tls_files tls; /* cert NULL: plain HTTP */
	int tls_line, tls_column;
	struct str *hosts, *origins; /* what browsers may say, beside what the address implies */
	size_t hosts_n, origins_n;
};
struct provider_entry {
	struct str name, key;
	enum provider_kind kind;
	const char *url, *ca_file, *proxy;
	struct str missing; /* why it cannot be used, or "" */
	bool prefetch;
};
struct model_entry {
	struct str pattern;
	size_t provider; /* index */
};
/* Who issues the tokens that people may come with, see identity.h; "" = not said. */
struct identity_settings {   /* "" = not said */
	struct str issuer;   /* "" = there is none, virtual keys only */
	struct str resource; /* the URL of /mcp as clients have it; "" = the first listen entry's */
	struct str audience; /* what aud must say; "" = the resource, or a view's URL below it */
	struct str user;     /* the claim that names the user; "" = sub */
	struct str domain;   /* the claim ends with @domain, which is cut off */
	struct str scopes;   /* a token needs all of these; separated by spaces */
	const char *ca_file, *proxy;
};
struct settings {
	struct arena arena;
	const char *file, *dir; /* of tollgate.yaml, absolute */
	struct listen_entry listen[SETTINGS_LISTEN_MAX];
	size_t listen_n;
	struct address_range *proxies; /* trusted_proxies */
	size_t proxies_n;
	const char *data, *policies, *prices; /* absolute; prices NULL: none */
	struct provider_entry *providers;
	size_t providers_n;
	struct model_entry *models;
	size_t models_n;
	struct model_alias *aliases;
	size_t aliases_n;
	struct server_settings *servers;
	size_t servers_n;
	struct str *server_names, *model_names, *view_names; /* for the policy files' checks */
	size_t model_names_n;
	bool strict, log_json, access_log;
	bool watch; /* read the policies again when their files change */
	enum log_level log_level;
	int64_t body_bytes;
	struct codemode_settings runs;
	struct view_settings *views;
	size_t views_n;
	enum mcp_prefix prefix;
	enum code_mode code_mode;
	enum mcp_pin pin;
	struct locked_file lock;
	struct identity_settings identity; /* issuer "" = none */
	int session_idle_ms;               /* 0: the hub's own */
	struct sandbox_settings sandbox;   /* zero: its defaults */
	struct webhook_settings webhooks;  /* url "" = none */
};
/*
 * Reads and checks the whole file.  NULL with *e, the first problem ("file:line:col: what (fix)");
 * the other problems, and warnings (an inline secret, an unset variable), are appended to
 * `warnings`, one per line.
 */
struct settings *settings_load(const char *file, struct buf *warnings, struct err *e) MUST_CHECK;
/* "https://gate.example.com:8443": how a client on this host reaches a listener at its port. */
void listen_base(const struct listen_entry *l, int port, char out[LISTEN_BASE]);
/* Reads what settings_load() only names: the certificates of listen.  *e as above. */
bool settings_files_check(const struct settings *s, struct err *e) MUST_CHECK;
bool server_reserved(struct str name); /* no server may be called that */
bool header_reserved(struct str name); /* no server's headers: may set it */
void settings_free(struct settings **sp);
/* What the core needs of them; borrowed, and s->lock is what it has read last. */
void settings_core(struct settings *s, struct core_settings *out);
