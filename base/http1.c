/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1 - heads and bodies of HTTP/1.1 (RFC 9112), strictly.
 *
 * Two parties that disagree about where a message ends is how requests are smuggled, so everything
 * that somebody could read differently is refused: bare CR, folded lines, space before a colon,
 * two lengths, a length beside chunked, any coding but one chunked, control bytes in a value.
 *
 * The head is looked for as a whole first (scanned remembers how far), then parsed once; a byte at
 * a time therefore costs linear work.  Lines must end in CRLF.
 *
 *   body, chunked:  SIZE --digits--> EXTENSION --LF--> DATA --all read--> DATA_END --CRLF--> SIZE
 *                   SIZE (0) ... LF --> TRAILER --empty line--> DONE
 */
#include "base/http1.h"

#include <emmintrin.h>
#include <string.h>

#define CHUNK_LINE_MAX 256                /* size and extension of one chunk */
#define TRAILER_MAX    ((size_t)8 * 1024) /* all trailers together */

enum {
	BODY_SIZE,
	BODY_EXTENSION,
	BODY_SIZE_LF,
	BODY_DATA,
	BODY_DATA_CR,
	BODY_DATA_LF,
	BODY_TRAILER,
	BODY_TRAILER_LINE,
	BODY_TRAILER_LF,
	BODY_LAST_LF,
	BODY_DONE
};

/* ---- character classes ---- */

#define CLASS_TOKEN  1 /* RFC 9110 tchar */
#define CLASS_VALUE  2 /* field-content: HTAB, SP, VCHAR, obs-text */
#define CLASS_TARGET 4 /* VCHAR */

static uint8_t classes[256];
static bool classes_made;

/* RULE: a mutable global because the table is a constant that C cannot write down shortly; filled
 * by whoever parses first, always with the same bytes. */
static void
classes_make(void)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (int c = 0; c < 256; c++) {
		bool alnum =
		    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (alnum || (c != 0 && strchr(marks, c) != NULL))
			classes[c] |= CLASS_TOKEN;
		if (c == '\t' || (c >= ' ' && c != 0x7f))
			classes[c] |= CLASS_VALUE;
		if (c > ' ' && c < 0x7f)
			classes[c] |= CLASS_TARGET;
	}
	classes_made = true;
}

static bool
all_of(struct str s, uint8_t class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(classes[(unsigned char)s.p[i]] & class))
			return false;
	return true;
}

static bool
sixteen_clean(const char *p)
{
	const __m128i low = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'),
		      del = _mm_set1_epi8(0x7f);
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* Unsigned v <= 0x1f is min(v, 0x1f) == v. */
	__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, low), v);
	__m128i wrong =
	    _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), control), _mm_cmpeq_epi8(v, del));

	return _mm_movemask_epi8(wrong) == 0;
}

/* all_of(s, CLASS_VALUE), sixteen bytes at a time: values are most of a head. */
static bool
value_clean(struct str s)
{
	if (s.n < 16)
		return all_of(s, CLASS_VALUE);
	for (size_t i = 0; i + 16 <= s.n; i += 16)
		if (!sixteen_clean(s.p + i))
			return false;
	return sixteen_clean(s.p + s.n - 16); /* the rest, with some of what was seen */
}

static enum http1_result
bad(struct err *e, enum err_code code, const char *text)
{
	(void)err_set(e, code, "%s", text);
	return HTTP1_BAD;
}

/* ---- where the head ends ---- */

static const char *
head_end(struct str in, size_t *scanned)
{
	/* Three bytes may have been the start of CRLFCRLF last time. */
	size_t from = *scanned > 3 ? *scanned - 3 : 0;
	const char *p = in.p + from, *end = in.p + in.n;

	*scanned = in.n;
	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if (p - in.p >= 2 && p[-2] == '\r' && end - p >= 2 && p[0] == '\r' && p[1] == '\n')
			return p + 2;
	}
	return NULL;
}

/* One line without its CRLF; false when its end is not a proper one. */
static bool
line_cut(struct str *rest, struct str *line)
{
	const char *lf = memchr(rest->p, '\n', rest->n);

	if (lf == NULL || lf == rest->p || lf[-1] != '\r')
		return false;
	*line = STR_SPAN(rest->p, lf - 1);
	rest->n -= (size_t)(lf + 1 - rest->p);
	rest->p = lf + 1;
	return true;
}

/* ---- fields ---- */

static bool
field_add(struct http1_head *h, struct str line, struct err *e)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct str name, value;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return err_set(e, ERR_INVALID, "a folded header line (write it on one line)");
	if (colon == NULL || colon == line.p)
		return err_set(e, ERR_INVALID, "a header line without a name and a colon");
	name = STR_SPAN(line.p, colon);
	value = str_trim(STR_SPAN(colon + 1, line.p + line.n));
	if (!all_of(name, CLASS_TOKEN))
		return err_set(
		    e, ERR_INVALID, "a header name with a character that is not allowed");
	if (!value_clean(value))
		return err_set(e, ERR_INVALID, "a control character in a header value");
	if (h->n == HTTP1_HEADERS_MAX)
		return err_set(e, ERR_HEAD_LARGE, "more than %d headers", HTTP1_HEADERS_MAX);
	h->h[h->n++] = (struct header){ name, value };
	return true;
}

static bool
fields_read(struct http1_head *h, struct str rest, struct err *e)
{
	struct str line;

	for (;;) {
		if (!line_cut(&rest, &line))
			return err_set(e, ERR_INVALID, "a header line that does not end in CRLF");
		if (line.n == 0)
			return rest.n == 0 || err_set(e, ERR_INVALID, "an empty header line");
		if (!field_add(h, line, e))
			return false;
	}
}

static bool
length_read(struct http1_head *h, struct str v, bool *seen, struct err *e)
{
	int64_t n;

	if (v.n == 0 || v.n > 18 || v.p[0] == '-' || !str_i64(v, &n))
		return err_set(e, ERR_INVALID, "Content-Length is not a number");
	if (*seen && n != h->length_bytes)
		return err_set(e, ERR_INVALID, "two differing Content-Length headers");
	*seen = true;
	h->length_bytes = n;
	return true;
}

static void
connection_read(struct http1_head *h, struct str v)
{
	while (v.p != NULL) {
		struct str word = str_trim(str_cut(&v, ','));

		if (str_ieq(word, STR("close")))
			h->keep_alive = false;
		else if (!str_ieq(word, STR("keep-alive")))
			h->nominates |= word.n > 0;
		else if (h->minor == 0)
			h->keep_alive = true;
	}
}

/* What the fields say about the message itself; leaves framing NONE, LENGTH or CHUNKED. */
static bool
framing_read(struct http1_head *h, struct err *e)
{
	bool length = false, chunked = false;

	h->keep_alive = h->minor == 1;
	for (size_t i = 0; i < h->n; i++) {
		struct str name = h->h[i].name, v = h->h[i].value;

		if (name.n == 14 && str_ieq(name, STR("content-length"))) {
			if (!length_read(h, v, &length, e))
				return false;
		} else if (name.n == 17 && str_ieq(name, STR("transfer-encoding"))) {
			if (chunked || !str_ieq(v, STR("chunked")))
				return err_set(e, ERR_INVALID,
				    "a Transfer-Encoding other than one \"chunked\"");
			chunked = true;
		} else if (name.n == 10 && str_ieq(name, STR("connection"))) {
			connection_read(h, v);
		} else if (name.n == 6 && str_ieq(name, STR("expect"))) {
			h->expect_continue = str_ieq(v, STR("100-continue"));
		}
	}
	if (chunked && length)
		return err_set(e, ERR_INVALID, "Content-Length beside Transfer-Encoding");
	if (chunked && h->minor == 0)
		return err_set(e, ERR_INVALID, "Transfer-Encoding in HTTP/1.0");
	h->framing = chunked ? HTTP1_CHUNKED : (length ? HTTP1_LENGTH : HTTP1_NONE);
	return true;
}

/* ---- first lines ---- */

static bool
version_read(struct http1_head *h, struct str v)
{
	if (v.n != 8 || memcmp(v.p, "HTTP/1.", 7) != 0 || (v.p[7] != '0' && v.p[7] != '1'))
		return false;
	h->minor = v.p[7] - '0';
	return true;
}

static bool
request_line(struct http1_head *h, struct str line, struct err *e)
{
	h->method = str_cut(&line, ' ');
	h->target = str_cut(&line, ' ');
	if (line.p == NULL || !version_read(h, line))
		return err_set(e, ERR_INVALID, "not an HTTP/1.1 request line");
	if (h->method.n == 0 || h->method.n > 32 || !all_of(h->method, CLASS_TOKEN))
		return err_set(e, ERR_INVALID, "a malformed method");
	if (h->target.n == 0 || !all_of(h->target, CLASS_TARGET) ||
	    (h->target.p[0] != '/' && !str_eq(h->target, STR("*"))))
		return err_set(e, ERR_INVALID, "a malformed request target");
	return true;
}

static bool
status_line(struct http1_head *h, struct str line, struct err *e)
{
	struct str status;
	int64_t n;

	if (!version_read(h, str_cut(&line, ' ')))
		return err_set(e, ERR_UPSTREAM, "the reply is not HTTP/1.1");
	status = str_cut(&line, ' ');
	if (status.n != 3 || !str_i64(status, &n) || n < 100)
		return err_set(e, ERR_UPSTREAM, "the reply has a malformed status");
	h->status = (int)n;
	h->reason = line.p == NULL ? STR("") : line;
	return all_of(h->reason, CLASS_VALUE) ||
	       err_set(e, ERR_UPSTREAM, "the reply has a malformed status line");
}

static enum http1_result
head_read(struct str in, size_t *scanned, struct http1_head *h, size_t *used,
    bool (*first)(struct http1_head *, struct str, struct err *), struct err *e)
{
	const char *end;
	struct str head, line;

	if (!classes_made)
		classes_make();
	end = head_end(in, scanned);
	if (end == NULL && in.n < HTTP1_HEAD_BYTES_MAX)
		return HTTP1_MORE;
	if (end == NULL || (size_t)(end - in.p) > HTTP1_HEAD_BYTES_MAX)
		return bad(e, ERR_HEAD_LARGE, "the headers are over 64 KiB");
	head = STR_SPAN(in.p, end);
	h->n = 0;
	h->expect_continue = h->nominates = false;
	h->length_bytes = 0;
	if (!line_cut(&head, &line))
		return bad(e, ERR_INVALID, "a first line that does not end in CRLF");
	if (!first(h, line, e) || !fields_read(h, head, e) || !framing_read(h, e))
		return HTTP1_BAD;
	*used = (size_t)(end - in.p);
	return HTTP1_DONE;
}

/* RFC 9112 3.2: exactly one Host in HTTP/1.1. */
static bool
host_check(const struct http1_head *h, struct err *e)
{
	int hosts = 0;

	for (size_t i = 0; i < h->n; i++)
		hosts += h->h[i].name.n == 4 && str_ieq(h->h[i].name, STR("host"));
	if (hosts > 1 || (hosts == 0 && h->minor == 1))
		return err_set(e, ERR_INVALID, "exactly one Host header is needed");
	return true;
}

enum http1_result
http1_request(
    struct str in, size_t *scanned, struct http1_head *h, size_t *used_bytes, struct err *e)
{
	enum http1_result r;

	/* RFC 9112 2.2: empty lines before a request line are to be ignored; two are enough. */
	size_t skip = 0;
	while (skip < 4 && in.n - skip >= 2 && memcmp(in.p + skip, "\r\n", 2) == 0)
		skip += 2;
	if (skip > 0) {
		size_t after = *scanned > skip ? *scanned - skip : 0;

		in.p += skip;
		in.n -= skip;
		r = head_read(in, &after, h, used_bytes, request_line, e);
		*scanned = after + skip;
		if (r == HTTP1_DONE)
			*used_bytes += skip;
	} else {
		r = head_read(in, scanned, h, used_bytes, request_line, e);
	}
	if (r == HTTP1_DONE && !host_check(h, e))
		return HTTP1_BAD;
	return r;
}

enum http1_result
http1_response(struct str in, size_t *scanned, bool head_request, struct http1_head *h,
    size_t *used_bytes, struct err *e)
{
	enum http1_result r = head_read(in, scanned, h, used_bytes, status_line, e);

	if (r == HTTP1_BAD)
		e->code = ERR_UPSTREAM;
	if (r != HTTP1_DONE)
		return r;
	if (head_request || h->status < 200 || h->status == 204 || h->status == 304) {
		h->framing = HTTP1_NONE;
	} else if (h->framing == HTTP1_NONE) {
		h->framing = HTTP1_UNTIL_CLOSE;
		h->keep_alive = false;
	}
	return r;
}

bool
http1_nominated(const struct http1_head *h, struct str name)
{
	for (size_t i = 0; h->nominates && i < h->n; i++) {
		struct str v = h->h[i].value;

		if (!str_ieq(h->h[i].name, STR("connection")))
			continue;
		while (v.p != NULL)
			if (str_ieq(str_trim(str_cut(&v, ',')), name))
				return true;
	}
	return false;
}

const struct header *
http1_find(const struct http1_head *h, struct str lower_name)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->h[i].name.n == lower_name.n && str_ieq(h->h[i].name, lower_name))
			return &h->h[i];
	return NULL;
}

/* ---- bodies ---- */

void
http1_body_init(struct http1_body *b, const struct http1_head *h)
{
	*b = (struct http1_body){ .framing = h->framing, .left_bytes = h->length_bytes };
	if (h->framing == HTTP1_CHUNKED)
		b->left_bytes = 0;
}

static enum http1_result
plain_next(struct http1_body *b, struct str *in, struct str *out)
{
	size_t n = in->n;

	if (b->framing == HTTP1_NONE)
		return HTTP1_DONE;
	if (b->framing == HTTP1_LENGTH && (int64_t)n > b->left_bytes)
		n = (size_t)b->left_bytes;
	*out = (struct str){ in->p, n };
	in->p += n;
	in->n -= n;
	b->total_bytes += (int64_t)n;
	if (b->framing == HTTP1_UNTIL_CLOSE)
		return HTTP1_MORE;
	b->left_bytes -= (int64_t)n;
	return b->left_bytes == 0 ? HTTP1_DONE : HTTP1_MORE;
}

static enum http1_result
size_char(struct http1_body *b, char c, struct err *e)
{
	int d = hex_digit(c);

	if (d >= 0) {
		if (++b->line_bytes > 15)
			return bad(e, ERR_INVALID, "a chunk size over 15 digits");
		b->left_bytes = b->left_bytes << 4 | d;
		return HTTP1_MORE;
	}
	if (b->line_bytes == 0)
		return bad(e, ERR_INVALID, "a chunk without a size");
	if (c == '\r')
		b->state = BODY_SIZE_LF;
	else if (c == ';' || c == ' ' || c == '\t')
		b->state = BODY_EXTENSION;
	else
		return bad(e, ERR_INVALID, "a malformed chunk size");
	return HTTP1_MORE;
}

/* One byte of framing. */
static enum http1_result
frame_char(struct http1_body *b, char c, struct err *e)
{
	switch (b->state) {
	case BODY_SIZE:
		return size_char(b, c, e);
	case BODY_EXTENSION:
		if (c == '\r')
			b->state = BODY_SIZE_LF;
		else if (++b->line_bytes > CHUNK_LINE_MAX ||
			 !(classes[(unsigned char)c] & CLASS_VALUE))
			return bad(e, ERR_INVALID, "a malformed chunk extension");
		return HTTP1_MORE;
	case BODY_SIZE_LF:
		b->line_bytes = 0;
		b->state = b->left_bytes > 0 ? BODY_DATA : BODY_TRAILER;
		return c == '\n' ? HTTP1_MORE : bad(e, ERR_INVALID, "a bare CR in a chunk header");
	case BODY_DATA_CR:
		b->state = BODY_DATA_LF;
		return c == '\r' ? HTTP1_MORE : bad(e, ERR_INVALID, "a chunk longer than its size");
	case BODY_DATA_LF:
		b->state = BODY_SIZE;
		return c == '\n' ? HTTP1_MORE : bad(e, ERR_INVALID, "a chunk longer than its size");
	case BODY_TRAILER: /* at the start of a trailer line */
		b->state = c == '\r' ? BODY_LAST_LF : BODY_TRAILER_LINE;
		if (++b->line_bytes > TRAILER_MAX ||
		    (c != '\r' && !(classes[(unsigned char)c] & CLASS_TOKEN)))
			return bad(e, ERR_INVALID, "malformed trailers");
		return HTTP1_MORE;
	case BODY_TRAILER_LINE:
		if (c == '\r')
			b->state = BODY_TRAILER_LF;
		else if (++b->line_bytes > TRAILER_MAX ||
			 !(classes[(unsigned char)c] & CLASS_VALUE))
			return bad(e, ERR_INVALID, "malformed trailers");
		return HTTP1_MORE;
	case BODY_TRAILER_LF:
		b->state = BODY_TRAILER;
		return c == '\n' ? HTTP1_MORE : bad(e, ERR_INVALID, "a bare CR in a trailer");
	case BODY_LAST_LF:
		b->state = BODY_DONE;
		return c == '\n' ? HTTP1_DONE
				 : bad(e, ERR_INVALID, "a bare CR after the last chunk");
	default:
		UNREACHABLE();
	}
}

enum http1_result
http1_body_next(struct http1_body *b, struct str *in, struct str *out, struct err *e)
{
	*out = (struct str){ in->p, 0 };
	if (b->framing != HTTP1_CHUNKED)
		return plain_next(b, in, out);
	if (!classes_made)
		classes_make();
	while (in->n > 0) {
		enum http1_result r;

		if (b->state == BODY_DATA) {
			size_t n = in->n;

			if ((int64_t)n > b->left_bytes)
				n = (size_t)b->left_bytes;
			*out = (struct str){ in->p, n };
			in->p += n;
			in->n -= n;
			b->left_bytes -= (int64_t)n;
			b->total_bytes += (int64_t)n;
			if (b->left_bytes == 0)
				b->state = BODY_DATA_CR;
			return HTTP1_MORE;
		}
		r = frame_char(b, *in->p, e);
		in->p++;
		in->n--;
		if (r != HTTP1_MORE)
			return r;
	}
	return HTTP1_MORE;
}

/* ---- writers ---- */

static const char *
reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = { { 100, "Continue" }, { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 204, "No Content" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 411, "Length Required" },
		{ 413, "Content Too Large" }, { 426, "Upgrade Required" },
		{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" }, { 529, "Overloaded" } };

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Status";
}

void
http1_put_status(struct buf *b, int status)
{
	ASSERT(status >= 100 && status <= 999);
	buf_puts(b, "HTTP/1.1 ");
	buf_i64(b, status);
	buf_putc(b, ' ');
	buf_puts(b, reason_of(status));
	buf_puts(b, "\r\n");
}

void
http1_put_request(struct buf *b, struct str method, struct str target)
{
	if (!classes_made)
		classes_make();
	if (!all_of(method, CLASS_TOKEN) || !all_of(target, CLASS_TARGET) || target.n == 0)
		b->failed = true;
	buf_put(b, method);
	buf_putc(b, ' ');
	buf_put(b, target);
	buf_puts(b, " HTTP/1.1\r\n");
}

void
http1_put_header(struct buf *b, struct str name, struct str value)
{
	char *p;

	if (!classes_made)
		classes_make();
	if (name.n == 0 || !all_of(name, CLASS_TOKEN) || !value_clean(value))
		b->failed = true;
	p = buf_room(b, name.n + value.n + 4);
	if (p == NULL)
		return;
	memcpy(p, name.p, name.n);
	p += name.n;
	*p++ = ':';
	*p++ = ' ';
	if (value.n > 0)
		memcpy(p, value.p, value.n);
	p += value.n;
	*p++ = '\r';
	*p++ = '\n';
	b->n += name.n + value.n + 4;
}
