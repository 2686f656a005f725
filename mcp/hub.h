/* SPDX-License-Identifier: Apache-2.0 */
/* hub - the inside of struct hub, for this folder only. */
#pragma once

#include "base/crypto.h"
#include "mcp/server.h"

#define HUB_MAGIC    0x68756221u
#define BUILTINS_MAX 8
#define RETIRED_MAX  64

struct hub {
	uint32_t magic;
	struct loop *loop;
	struct core *core;
	struct http_pool *pool;
	struct job job; /* root of what is not a client's */
	struct server *servers;
	size_t servers_n;
	struct builtin builtins[BUILTINS_MAX];
	size_t builtins_n;
	uint64_t generation;
	bool leaving; /* the gateway ends: what people are asked for stays asked */
	enum mcp_prefix prefix;
	enum code_mode code_mode; /* of /mcp, not of views */
	enum mcp_pin pin;
	const struct lock *lock;              /* borrowed; NULL: there is none */
	struct map by_name;                   /* listed and policy names -> struct tool */
	struct map by_offer[OFFER_KINDS];     /* listed names -> struct offer */
	struct map views;                     /* key id and view -> struct view */
	const struct view_settings *declared; /* the views of the settings */
	size_t declared_n;
	struct toolset *retired[RETIRED_MAX];
	size_t retired_n;
	struct timer retire, notify, bury;
	struct link leaving_list; /* child.c: processes that are given time to end, oldest first */
	size_t leaving_n, children_n; /* of those; of all processes of servers */
	void (*left)(void *ctx);      /* see hub_leave(); NULL: nobody waits */
	void *left_ctx;
	struct timer leave;
	struct deferred leave_soon;
	struct link buried; /* instances that have ended, until the next turn */
	size_t result_bytes_max;
	void (*listed)(void *ctx); /* see struct hub_settings */
	void *listed_ctx;
	struct hub_keep keep;
	char base_url[256];
	char version[32];

	/* towards clients: session.c, subscribe.c */
	uint8_t seal_key[AEAD_KEY_BYTES];
	char boot[9]; /* of this process: sessions of an earlier one are taken up again */
	int session_idle_ms;
	struct map subscribed;    /* see updates.c */
	struct map parks;         /* id -> struct park */
	struct map sessions;      /* id -> struct session */
	struct link session_list; /* least recently used first */
	size_t sessions_n;
	struct link streams;
	size_t streams_n;
	int64_t calls, refused, sessions_made;
};

void hub_child_gone(struct hub *h); /* a process of a server has ended */
