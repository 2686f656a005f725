/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - where an argument points to: a path, or a URL's host, and whether it can be believed.
 *
 * Paths are judged by their letters alone: symbolic links of the server's machine are not seen.
 * What two programs could read differently is an error, never a guess.
 */
#pragma once

#include "base/text.h"

/* A path that has one reading: absolute unless `relative`, no empty, `.` or `..` segment, no NUL or
 * control character, backslash, percent escape of those, `~`, or look-alike.  false: *why. */
bool path_plain(struct str path, bool relative, const char **why);
/* Both plain and absolute: is `path` the base or below it?  Not *exact: only where case is ignored.
 */
bool path_under(struct str path, struct str base, bool *exact);

#define HOST_BYTES_MAX 253
struct host {
	char text[HOST_BYTES_MAX + 1]; /* lower case, no trailing dot; [v6] in brackets */
	size_t n;
	int port;    /* the scheme's own when the URL says none */
	bool number; /* an IPv4 or IPv6 address */
};
/* The host of an absolute http, https, ws or wss URL.  false: *why. */
bool url_host(struct str url, struct host *out, const char **why);
/* An entry of host_in: "github.com", "*.example.com" (below it only), "host:8080"; lower case. */
bool host_entry_ok(struct str entry, const char **why);
bool host_is(const struct host *h, struct str entry);

/* NUL and control characters, invisible and direction marks, full-width and other look-alikes of
 * ASCII: what a person or a program behind us might read as another text. */
bool text_deceives(struct str text, const char **why);
/* Its first `max` bytes for people to read: what text_deceives() would find is shown as \u{202e}.
 */
void text_show(struct str text, size_t max, struct buf *out);
