/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lex - Lua 5.4 as tokens, and what models write in its place.
 *
 * The gateway has no Lua; it only looks at scripts before they run (lenient.h, lint.h) and when
 * they failed (failure.h).  Tokens are exactly those of Lua's own lexer: what it takes, this takes,
 * with the same extents and line numbers.  Whatever it refuses is TOKEN_FOREIGN (a sign of another
 * language: !=, +=, &&, a backquote) or TOKEN_BROKEN (a string without its end, a malformed
 * number), so a source without such tokens may be Lua and a source with one cannot be.
 *
 * Any bytes are taken.  Time and memory are linear in them; nothing recurses.
 */
#pragma once

#include "base/text.h"

enum token_kind {
	TOKEN_END, /* once, last; its line is the last one */
	TOKEN_NAME,
	TOKEN_KEYWORD,
	TOKEN_NUMBER,
	TOKEN_STRING, /* with its quotes or long brackets */
	TOKEN_SIGN,
	TOKEN_FOREIGN,
	TOKEN_BROKEN,
};

/* Keywords and signs; W_NONE for all other tokens. */
// clang-format off
#define LUA_KEYWORDS(X) \
	X(AND, "and") X(BREAK, "break") X(DO, "do") X(ELSE, "else") X(ELSEIF, "elseif") \
	X(END, "end") X(FALSE, "false") X(FOR, "for") X(FUNCTION, "function") X(GOTO, "goto") \
	X(IF, "if") X(IN, "in") X(LOCAL, "local") X(NIL, "nil") X(NOT, "not") X(OR, "or") \
	X(REPEAT, "repeat") X(RETURN, "return") X(THEN, "then") X(TRUE, "true") X(UNTIL, "until") \
	X(WHILE, "while")
/* Longest first: the first that matches is the token. */
#define LUA_SIGNS(X) \
	X(DOTS, "...") X(CONCAT, "..") X(IDIV, "//") X(EQ, "==") X(NE, "~=") X(LE, "<=") \
	X(GE, ">=") X(SHL, "<<") X(SHR, ">>") X(LABEL, "::") X(PLUS, "+") X(MINUS, "-") \
	X(STAR, "*") X(SLASH, "/") X(PERCENT, "%") X(CARET, "^") X(HASH, "#") X(AMP, "&") \
	X(TILDE, "~") X(PIPE, "|") X(LT, "<") X(GT, ">") X(ASSIGN, "=") X(LPAREN, "(") \
	X(RPAREN, ")") X(LBRACE, "{") X(RBRACE, "}") X(LBRACKET, "[") X(RBRACKET, "]") \
	X(SEMICOLON, ";") X(COLON, ":") X(COMMA, ",") X(DOT, ".")
/* No sequence of these bytes is ever valid in Lua outside of strings and comments. */
#define FOREIGN_SIGNS(X) \
	X(FENCE, "```") X(NOT_EQ3, "!==") X(EQ3, "===") X(SET_IDIV, "//=") X(SET_CONCAT, "..=") \
	X(SET_POWER, "**=") X(SET_OR, "||=") X(SET_AND, "&&=") X(SET_NULL, "?" "?=") \
	X(SET_SHL, "<<=") X(SET_SHR, ">>=") X(NOT_EQ, "!=") X(SET_PLUS, "+=") X(SET_MINUS, "-=") \
	X(SET_STAR, "*=") X(SET_SLASH, "/=") X(SET_PERCENT, "%=") X(SET_CARET, "^=") \
	X(SET_PIPE, "|=") X(SET_AMP, "&=") X(AND2, "&&") X(OR2, "||") X(PLUS2, "++") \
	X(POWER, "**") X(FAT_ARROW, "=>") X(ARROW, "->") X(NULLISH, "??") X(OPTIONAL, "?.") \
	X(WALRUS, ":=") X(BANG, "!") X(BACKQUOTE, "`") X(QUESTION, "?") X(AT, "@") X(DOLLAR, "$") \
	X(BACKSLASH, "\\")
// clang-format on
enum lua_word {
	W_NONE,
#define X(word, text) W_##word,
	LUA_KEYWORDS(X) LUA_SIGNS(X) FOREIGN_SIGNS(X)
#undef X
	    W_COUNT
};

struct lua_token {
	uint32_t at, n; /* bytes of the text */
	uint32_t line;  /* of its first byte, from 1 */
	uint8_t kind, word;
};

struct lua_tokens {
	struct str text; /* borrowed */
	struct lua_token *t;
	size_t n;         /* with TOKEN_END */
	size_t first_bad; /* index of the first token that is no Lua; n when there is none */
};
/* text: at most UINT32_MAX / 2 bytes.  Free with lua_tokens_fini(). */
void lua_tokens_init(struct lua_tokens *s, struct str text);
void lua_tokens_fini(struct lua_tokens *s);
struct str lua_token_text(const struct lua_tokens *s, size_t i);
static inline bool
lua_token_is(const struct lua_tokens *s, size_t i, enum lua_word word)
{
	return i < s->n && s->t[i].word == word;
}
static inline enum lua_word
lua_word_at(const struct lua_tokens *s, size_t i)
{
	return i < s->n ? (enum lua_word)s->t[i].word : W_NONE;
}
static inline enum token_kind
lua_kind_at(const struct lua_tokens *s, size_t i)
{
	return i < s->n ? (enum token_kind)s->t[i].kind : TOKEN_END;
}
static inline struct str
lua_text_at(const struct lua_tokens *s, size_t i)
{
	return i < s->n ? lua_token_text(s, i) : STR("");
}
/* The line without its line end, STR_NONE when there are fewer. */
struct str lua_line(struct str text, uint32_t line);
