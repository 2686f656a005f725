/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - why something did not happen.
 *
 * One table: the word (log, audit verdict, metric label, test), the HTTP status, the JSON-RPC
 * code, what each vendor of models calls it, and whether a client should try again.  A false in the
 * last column becomes `x-should-retry: false` where the dialect knows it.
 */
#pragma once

#include "base/base.h"

// clang-format off
/*        code          word                    HTTP  JSON-RPC  Anthropic error.type  OpenAI error.type      Google status      retry */
#define ERR_TABLE(X) \
	X(NONE,         "ok",                     200,      0,  "",                      "",                      "",                   false) \
	X(INVALID,      "invalid_request",        400, -32602,  "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT",   false) \
	X(AUTH,         "unauthenticated",        401, -32001,  "authentication_error",  "invalid_request_error", "UNAUTHENTICATED",    false) \
	X(REVOKED,      "key_revoked",            401, -32001,  "authentication_error",  "invalid_request_error", "UNAUTHENTICATED",    false) \
	X(NO_OWNER,     "owner_unknown",          403, -32003,  "permission_error",      "permission_error",      "PERMISSION_DENIED",  false) \
	X(DENIED,       "not_permitted",          403, -32003,  "permission_error",      "permission_error",      "PERMISSION_DENIED",  false) \
	X(APPROVAL,     "needs_approval",         403, -32003,  "permission_error",      "permission_error",      "PERMISSION_DENIED",  false) \
	X(NOT_FOUND,    "not_found",              404, -32602,  "not_found_error",       "invalid_request_error", "NOT_FOUND",          false) \
	X(METHOD,       "method_not_allowed",     405, -32601,  "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT",   false) \
	X(SLOW,         "request_timeout",        408, -32006,  "timeout_error",         "server_error",          "DEADLINE_EXCEEDED",  true) \
	X(LENGTH,       "length_required",        411, -32600,  "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT",   false) \
	X(TOO_LARGE,    "request_too_large",      413, -32600,  "request_too_large",     "invalid_request_error", "INVALID_ARGUMENT",   false) \
	X(HEAD_LARGE,   "headers_too_large",      431, -32600,  "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT",   false) \
	X(BUDGET,       "budget_exhausted",       429, -32004,  "billing_error",         "insufficient_quota",    "RESOURCE_EXHAUSTED", false) \
	X(RATE,         "rate_limited",           429, -32005,  "rate_limit_error",      "rate_limit_exceeded",   "RESOURCE_EXHAUSTED", true) \
	X(CANCELLED,    "cancelled",              499, -32800,  "api_error",             "server_error",          "CANCELLED",          false) \
	X(INTERNAL,     "internal_error",         500, -32603,  "api_error",             "server_error",          "INTERNAL",           true) \
	X(UPSTREAM,     "upstream_failed",        502, -32008,  "api_error",             "server_error",          "UNAVAILABLE",        true) \
	X(STORE,        "store_unavailable",      503, -32009,  "api_error",             "server_error",          "UNAVAILABLE",        true) \
	X(UNCONFIGURED, "not_configured",         503, -32010,  "api_error",             "server_error",          "UNAVAILABLE",        false) \
	X(OVERLOAD,     "overloaded",             529, -32011,  "overloaded_error",      "server_error",          "UNAVAILABLE",        true) \
	X(TIMEOUT,      "deadline_exceeded",      504, -32006,  "timeout_error",         "server_error",          "DEADLINE_EXCEEDED",  true)
// clang-format on

enum err_code {
#define X(c, word, http, rpc, anthropic, openai, google, retry) ERR_##c,
	ERR_TABLE(X)
#undef X
	    ERR_COUNT
};

#define ERR_TEXT_BYTES 400

struct err {
	enum err_code code;
	bool unmade;               /* of a call: it was certainly not made */
	int retry_after_s;         /* 0 = say nothing; else the true number of seconds */
	char text[ERR_TEXT_BYTES]; /* for people; lower case, no full stop, never a secret or a
				      prompt */
};

/* Fills in *e (unmade: false) and returns false, so that `return err_set(e, ...)` is the whole
 * error path. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF(3, 4);
void err_clear(struct err *e);
const char *err_word(enum err_code code);
int err_http(enum err_code code);
int err_rpc(enum err_code code);
const char *err_anthropic(enum err_code code);
const char *err_openai(enum err_code code);
const char *err_google(enum err_code code);
bool err_retry(enum err_code code);
