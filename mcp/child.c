/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - the process of a server over stdio, from its start to its end.
 *
 *   SERVES --it ends--> server_fail()
 *   SERVES --child_leave()--> LEAVES: stdin closed --2 s--> SIGTERM --2 s--> SIGKILL
 *
 * A server that fails, idles or is stopped lets go of its child and may start another at once: the
 * old one has a name of its own here and ends in its own time, so that it can put away temporary
 * files, locks and children.  hub_leave() waits for all of them, hub_free() for none.
 *
 * Invariants: a child that leaves has no server, and is on the hub's list, the oldest first;
 * h->children_n counts the running jobs of this kind.
 */
#include "mcp/child.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/log.h"

#define CHILD_MAGIC 0x6368696cu
#define LEAVING_MAX 64 /* at most as many old processes as new ones (instance.c) */

struct child {
	struct job job; /* parent of the process */
	uint32_t magic;
	struct hub *hub;
	struct server *sv; /* NULL: it leaves */
	const char *name;  /* of the server, for the log */
	struct proc *proc;
	struct link leaving; /* in the hub's list */
	int wait_status;
	bool leaves, ended;
};

static void
child_stopped(struct job *j)
{
	struct child *c = CONTAINER(j, struct child, job);
	bool killed =
	    !c->ended || (WIFSIGNALED(c->wait_status) && WTERMSIG(c->wait_status) == SIGKILL);

	ASSERT(c->magic == CHILD_MAGIC);
	if (c->leaves) {
		link_drop(&c->leaving);
		c->hub->leaving_n--;
		if (killed)
			log_warn(NULL, "server did not end by itself: killed",
			    F_TEXT("server", c->name));
	}
	c->hub->children_n--;
	hub_child_gone(c->hub);
}

static void
child_reap(struct job *j)
{
	struct child *c = CONTAINER(j, struct child, job);

	c->magic = 0;
	free(c);
}

static const struct job_type child_type = { "child", child_stopped, child_reap };

static void
on_line(void *ctx, struct str line)
{
	struct child *c = ctx;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n > 0 && c->sv != NULL)
		upcall_message(c->sv, line);
}

static void
on_ended(void *ctx, int wait_status, const struct err *e)
{
	struct child *c = ctx;
	struct server *sv = c->sv;
	struct err why;

	c->ended = true;
	c->wait_status = wait_status;
	job_finish(&c->job, NULL);
	if (sv == NULL)
		return;
	sv->wire = NULL;
	if (e == NULL) {
		(void)err_set(
		    &why, ERR_UPSTREAM, "its process ended (wait status %d)", wait_status);
		e = &why;
	}
	server_fail(sv, e);
}

struct child *
child_start(struct server *sv, const struct proc_settings *s, struct err *e)
{
	static const struct proc_events events = { .line = on_line, .ended = on_ended };
	struct child *c = mem_zalloc(sizeof(*c));

	c->magic = CHILD_MAGIC;
	c->hub = sv->hub;
	c->sv = sv;
	c->name = sv->s->name;
	job_init(&c->job, &child_type, sv->root, NULL, NULL);
	sv->hub->children_n++;
	c->proc = proc_start(sv->loop, &c->job, s, &events, c, e);
	if (c->proc != NULL)
		return c;
	job_cancel(&c->job);
	return NULL;
}

bool
child_write(struct child *c, struct str bytes)
{
	IS(c, CHILD_MAGIC);
	return proc_write(c->proc, bytes);
}

void
child_leave(struct child *c)
{
	struct hub *h = c->hub;

	IS(c, CHILD_MAGIC);
	ASSERT(c->sv != NULL && job_running(&c->job));
	c->sv = NULL;
	c->leaves = true;
	if (h->leaving_n >= LEAVING_MAX)
		job_cancel(&CONTAINER(h->leaving_list.next, struct child, leaving)->job);
	link_push(&h->leaving_list, &c->leaving);
	h->leaving_n++;
	proc_stop(c->proc, CHILD_WAIT_MS);
}
