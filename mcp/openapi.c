/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi - reads a document once into tools.
 *
 * The tree is the YAML reader's (JSON is YAML), so that mistakes have a line.  Schemas are written
 * out as JSON with their references followed: at most REF_DEPTH levels and DEFINITION_BYTES per
 * tool, so that a document that points into itself ends.  Words that only OpenAPI knows are left
 * out, `nullable` becomes a type.
 *
 * Hints come from the verb: GET and HEAD read, DELETE destroys, PUT and DELETE may be repeated.
 */
#include "mcp/openapi.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/url.h"
#include "base/yaml.h"

#define OPERATIONS_MAX   500
#define PARAMS_MAX       32
#define TOOL_NAME_MAX    64
#define DEFINITION_BYTES ((size_t)64 << 10)
#define DESCRIPTION_MAX  1024
#define REF_DEPTH        16
#define NEST_MAX         48
#define TREE_BYTES       ((size_t)128 << 20)
#define ARENA_BYTES      ((size_t)64 << 20)
#define TARGET_BYTES     8192

struct reading {
	struct openapi *o;
	struct yaml *root;
	struct buf schema;
	int refs, nested;
};

/* ---- YAML as JSON ---- */

static bool
is_number(struct str s)
{
	struct err e;

	return s.n > 0 && (s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9')) &&
	       json_check(s, false, &e);
}

static void
scalar_put(struct buf *b, const struct yaml *y)
{
	if (y->kind == YAML_NULL)
		buf_puts(b, "null");
	else if (!y->quoted && (str_eq(y->text, STR("true")) || str_eq(y->text, STR("false")) ||
				   is_number(y->text)))
		buf_put(b, y->text);
	else
		buf_json_str(b, y->text);
}

/* What a "#/a/b~1c" names, or NULL (RFC 6901). */
static struct yaml *
pointer(struct yaml *root, struct str ref)
{
	struct yaml *at = root;
	char key[256];

	if (!str_starts(ref, STR("#/")))
		return NULL;
	ref = (struct str){ ref.p + 2, ref.n - 2 };
	while (ref.p != NULL && at != NULL) {
		struct str part = str_cut(&ref, '/');
		size_t n = 0;

		if (at->kind != YAML_MAP || part.n >= sizeof(key))
			return NULL;
		for (size_t i = 0; i < part.n; i++) {
			bool escape = part.p[i] == '~' && i + 1 < part.n;

			key[n++] = !escape ? part.p[i] : part.p[++i] == '1' ? '/' : '~';
		}
		key[n] = '\0';
		at = yaml_get(at, key);
	}
	return at;
}

/* The node itself, or what its $ref names; NULL: nothing. */
static struct yaml *
followed(struct reading *r, struct yaml *y)
{
	struct yaml *ref;

	for (int i = 0; y != NULL && i < REF_DEPTH; i++) {
		ref = y->kind == YAML_MAP ? yaml_get(y, "$ref") : NULL;
		if (ref == NULL)
			return y;
		y = pointer(r->root, ref->text);
	}
	return NULL;
}

static bool
left_out(struct str key)
{
	static const struct str words[] = { STR("example"), STR("examples"), STR("xml"),
		STR("externalDocs"), STR("discriminator"), STR("nullable"), STR("deprecated") };

	return str_in(key, words, COUNT(words)) || str_starts(key, STR("x-"));
}

static void node_put(struct reading *r, struct yaml *y);

/* `type: x` beside `nullable: true`, and 3.0's boolean bounds. */
static bool
oddity_put(struct reading *r, struct yaml *map, struct yaml *k)
{
	struct yaml *nullable = yaml_get(map, "nullable");
	bool bound =
	    str_eq(k->key, STR("exclusiveMinimum")) || str_eq(k->key, STR("exclusiveMaximum"));

	if (str_eq(k->key, STR("type")) && k->kind == YAML_SCALAR && nullable != NULL &&
	    str_eq(nullable->text, STR("true"))) {
		buf_puts(&r->schema, "\"type\":[");
		buf_json_str(&r->schema, k->text);
		buf_puts(&r->schema, ",\"null\"]");
		return true;
	}
	return bound && !is_number(k->text);
}

static void
map_put(struct reading *r, struct yaml *y, bool names)
{
	bool first = true;

	buf_putc(&r->schema, '{');
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		size_t before = r->schema.n;

		if (!names && left_out(k->key))
			continue;
		if (!first)
			buf_putc(&r->schema, ',');
		if (!names && oddity_put(r, y, k)) {
			first = first && r->schema.n == before;
			if (r->schema.n > before && r->schema.p[r->schema.n - 1] == ',')
				r->schema.n--; /* left out after all */
			continue;
		}
		first = false;
		buf_json_str(&r->schema, k->key);
		buf_putc(&r->schema, ':');
		if (!names && k->kind == YAML_MAP &&
		    (str_eq(k->key, STR("properties")) || str_eq(k->key, STR("patternProperties"))))
			map_put(r, k, true); /* its keys are names, whatever they are called */
		else
			node_put(r, k);
	}
	buf_putc(&r->schema, '}');
}

static void
list_put(struct reading *r, struct yaml *y)
{
	buf_putc(&r->schema, '[');
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		if (k != y->kids)
			buf_putc(&r->schema, ',');
		node_put(r, k);
	}
	buf_putc(&r->schema, ']');
}

static void
node_put(struct reading *r, struct yaml *y)
{
	bool ref = y->kind == YAML_MAP && yaml_get(y, "$ref") != NULL;

	r->nested++;
	r->refs += ref;
	if (ref)
		y = followed(r, y);
	if (y == NULL || r->refs > REF_DEPTH || r->nested > NEST_MAX || !buf_ok(&r->schema)) {
		buf_puts(&r->schema, "{}");
	} else {
		switch (y->kind) {
		case YAML_MAP:
			map_put(r, y, false);
			break;
		case YAML_LIST:
			list_put(r, y);
			break;
		case YAML_NULL:
		case YAML_SCALAR:
			scalar_put(&r->schema, y);
			break;
		}
	}
	r->refs -= ref;
	r->nested--;
}

/* ---- operations ---- */

static bool
plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static struct str
tool_name(struct reading *r, struct str method, struct str path, struct yaml *op)
{
	struct yaml *id = yaml_get(op, "operationId");
	struct str from;
	char *p = arena_alloc(&r->o->arena, TOOL_NAME_MAX + 8);
	struct str name = { p, 0 };

	from = id != NULL && id->text.n > 0
		   ? id->text
		   : arena_printf(&r->o->arena, STR_FMT STR_FMT, STR_ARG(method), STR_ARG(path));
	for (size_t i = 0; i < from.n && name.n < TOOL_NAME_MAX; i++)
		if (plain(from.p[i]))
			p[name.n++] = from.p[i];
		else if (name.n > 0 && p[name.n - 1] != '_' && from.p[i] != '}')
			p[name.n++] = '_';
	for (int k = 2; openapi_find(r->o, name) != NULL && k < 100; k++) {
		size_t cut = name.n > TOOL_NAME_MAX - 3 ? TOOL_NAME_MAX - 3 : name.n;

		name = arena_printf(&r->o->arena, "%.*s_%d", (int)cut, p, k);
	}
	return name;
}

static bool
param_read(struct reading *r, struct yaml *y, struct openapi_operation *op, bool *usable)
{
	struct yaml *name, *in, *required;
	struct openapi_param *p = &op->params[op->params_n];

	y = followed(r, y);
	if (y == NULL || y->kind != YAML_MAP)
		return false;
	name = yaml_get(y, "name");
	in = yaml_get(y, "in");
	required = yaml_get(y, "required");
	if (name == NULL || in == NULL || name->text.n == 0 || name->text.n > 128)
		return false;
	*p = (struct openapi_param){ .name = arena_str(&r->o->arena, name->text),
		.required = required != NULL && str_eq(required->text, STR("true")) };
	p->argument = p->name;
	if (str_eq(in->text, STR("path")))
		p->in = IN_PATH;
	else if (str_eq(in->text, STR("query")))
		p->in = IN_QUERY;
	else if (str_eq(in->text, STR("header")))
		p->in = IN_HEADER;
	else {
		*usable = *usable && !p->required; /* cookies are not sent */
		return false;
	}
	p->required = p->required || p->in == IN_PATH;
	for (size_t i = 0; i < op->params_n; i++)
		if (str_eq(op->params[i].argument, p->argument)) {
			if (op->params[i].in == p->in)
				return false; /* the operation's own came first */
			p->argument = arena_printf(&r->o->arena, STR_FMT "_%s", STR_ARG(p->name),
			    p->in == IN_PATH    ? "path"
			    : p->in == IN_QUERY ? "query"
						: "header");
		}
	return true;
}

/* The schema of one parameter, or of the body, as a property. */
static void
property_put(struct reading *r, struct str name, struct yaml *y, bool *first)
{
	struct yaml *schema, *about;

	y = followed(r, y);
	schema = y == NULL ? NULL : followed(r, yaml_get(y, "schema"));
	about = y == NULL ? NULL : yaml_get(y, "description");
	buf_puts(&r->schema, *first ? "" : ",");
	*first = false;
	buf_json_str(&r->schema, name);
	buf_putc(&r->schema, ':');
	if (schema == NULL || schema->kind != YAML_MAP) {
		buf_puts(&r->schema, "{}");
		return;
	}
	node_put(r, schema);
	if (about != NULL && yaml_get(schema, "description") == NULL && about->text.n > 0 &&
	    about->text.n < DESCRIPTION_MAX && buf_ok(&r->schema)) {
		bool empty = r->schema.p[r->schema.n - 2] == '{';

		r->schema.n--;
		buf_puts(&r->schema, empty ? "\"description\":" : ",\"description\":");
		buf_json_str(&r->schema, about->text);
		buf_putc(&r->schema, '}');
	}
}

static void
params_read(
    struct reading *r, struct yaml *list, struct openapi_operation *op, bool *first, bool *usable)
{
	if (list == NULL || list->kind != YAML_LIST)
		return;
	for (struct yaml *y = list->kids; y != NULL; y = y->next) {
		if (op->params_n == PARAMS_MAX) {
			*usable = false;
			return;
		}
		if (param_read(r, y, op, usable)) {
			property_put(r, op->params[op->params_n].argument, y, first);
			op->params_n++;
		}
	}
}

/* JSON, or nothing that has to be there. */
static void
body_read(struct reading *r, struct yaml *op_y, struct openapi_operation *op, bool *first,
    bool *required, bool *usable)
{
	struct yaml *body = followed(r, yaml_get(op_y, "requestBody")), *content, *json, *must;

	if (body == NULL || body->kind != YAML_MAP)
		return;
	content = yaml_get(body, "content");
	must = yaml_get(body, "required");
	*required = must != NULL && str_eq(must->text, STR("true"));
	json = content != NULL && content->kind == YAML_MAP ? yaml_get(content, "application/json")
							    : NULL;
	if (json == NULL || json->kind != YAML_MAP) {
		*usable = *usable && !*required;
		*required = false;
		return;
	}
	for (size_t i = 0; i < op->params_n; i++)
		if (str_eq(op->params[i].argument, STR("body")))
			op->params[i].argument = STR("body_parameter");
	op->body = true;
	property_put(r, STR("body"), json, first);
}

static void
required_put(struct reading *r, const struct openapi_operation *op, bool body)
{
	const char *comma = "";

	buf_puts(&r->schema, ",\"required\":[");
	for (size_t i = 0; i < op->params_n; i++)
		if (op->params[i].required) {
			buf_puts(&r->schema, comma);
			buf_json_str(&r->schema, op->params[i].argument);
			comma = ",";
		}
	if (body)
		buf_printf(&r->schema, "%s\"body\"", comma);
	buf_puts(&r->schema, "],\"additionalProperties\":false}");
}

static void
hints_put(struct reading *r, struct str method)
{
	bool reads = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
	bool destroys = str_eq(method, STR("DELETE"));
	bool again = reads || destroys || str_eq(method, STR("PUT"));

	buf_printf(&r->schema,
	    ",\"annotations\":{\"readOnlyHint\":%s,\"destructiveHint\":%s,\"idempotentHint\":%s,"
	    "\"openWorldHint\":true}}",
	    reads ? "true" : "false", destroys ? "true" : "false", again ? "true" : "false");
}

static void
about_put(struct reading *r, struct yaml *op_y, const struct openapi_operation *op)
{
	struct yaml *summary = yaml_get(op_y, "summary"), *about = yaml_get(op_y, "description");
	struct buf text;

	buf_init(&text, 0);
	if (summary != NULL)
		buf_put(&text, summary->text);
	if (about != NULL && about->text.n > 0 &&
	    (summary == NULL || !str_eq(summary->text, about->text))) {
		buf_puts(&text, text.n > 0 ? "\n" : "");
		buf_put(&text, about->text);
	}
	if (text.n == 0)
		buf_printf(&text, STR_FMT " " STR_FMT, STR_ARG(op->method), STR_ARG(op->path));
	while (text.n > DESCRIPTION_MAX ||
	       (text.n > 0 && !str_utf8(buf_str(&text)) && text.n > DESCRIPTION_MAX - 4))
		text.n--;
	buf_json_str(&r->schema, buf_str(&text));
	buf_fini(&text);
}

static void
operation_read(struct reading *r, struct str method, struct yaml *path, struct yaml *op_y)
{
	struct openapi_operation *op = &r->o->operations[r->o->n];
	bool usable = op_y->kind == YAML_MAP, first = true, body_required = false;

	if (!usable)
		return;
	*op = (struct openapi_operation){ .method = method,
		.path = arena_str(&r->o->arena, path->key),
		.params = arena_zalloc(&r->o->arena, PARAMS_MAX * sizeof(*op->params)) };
	op->tool = tool_name(r, method, path->key, op_y);
	buf_reset(&r->schema);
	buf_puts(&r->schema, "{\"name\":");
	buf_json_str(&r->schema, op->tool);
	buf_puts(&r->schema, ",\"description\":");
	about_put(r, op_y, op);
	buf_puts(&r->schema, ",\"inputSchema\":{\"type\":\"object\",\"properties\":{");
	params_read(r, yaml_get(op_y, "parameters"), op, &first, &usable);
	params_read(r, yaml_get(path, "parameters"), op, &first, &usable);
	body_read(r, op_y, op, &first, &body_required, &usable);
	buf_putc(&r->schema, '}');
	required_put(r, op, body_required);
	hints_put(r, method);
	if (!usable || !buf_ok(&r->schema) || op->tool.n == 0 ||
	    openapi_find(r->o, op->tool) != NULL) {
		r->o->left_out++;
		return;
	}
	op->definition = arena_str(&r->o->arena, buf_str(&r->schema));
	r->o->n++;
}

static bool
paths_read(struct reading *r, struct yaml *paths, struct err *e)
{
	static const struct {
		const char *key;
		struct str method;
	} verbs[] = { { "get", STR("GET") }, { "put", STR("PUT") }, { "post", STR("POST") },
		{ "delete", STR("DELETE") }, { "patch", STR("PATCH") }, { "head", STR("HEAD") } };

	for (struct yaml *p = paths->kids; p != NULL; p = p->next) {
		if (p->kind != YAML_MAP)
			continue;
		if (p->key.n == 0 || p->key.p[0] != '/')
			return yaml_err(p, e, "a path begins with / (\"%.*s\")",
			    (int)(p->key.n < 100 ? p->key.n : 100), p->key.p);
		for (size_t i = 0; i < COUNT(verbs); i++) {
			struct yaml *op = yaml_get(p, verbs[i].key);

			if (op == NULL)
				continue;
			if (r->o->n == OPERATIONS_MAX)
				return yaml_err(op, e, "more than %d operations", OPERATIONS_MAX);
			operation_read(r, verbs[i].method, p, op);
		}
	}
	return r->o->n > 0 || yaml_err(paths, e, "no operation can be a tool");
}

static bool
document_read(struct reading *r, struct err *e)
{
	struct yaml *version, *paths;

	if (r->root->kind != YAML_MAP)
		return yaml_err(r->root, e, "this is no OpenAPI document");
	version = yaml_get(r->root, "openapi");
	if (version == NULL || !str_starts(version->text, STR("3.")))
		return yaml_err(version != NULL ? version : r->root, e,
		    "openapi: 3.x is needed (Swagger 2.0 has to be converted)");
	paths = yaml_get(r->root, "paths");
	if (paths == NULL || paths->kind != YAML_MAP)
		return yaml_err(r->root, e, "paths is missing");
	return paths_read(r, paths, e);
}

struct openapi *
openapi_read(const char *file, struct str text, struct err *e)
{
	struct openapi *o = mem_zalloc(sizeof(*o));
	struct reading r = { .o = o };
	struct arena tree;
	bool ok;

	arena_init(&o->arena, ARENA_BYTES);
	arena_init(&tree, TREE_BYTES);
	buf_init(&r.schema, DEFINITION_BYTES);
	o->operations = arena_zalloc(&o->arena, OPERATIONS_MAX * sizeof(*o->operations));
	r.root = text.n <= OPENAPI_BYTES_MAX ? yaml_parse(&tree, file, text, e) : NULL;
	if (text.n > OPENAPI_BYTES_MAX)
		(void)err_set(
		    e, ERR_INVALID, "%s: is larger than %zu MiB", file, OPENAPI_BYTES_MAX >> 20);
	ok = r.root != NULL && document_read(&r, e);
	buf_fini(&r.schema);
	arena_free(&tree);
	if (!ok)
		openapi_free(&o);
	return o;
}

void
openapi_free(struct openapi **op)
{
	struct openapi *o = *op;

	if (o == NULL)
		return;
	arena_free(&o->arena);
	MEM_FREE(op);
}

const struct openapi_operation *
openapi_find(const struct openapi *o, struct str tool)
{
	for (size_t i = 0; i < o->n; i++)
		if (str_eq(o->operations[i].tool, tool))
			return &o->operations[i];
	return NULL;
}

/* ---- a call ---- */

/* A scalar's text; false: an object, a list, null. */
static bool
scalar(struct str raw, struct arena *a, struct str *out)
{
	switch (json_kind(raw)) {
	case JSON_STRING:
		return json_string(raw, a, out);
	case JSON_NUMBER:
	case JSON_TRUE:
	case JSON_FALSE:
		*out = raw;
		return true;
	case JSON_BAD:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

static bool
wrong(const struct openapi_param *p, struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "argument " STR_FMT " %s", STR_ARG(p->argument), what);
}

/* Its value in the path: one segment, never "." or "..". */
static bool
segment_put(
    const struct openapi_param *p, struct str raw, struct arena *a, struct buf *out, struct err *e)
{
	struct str s;

	if (!scalar(raw, a, &s))
		return wrong(p, e, "must be a text, a number or a boolean");
	if (s.n == 0 || str_eq(s, STR(".")) || str_eq(s, STR("..")))
		return wrong(p, e, "would be another path");
	buf_url(out, s);
	return true;
}

static bool
path_put(const struct openapi_operation *op, struct str args, struct arena *a, struct buf *out,
    struct err *e)
{
	struct str rest = op->path, raw;

	while (rest.n > 0) {
		const char *open = memchr(rest.p, '{', rest.n);
		const char *close =
		    open == NULL ? NULL : memchr(open, '}', (size_t)(rest.p + rest.n - open));
		const struct openapi_param *p = NULL;

		if (close == NULL) {
			buf_put(out, rest);
			return true;
		}
		buf_put(out, STR_SPAN(rest.p, open));
		for (size_t i = 0; i < op->params_n; i++)
			if (op->params[i].in == IN_PATH &&
			    str_eq(op->params[i].name, STR_SPAN(open + 1, close)))
				p = &op->params[i];
		if (p == NULL)
			return err_set(e, ERR_INVALID, "the document has no parameter for " STR_FMT,
			    (int)(close + 1 - open), open);
		if (!json_get(args, p->argument, &raw))
			return wrong(p, e, "is missing");
		if (!segment_put(p, raw, a, out, e))
			return false;
		rest = STR_SPAN(close + 1, rest.p + rest.n);
	}
	return true;
}

static void
pair_put(struct buf *out, bool *first, struct str name, struct str value)
{
	buf_putc(out, *first ? '?' : '&');
	*first = false;
	buf_url(out, name);
	buf_putc(out, '=');
	buf_url(out, value);
}

/* A list is the parameter several times (style form, exploded, as is usual). */
static bool
query_put(const struct openapi_param *p, struct str raw, struct arena *a, struct buf *out,
    bool *first, struct err *e)
{
	struct str key, one, s;
	struct json_iter it;

	if (json_kind(raw) == JSON_ARRAY && json_open(raw, &it)) {
		while (json_next(&it, &key, &one)) {
			if (!scalar(one, a, &s))
				return wrong(p, e, "must be a list of texts or numbers");
			pair_put(out, first, p->name, s);
		}
		return true;
	}
	if (!scalar(raw, a, &s))
		return wrong(p, e, "must be a text, a number, a boolean or a list of them");
	pair_put(out, first, p->name, s);
	return true;
}

static bool
header_put(const struct openapi_param *p, struct str raw, struct arena *a,
    struct openapi_request *r, struct err *e)
{
	struct str s;
	size_t at = r->values.n;
	char *room;

	if (!scalar(raw, a, &s))
		return wrong(p, e, "must be a text, a number or a boolean");
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return wrong(p, e, "has a line break or a control character");
	if (r->n == COUNT(r->h))
		return wrong(p, e, "is one header too many");
	room = buf_room(&r->values, p->name.n + s.n);
	if (room == NULL)
		return wrong(p, e, "is too long");
	for (size_t i = 0; i < p->name.n; i++)
		room[i] = p->name.p[i] >= 'A' && p->name.p[i] <= 'Z' ? (char)(p->name.p[i] + 32)
								     : p->name.p[i];
	if (s.n > 0)
		memcpy(room + p->name.n, s.p, s.n);
	r->values.n += p->name.n + s.n;
	/* lengths now, places when all are there: the buffer may move */
	r->h[r->n++] = (struct header){ { NULL, p->name.n }, { NULL, s.n } };
	return at <= r->values.n;
}

static void
headers_place(struct openapi_request *r)
{
	const char *at = r->values.p;

	for (size_t i = 0; i < r->n; i++) {
		r->h[i].name.p = at;
		at += r->h[i].name.n;
		r->h[i].value.p = at;
		at += r->h[i].value.n;
	}
}

static bool
params_put(const struct openapi_operation *op, struct str args, struct arena *a,
    struct openapi_request *r, struct err *e)
{
	bool first = true;
	struct str raw;

	for (size_t i = 0; i < op->params_n; i++) {
		const struct openapi_param *p = &op->params[i];

		if (p->in == IN_PATH)
			continue;
		if (!json_get(args, p->argument, &raw) || json_kind(raw) == JSON_NULL) {
			if (p->required)
				return wrong(p, e, "is missing");
			continue;
		}
		if (p->in == IN_QUERY ? !query_put(p, raw, a, &r->target, &first, e)
				      : !header_put(p, raw, a, r, e))
			return false;
	}
	return true;
}

bool
openapi_request(const struct openapi_operation *op, struct str base_path, struct str args,
    struct openapi_request *r, struct err *e)
{
	struct arena a;
	bool ok;

	*r = (struct openapi_request){ .body = STR_NONE };
	buf_init(&r->target, TARGET_BYTES);
	buf_init(&r->values, TARGET_BYTES);
	arena_init(&a, args.n * 4 + 65536);
	buf_put(&r->target, base_path);
	ok = path_put(op, args, &a, &r->target, e) && params_put(op, args, &a, r, e);
	arena_free(&a);
	headers_place(r);
	if (ok && !buf_ok(&r->target))
		ok = err_set(e, ERR_INVALID, "the arguments make an address of more than %d bytes",
		    TARGET_BYTES);
	if (ok && op->body)
		(void)json_get(args, STR("body"), &r->body);
	if (!ok)
		openapi_request_fini(r);
	return ok;
}

void
openapi_request_fini(struct openapi_request *r)
{
	buf_fini(&r->target);
	buf_fini(&r->values);
}
