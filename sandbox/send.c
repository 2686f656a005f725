/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send - frames towards a worker: RUN, and the answers to its calls.
 *
 * Nothing waits: what the socket does not take stays in the worker's buffer until it can be written
 * to.  One that calls and does not read its answers fills that, and is ended for it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "sandbox/pool.h"

#define ANSWER_MAX ((size_t)4 << 20) /* one result, bytes of JSON */

void
worker_flush(struct worker *w)
{
	while (w->out_at < w->out.n) {
		ssize_t n = send(w->sock, w->out.p + w->out_at, w->out.n - w->out_at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) { /* it is gone: EOF and the reaping tell the rest */
			w->out_at = w->out.n;
			break;
		}
		w->out_at += (size_t)n;
	}
	if (w->out_at == w->out.n) {
		buf_reset(&w->out);
		w->out_at = 0;
	}
	watch_set(w->watch, WATCH_READ | (w->out.n > 0 ? WATCH_WRITE : 0));
}

void
worker_send(struct worker *w, struct frame_head h, struct str body)
{
	unsigned char head[FRAME_HEAD_BYTES];

	h.body_bytes = (uint32_t)body.n;
	frame_write_head(head, h);
	buf_put(&w->out, (struct str){ (const char *)head, sizeof(head) });
	buf_put(&w->out, body);
	if (buf_ok(&w->out))
		worker_flush(w);
	else if (w->run != NULL && !w->run->ended)
		run_end(w->run, SANDBOX_PROTO, STR("the worker does not read its answers"));
}

void
sandbox_answer(struct sandbox_run *r, uint32_t id, int flags, struct str json)
{
	char text[120];
	struct buf b;

	IS(r, SANDBOX_RUN_MAGIC);
	if (!job_running(&r->job) || r->ended || r->worker == NULL ||
	    !reader_answered(&r->worker->reader, id))
		return;
	if (json.n <= ANSWER_MAX) {
		worker_send(r->worker,
		    (struct frame_head){ .type = FRAME_RESULT,
			.flags = flags == FRAME_OK ? FRAME_OK : FRAME_ERROR,
			.id = id },
		    json);
		return;
	}
	buf_init(&b, sizeof(text));
	buf_printf(&b,
	    "{\"code\":\"upstream\",\"message\":\"the result has %zu bytes, a script can "
	    "take %zu\"}",
	    json.n, ANSWER_MAX);
	ASSERT(buf_ok(&b));
	worker_send(r->worker,
	    (struct frame_head){ .type = FRAME_RESULT, .flags = FRAME_ERROR, .id = id },
	    buf_str(&b));
	buf_fini(&b);
}
