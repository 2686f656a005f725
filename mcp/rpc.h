/* SPDX-License-Identifier: Apache-2.0 */
/* rpc - one JSON-RPC 2.0 message as spans, and the few messages we write ourselves. */
#pragma once

#include "base/json.h"

#define RPC_ID_BYTES_MAX     256
#define RPC_METHOD_BYTES_MAX 128

#define RPC_PARSE       (-32700)
#define RPC_REQUEST     (-32600)
#define RPC_METHOD      (-32601)
#define RPC_PARAMS      (-32602)
#define RPC_INTERNAL    (-32603)
#define RPC_SERVER      (-32000)
#define RPC_NO_RESOURCE (-32002)
#define RPC_HEADERS     (-32020)
#define RPC_CAPABILITY  (-32021)
#define RPC_VERSION     (-32022)
#define RPC_TIMED_OUT   (-32001) /* as the official SDKs have it; RPC_SERVER: connection closed */
#define RPC_CANCELLED   (-32800)

enum rpc_kind { RPC_IS_REQUEST = 1, RPC_IS_NOTIFICATION, RPC_IS_RESULT, RPC_IS_ERROR };
struct rpc {
	enum rpc_kind kind;
	struct str id; /* raw, p == NULL when there is none */
	char method[RPC_METHOD_BYTES_MAX + 1];
	struct str params; /* raw object; "{}" when absent */
	struct str result, error;
	int bad; /* after false: the JSON-RPC code that says why */
};

/*
 * Reads one message.  Spans point into `text`.  With `ours` (what a client sent, on which we
 * decide), duplicate keys are refused at every depth; without, at the top only.  On false m->bad is
 * RPC_PARSE or RPC_REQUEST, and m->id is there when it could be told.
 */
bool rpc_parse(struct str text, bool ours, struct rpc *m, struct err *e) MUST_CHECK;
bool rpc_is(const struct rpc *m, const char *method);

/* id.p == NULL writes null. */
void rpc_put_result(struct buf *b, struct str id, struct str result_json);
void rpc_put_error(struct buf *b, struct str id, int code, struct str text, struct str data_json);
/* The members of a checked object as they stand, but for the one named `except`; a comma in front
 * when `out` does not end in {. */
void rpc_put_members(struct buf *out, struct str object, struct str except);
/* A CallToolResult of one text. */
void rpc_put_text_result(struct buf *b, struct str text, bool is_error);
