/* SPDX-License-Identifier: Apache-2.0 */
/* demo - the demo tool server's own header: its data, its tools, its faults. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"

/* ---- data.c: notes and orders ---- */

#define NOTES_MAX  512
#define NOTE_BYTES 8192

struct note {
	int id; /* "n-1" */
	char *title, *text, *tag;
};
struct order {
	int id; /* "o-1001" */
	const char *customer, *item, *status, *ordered_on;
	int quantity, total_cents;
};
#define ORDERS 120

struct data {
	struct note notes[NOTES_MAX];
	size_t notes_n;
	int last_note;
	struct order orders[ORDERS];
	char days[ORDERS][11];
};
void data_fill(struct data *d); /* the same every time */
void data_free(struct data *d);
struct note *data_note(struct data *d, struct str id);
/* NULL: full, or too long. */
struct note *data_note_add(struct data *d, struct str title, struct str text, struct str tag);
void data_note_drop(struct data *d, struct note *n);
const struct order *data_order(const struct data *d, struct str id);
bool text_has(struct str text, struct str word); /* ASCII case ignored */

/* ---- faults.c: what a bad server does, for tests ---- */

struct faults {
	bool hang;      /* never answers a call */
	bool hang_list; /* never answers tools/list */
	bool mute;      /* never answers anything */
	bool die_probe; /* exits on server/discover, as some servers do */
	bool die_call;  /* exits on a call */
	bool malformed; /* lists broken tools among the good ones */
	bool garbage;   /* writes lines that are not JSON-RPC, answers nobody asked for, requests */
	bool bad_list;  /* tools/list is not what it should be */
	bool extra;     /* adds echo, fail, huge, sleep and add_tool */
	bool legacy;    /* knows no server/discover */
	bool modern;    /* knows no initialize */
	int page;       /* tools per page; 0: all */
};

/* ---- tools.c ---- */

struct demo {
	struct data data;
	struct faults faults;
	bool more_tools;     /* add_tool was called */
	bool tools_changed;  /* say so after this answer */
	struct buf out;      /* what waits for stdout */
	char listen_id[128]; /* raw id of an open subscriptions/listen, "" when none */
	bool initialized;
};
/* The result of tools/list, without the outer braces and era members; false: no such cursor. */
bool tools_list(struct demo *d, struct str cursor, struct buf *out);
enum tool_answer { TOOL_OK, TOOL_UNKNOWN, TOOL_SILENT };
/* The members of a CallToolResult, without the outer braces. */
enum tool_answer
tools_call(struct demo *d, struct str name, struct str args, struct arena *a, struct buf *out);
