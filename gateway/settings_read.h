/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_read - what settings.c and settings_servers.c share while the file is read.
 */
#pragma once

#include "base/yaml.h"
#include "gateway/gateway.h"
#include "gateway/secret.h"
#include "gateway/settings.h"

struct reading {
	struct settings *s;
	struct buf *out;   /* warnings, and all errors but the first */
	struct err *first; /* of the errors */
	size_t errors;
	struct secrets secrets;
	struct yaml *models, *aliases; /* read last */
	bool versioned;
};

/* One key of a mapping.  read == NULL: of a later version, refused by name. */
struct setting {
	const char *key;
	size_t at; /* offset into what is being read */
	void (*read)(struct reading *r, struct yaml *y, void *into);
};
/* Ends with a NULL key.  false: y is no mapping. */
bool rows_read(
    struct reading *r, struct yaml *y, const char *what, const struct setting *rows, void *into);

struct word { /* ends with NULL; a value < 0 is not supported yet */
	const char *text;
	int value;
};
bool word_read(struct reading *r, struct yaml *y, const struct word *words, int *out);
bool text_read(struct reading *r, struct yaml *y, struct str *out);
void path_read(struct reading *r, struct yaml *y, void *into);         /* const char * */
void url_read(struct reading *r, struct yaml *y, void *into);          /* const char * */
void ms_read(struct reading *r, struct yaml *y, void *into);           /* int */
void bool_read(struct reading *r, struct yaml *y, void *into);         /* bool */
void code_mode_setting(struct reading *r, struct yaml *y, void *into); /* enum code_mode */

/* The value of a text that may name a secret; warns about one that stands here in the open.
 * *missing: the variable or file that is not there. */
struct str
value_read(struct reading *r, const struct yaml *y, bool is_secret, const char **missing);

/* settings_servers.c */
void ca_read(struct reading *r, struct yaml *y, void *into); /* const char * */
/* scheme://[user:password@]host:port; the whole may be, or hold, a secret. */
const char *proxy_value(struct reading *r, const struct yaml *y, const char **missing);

/* All return false. */
bool bad(struct reading *r, const struct yaml *y, const char *fmt, ...) PRINTF(3, 4);
bool bad_key(struct reading *r, const struct yaml *y, const char *fmt, ...) PRINTF(3, 4);
bool bad_err(struct reading *r, const struct err *e); /* its text has the position already */
void warn_at(struct reading *r, const struct yaml *y, const char *fmt, ...) PRINTF(3, 4);
#define NEAREST_TEXT 100
const char *nearest(char out[NEAREST_TEXT], struct str wanted, const struct str *names, size_t n);

/* settings_views.c */
void views_read(struct reading *r, struct yaml *y, void *settings);

/* settings_pin.c */
void pin_read(struct reading *r, struct yaml *y, void *into); /* enum mcp_pin */
void source_make(struct reading *r, struct yaml *y, struct server_settings *s);

/* settings_listen.c */
void listen_read(struct reading *r, struct yaml *y, void *settings);
void trusted_proxies_read(struct reading *r, struct yaml *y, void *settings);
struct listen_entry listen_default(void); /* when the file has no listen: */

/* settings_jail.c: into a struct server_settings */
void jail_user_read(struct reading *r, struct yaml *y, void *into);
void jail_limits_read(struct reading *r, struct yaml *y, void *into);
void jail_network_read(struct reading *r, struct yaml *y, void *into);
void jail_read_only_read(struct reading *r, struct yaml *y, void *into);
void jail_writable_read(struct reading *r, struct yaml *y, void *into);

/* settings_oauth.c: the first into a struct settings, the other into a struct server_settings */
void identity_read(struct reading *r, struct yaml *y, void *into);
void server_oauth_read(struct reading *r, struct yaml *y, void *into);

/* settings_sandbox.c */
void sandbox_read(struct reading *r, struct yaml *y, void *settings);

/* settings_webhooks.c */
void webhooks_read(struct reading *r, struct yaml *y, void *settings);

/* settings_servers.c */
void providers_read(struct reading *r, struct yaml *y, void *settings);
void servers_read(struct reading *r, struct yaml *y, void *settings);
void models_read_later(struct reading *r, struct yaml *y, void *settings);
void aliases_read_later(struct reading *r, struct yaml *y, void *settings);
void models_read(struct reading *r, struct yaml *y);
void aliases_read(struct reading *r, struct yaml *y);
