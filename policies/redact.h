/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact - finding secrets and personal data in what passes, and writing something else there.
 *
 *   redact_find.c     where something may start (a filter of vectors), and whether it is something
 *   redact_secrets.c  the table of keys and tokens        redact_pii.c  cards, e-mail, IBAN, phones
 *   redact_scan.c     texts and JSON in pieces, what is written instead
 *   redact_rules.c    `redact:` rules: their reading, and what of them holds for a call
 *   redact.c          whole documents, for who calls tools
 *
 * A text is judged by its bytes, and again as whoever unescapes it would read it: JSON's escapes,
 * once more for JSON within a string, and look-alikes (full-width digits, invisible characters).
 * The same bytes come out however the input is cut into pieces.  Time is linear in the input;
 * memory is bounded by the limits below.
 */
#pragma once

#include "base/crypto.h"
#include "policies/policies.h"

#define REDACT_SHORTEST   6     /* a@b.cc */
#define REDACT_AHEAD      64    /* bytes behind a start that decide all but long things */
#define REDACT_BACK       64    /* bytes of an e-mail address in front of its @ */
#define REDACT_MATCH_MAX  16384 /* of one thing, unescaped; what is longer is cut there */
#define REDACT_HOLD_MAX   ((size_t)256 << 10) /* raw bytes held back at most, then decided */
#define REDACT_PIECE      ((size_t)64 << 10)  /* looked at together */
#define REDACT_LEVELS     3                   /* as it is, unescaped, unescaped twice */
#define REDACT_HASH_BYTES 6

/* ---- redact_find.c ---- */

#define REDACT_SECRETS_MAX 100 /* rows of the table */
/* Which bytes begin something, by bucket of things that look alike; built once per core. */
struct redact_tables {
	uint8_t byte[3][256];         /* bit b: this byte may be the i-th of bucket b */
	uint8_t lo[3][16], hi[3][16]; /* the same by halves of the byte, a little wider */
	uint8_t slot[256], next[REDACT_SECRETS_MAX]; /* kinds of secrets by anchor, from 1 */
	uint8_t length[REDACT_SECRETS_MAX];          /* of their prefixes */
	uint8_t key[SHA256_BYTES];                   /* of hashes */
};
void redact_tables_init(struct redact_tables *t);

struct find_text {
	const struct redact_tables *tables;
	const char *p;
	size_t n, from;
	unsigned classes; /* bit per enum redact_class */
	int before;       /* what stands in front of p[0]; 0: nothing */
	bool final;       /* no more will come */
};
struct find_match {
	size_t from, at, n; /* from: of what stands in front and proves it */
	enum redact_class class;
	const char *name; /* "github-token" */
};
enum found { FOUND_NONE, FOUND_MATCH, FOUND_MORE };
/* The next one from t->from on.  NONE and MORE: m->at is where what is not decided begins. */
enum found find_next(const struct find_text *t, struct find_match *m);

/* What a candidate's judge sees: the text from its start on. */
struct look {
	const char *p;
	size_t n;   /* at most REDACT_MATCH_MAX */
	int before; /* the byte in front; 0: none */
	bool more;  /* the text goes on behind n */
};
#define LOOK_MORE SIZE_MAX /* needs more than n bytes */

/* ---- redact_secrets.c, redact_pii.c: the length of what starts there; 0: nothing ---- */

/* The anchor stands at `at`; tells the match by *m, FOUND_MORE with m->at. */
enum found secret_judge(const struct find_text *t, size_t at, struct find_match *m);
/* Puts the bytes that may be the i-th of an anchor into the tables. */
void secrets_tables(struct redact_tables *t);
#define BUCKET_CARD    0
#define BUCKET_MARK    1 /* + and @: phones and e-mail */
#define BUCKET_IBAN    2
#define BUCKET_SECRETS 0xf8u /* bits of the others */
void bucket_put(struct redact_tables *t, int bucket, const char *const set[3]);

size_t card_judge(const struct look *l);
size_t iban_judge(const struct look *l);
size_t phone_judge(const struct look *l);
/* Of the part behind the @: its length. */
size_t domain_judge(const struct look *l);
bool email_local(unsigned char c);
bool card_digits(const char *digits, size_t n); /* issuer, length and Luhn */

static inline bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}
static inline bool
is_letter(int c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}
static inline bool
is_alnum(int c)
{
	return is_digit(c) || is_letter(c);
}

/* ---- redact_scan.c ---- */

struct redact_out {
	void (*pass)(void *ctx, struct str bytes);               /* as they came */
	void (*put)(void *ctx, struct str text, size_t instead); /* for so many bytes of input */
	void *ctx;
};
#define REDACT_MARK_BYTES 4096
struct redact_level { /* a block, unescaped once more than the one below it */
	struct buf made;
	const char *p;
	size_t n;
	int before; /* what stood in front of the block */
	bool same;  /* it is what it was made of */
	struct redact_mark {
		size_t src, made;
	} mark[REDACT_HOLD_MAX / REDACT_MARK_BYTES + 2]; /* where it has got to, now and then */
	size_t marks_n;
};
struct redact_hit {
	size_t from, at, end;
	enum redact_class class;
	const char *name;
	uint8_t hash[REDACT_HASH_BYTES];
};
enum redact_state { IN_TEXT, IN_JSON, IN_STRING, IN_NUMBER, IN_LONG_NUMBER };
struct redactor {
	const struct redact_tables *tables;
	const uint8_t *action; /* by class; the caller's */
	struct redact_out out;
	struct redact_counts *counts; /* the caller's */
	unsigned classes;
	enum redact_state state;
	bool json, odd;     /* odd: the string goes on behind a backslash */
	struct buf pending; /* undecided raw bytes */
	size_t need;        /* no second look at them before there are so many */
	struct str run;     /* passed, not yet handed out */
	struct redact_level level[REDACT_LEVELS];
	size_t levels;
	struct redact_hit *hits;
	size_t hits_n, hits_cap;
	char number[40];
	size_t number_n;
	size_t out_n; /* bytes handed out */
};
/* A look at a whole document that is quicker; true: nothing would be found.  false: it may be. */
bool redact_clean(const struct redact_tables *t, const uint8_t *action, struct str doc);
/* Does a checked document hold a number that is a card, which would become a string? */
bool redact_card_number(struct str doc);
/* json: what is fed is JSON, of which names, strings and numbers are looked at; else plain text. */
void redactor_init(struct redactor *r, const struct redact_tables *t, const uint8_t *action,
    bool json, const struct redact_out *out, struct redact_counts *counts);
void redactor_feed(struct redactor *r, struct str bytes);
void redactor_end(struct redactor *r); /* the last of it; init again for another text */
void redactor_fini(struct redactor *r);
