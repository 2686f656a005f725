/* SPDX-License-Identifier: Apache-2.0 */
/* pool - what the files of this folder share: zygotes, workers ahead of need, runs on them. */
#pragma once

#include "sandbox/meter.h"
#include "sandbox/reader.h"
#include "sandbox/sandbox.h"
#include "sandbox/zygote.h"

#define SANDBOX_MAGIC     0x73627831u
#define SANDBOX_RUN_MAGIC 0x7362786eu

/* One zygote and what it forked.  A generation is replaced after GENERATION_FORKS or _MS, because
 * its workers share one address layout. */
#define GENERATION_FORKS 256
#define GENERATION_MS    ((int64_t)10 * 60 * 1000)

struct generation {
	struct job job; /* runs as long as it lives; parent of the self-test's script */
	struct sandbox *owner;
	struct link link; /* in sandbox->retired once it is no longer the current one */
	struct zygote *zygote;
	struct link workers;
	uint32_t last_serial, layers;
	int forks; /* for scripts */
	int probes_open, probes_survived, probes_unlocked;
	struct timer deadline, sweep;
	uint32_t sweep_next;         /* the system call number to try next */
	bool sweeping;               /* one probe of the sweep is under way */
	bool script_over, script_ok; /* of the self-test */
};

struct worker {
	struct link link; /* in generation->workers */
	struct link idle; /* in sandbox->idle, or loose */
	struct generation *gen;
	uint32_t serial;
	int sock, pidfd;
	struct meter meter;
	int64_t base_us; /* CPU time it had used before its run */
	struct watch *watch;
	struct reader reader;
	struct buf out; /* towards the worker, from out_at on */
	size_t out_at;
	struct sandbox_run *run; /* NULL: idle, or nobody waits any more */
	uint32_t sweep;          /* PROBE_NUMBER | the number it tries, or 0 */
	bool probe, kill_wanted;
	struct deferred hang_up;
	struct timer hangs; /* killed and not reaped since */
	bool hung_once;
};

struct sandbox_run {
	struct job job;
	uint32_t magic;
	struct sandbox *owner;
	const struct sandbox_events *ev;
	void *ctx;
	struct link queued;
	struct worker *worker; /* NULL: queued, or over */
	struct buf start;      /* the body of RUN, until a worker has it */
	uint32_t tools_n;
	size_t memory_bytes;
	int wall_ms, cpu_ms;
	uint32_t calls_max;
	bool ended; /* end, text, value and, with `measured`, the figures are final */
	bool measured;
	bool told; /* the done event has been given */
	enum sandbox_end end;
	struct buf text, log; /* value or message; printed text */
	struct buf state;     /* what S has become */
	bool has_value, self_test, has_state;
	struct timer cpu;   /* the next look at what it has used */
	struct timer timer; /* wall clock; after the last word: patience for the reaping */
	int64_t left_ms;    /* of the wall clock, while it rests */
	int resting;        /* calls that wait for people */
	struct deferred refuse, tell;
	int64_t cpu_us, maxrss_kb;
	uint32_t calls;
};

struct sandbox {
	uint32_t magic;
	struct loop *loop;
	struct sandbox_settings set;
	char *worker_path;
	enum sandbox_level level;
	char why[160];
	struct generation *current, *coming;
	struct link retired, idle, queue;
	struct timer again; /* next start of a zygote, or its renewal */
	struct timer refill;
	int64_t short_since_ms; /* a worker was taken; 0: all idle ones are there */
	int live;               /* workers that have not been reaped, idle ones too */
	size_t memory_bytes;    /* what the running scripts may fill */
	struct deferred pump;
	int failures;
	bool swept; /* the sweep over all system calls has been started */
	struct sandbox_counts counts;
};

/* snippet.c: what RUN says of the script's snippets */
bool snippets_put(struct buf *out, const struct sandbox_script *c, struct err *e) MUST_CHECK;

/* pool.c */
void pool_pump(struct sandbox *s); /* soon: queued runs onto workers, idle workers refilled */
/* Starts the run, now if that can be, or queues it. */
void pool_enter(struct sandbox *s, struct sandbox_run *r);
struct worker *worker_spawn(struct generation *g, const struct zygote_ask *ask);
struct worker *worker_find(struct generation *g, uint32_t serial);
void worker_has_pidfd(struct worker *w, int pidfd); /* which is the worker's from now on */
void worker_take(struct worker *w);                 /* it is idle no longer */
void worker_kill(struct worker *w);
void worker_hang_up(struct worker *w); /* soon: nothing that it still says is heard */
void worker_free(struct worker **w);

/* generation.c */
bool generation_try(struct sandbox *s, struct err *e);
void generation_start(struct sandbox *s); /* or tries again later */
/* Its runs end with CRASH unless their last frame is there already. */
void generation_end(struct generation *g);
/* The self-test's script has ended. */
void pool_self_tested(struct generation *g, bool ok);

/* script.c */
struct sandbox_run *run_self_test(struct generation *g);

/* send.c */
void worker_send(struct worker *w, struct frame_head h, struct str body);
void worker_flush(struct worker *w); /* what is left, as far as the socket takes it */

/* run.c */
struct sandbox_run *
run_new(struct sandbox *s, struct job *parent, const struct sandbox_events *ev, void *ctx);
void run_start(struct sandbox_run *r, struct worker *w);
void run_refuse(struct sandbox_run *r); /* queued, and there will be no worker */
void run_tell_unstarted(struct sandbox_run *r, enum sandbox_end end); /* why is in r->text */
void run_on_socket(void *worker, int events);
/* Fixes how it ended.  The done event comes at the end of this turn, or with the reaping. */
void run_end(struct sandbox_run *r, enum sandbox_end end, struct str text);
/* The worker is gone; say: what the kernel measured, NULL when its zygote died first. */
void run_reaped(struct worker *w, const struct zygote_say *say);
