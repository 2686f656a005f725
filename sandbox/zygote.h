/* SPDX-License-Identifier: Apache-2.0 */
/* zygote - the gateway's end of the worker program: start it, ask it, hear it, end it. */
#pragma once

#include "base/loop.h"
#include "sandbox/frame.h"

struct zygote;
struct zygote_events {
	/* One message; fd (-1: none) now belongs to the receiver. */
	void (*said)(void *ctx, const struct zygote_say *say, int fd);
	/* Once: the process has ended and been waited for.  zygote_free() may follow, even here. */
	void (*ended)(void *ctx, int wait_status);
};
struct zygote *zygote_start(struct loop *l, char *const argv[], const struct zygote_events *ev,
    void *ctx, struct err *e) MUST_CHECK;
/* Sends a request with a copy of fd; false: not now. */
bool zygote_ask(struct zygote *z, struct zygote_ask ask, int fd) MUST_CHECK;
/* Kills it, and with it every worker it forked; `ended` follows. */
void zygote_kill(struct zygote *z);
/* Kills it if need be and waits for that; no event follows. */
void zygote_free(struct zygote **z);
