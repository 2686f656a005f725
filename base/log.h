/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one line per event on stderr: a constant event word, then fields.
 *
 *   log_warn(job, "tool refused", F_STR("tool", name), F_INT("calls", n));
 *
 * error = an operator must act; warn = somebody should look; info = the life of things; debug =
 * steps.  No bodies, no keys (ids only).  Values are escaped: no control byte, ESC or newline from
 * input ever reaches the terminal.  With a job, its id and its root's id are added.
 */
#pragma once

#include "base/text.h"

struct job;
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
	const char *name;
	struct str s;
	int64_t n;
	bool is_int;
};
#define F_STR(k, v)                                                                                \
	{                                                                                          \
		.name = (k), .s = (v)                                                              \
	}
#define F_TEXT(k, v)                                                                               \
	{                                                                                          \
		.name = (k), .s = str_of(v)                                                        \
	}
#define F_INT(k, v)                                                                                \
	{                                                                                          \
		.name = (k), .n = (v), .is_int = true                                              \
	}

void log_setup(enum log_level level, bool json); /* once, at start */
void log_clock(int64_t wall_ns);                 /* the loop tells the time, once a turn */
/* fields[0] is a placeholder, so that a line without fields is an array too. */
void log_write(enum log_level level, const struct job *j, const char *event,
    const struct log_field *fields, size_t n);
// clang-format off
#define LOG_FIELDS(...) (const struct log_field[]){ { .name = "" }, ##__VA_ARGS__ }
// clang-format on
#define LOG_AT(lv, j, ev, ...)                                                                     \
	log_write(lv, j, ev, LOG_FIELDS(__VA_ARGS__),                                              \
	    sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field))
#define log_debug(j, ev, ...) LOG_AT(LOG_LEVEL_DEBUG, j, ev, __VA_ARGS__)
#define log_info(j, ev, ...)  LOG_AT(LOG_LEVEL_INFO, j, ev, __VA_ARGS__)
#define log_warn(j, ev, ...)  LOG_AT(LOG_LEVEL_WARN, j, ev, __VA_ARGS__)
#define log_error(j, ev, ...) LOG_AT(LOG_LEVEL_ERROR, j, ev, __VA_ARGS__)
