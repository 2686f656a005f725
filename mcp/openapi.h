/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi - an OpenAPI 3 document as tools: one per operation, and how its call becomes a request.
 */
#pragma once

#include "base/arena.h"
#include "base/http.h"

#define OPENAPI_BYTES_MAX ((size_t)4 << 20)

enum openapi_in { IN_PATH, IN_QUERY, IN_HEADER };
struct openapi_param {
	struct str name;     /* as the API has it */
	struct str argument; /* as the tool has it */
	enum openapi_in in;
	bool required;
};
struct openapi_operation {
	struct str tool;         /* [A-Za-z0-9_-], at most 64, unique */
	struct str method, path; /* "GET", "/pets/{petId}" */
	struct openapi_param *params;
	size_t params_n;
	bool body; /* an argument `body`, sent as it came */
	bool body_required;
	struct str definition; /* the tool as tools/list has it: one JSON object */
};
struct openapi {
	struct arena arena;
	struct openapi_operation *operations;
	size_t n, left_out; /* left out: what needs cookies, another body than JSON, or too much
			       room, and paths that are more than a path (a query, blanks) */
};

/*
 * JSON or YAML; `file` is for messages ("api.yaml:3:5: ...").  References are followed inside of
 * the document, a limited number of levels deep; what is deeper is any value.  NULL with *e: no
 * OpenAPI 3, a path that leads out of the API (".."), a document past a limit (bytes, values, 500
 * operations, the work of following its references), or no operation that can be a tool.
 */
struct openapi *openapi_read(const char *file, struct str text, struct err *e) MUST_CHECK;
void openapi_free(struct openapi **o);
const struct openapi_operation *openapi_find(const struct openapi *o, struct str tool);

/*
 * The request of a call: target (base path, path and query), headers of the parameters, body (a
 * span of args).  ERR_INVALID names the argument: it is missing, of the wrong kind, or would be
 * another path.  A value never adds a segment, a parameter or a header.
 */
struct openapi_request {
	struct buf target, values; /* values: of the headers, one behind another */
	struct header h[16];
	size_t n;
	struct str body;
};
bool openapi_request(const struct openapi_operation *op, struct str base_path, struct str args,
    struct openapi_request *r, struct err *e) MUST_CHECK;
void openapi_request_fini(struct openapi_request *r);
