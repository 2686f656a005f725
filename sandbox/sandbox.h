/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - untrusted Lua scripts, each in a process of its own that can do nothing but talk to us.
 *
 * The owner of a run decides about every call; a fully compromised worker can do what its script
 * could have done legally and nothing more.  Workers are forked ahead of need by a zygote, locked
 * before they read their first byte, used once.  Every limit is counted here, too: this side is
 * the authority, the worker's own counting only makes the better message.
 *
 *	sandbox_run --> queued --> running --call/log events--> ended --> done event, job finished
 *	                   \___________ job_cancel(): silent, the worker is killed
 */
#pragma once

#include "base/job.h"
#include "base/loop.h"
#include "base/text.h"
#include "sandbox/frame.h" /* enum sandbox_end, limits of the wire */

#define SANDBOX_MEMORY_MIN ((size_t)1 << 20)

struct sandbox;
struct sandbox_run;

/* Measured at each start of the zygote: nine probes must die, a script must run.  Ten seconds after
 * the first start every system call number is tried as well, one every 100 ms. */
enum sandbox_level {
	SANDBOX_STARTING,    /* runs may be started: they wait */
	SANDBOX_UNAVAILABLE, /* a required layer is missing: every run is refused */
	SANDBOX_REDUCED,     /* locked, but without namespaces, empty root or Landlock */
	SANDBOX_FULL,
};

struct sandbox_settings { /* zero means the default */
	const char
	    *worker; /* path of sandbox-worker; NULL: beside this program, or in ../libexec */
	size_t memory_bytes;       /* 64 MiB; Lua memory of one script, 1..256 MiB */
	int cpu_ms;                /* 1000 */
	int wall_ms;               /* 60,000 */
	uint32_t calls_max;        /* 100 tool calls of one script */
	uint32_t in_flight_max;    /* 8 at once; more wait in the worker */
	uint32_t branches_max;     /* 256 branches of one pmap or parallel */
	int idle, running_max;     /* 4 workers forked ahead, 16 scripts at once */
	int queue_max;             /* 64 waiting scripts, then ERR_OVERLOAD */
	size_t memory_total_bytes; /* half of the machine's; what all running scripts may fill */
	bool require_full;         /* take "reduced" for "unavailable" */
	/* No time stamp counter for scripts, and speculation control: a script could time what
	 * shares its core.  Costs each switch to a worker some microseconds.  A host that cannot is
	 * "unavailable". */
	bool strict;
	void (*changed)(void *ctx, enum sandbox_level level); /* may be NULL */
	void *ctx;
};

/* Starts the zygote and its self-test (ready within 100 ms, through the loop).  The settings are
 * copied.  Fails when there is no worker program to start. */
struct sandbox *
sandbox_new(struct loop *l, const struct sandbox_settings *s, struct err *e) MUST_CHECK;
/* No run may be in flight.  Zygote and workers are gone when it returns. */
void sandbox_free(struct sandbox **s);
enum sandbox_level sandbox_level(const struct sandbox *s);
/* With the defaults filled in. */
const struct sandbox_settings *sandbox_settings_of(const struct sandbox *s);
const char *sandbox_level_word(enum sandbox_level level); /* starting|unavailable|reduced|full */
/* What is missing, "" when nothing is; valid until the level changes. */
const char *sandbox_why(const struct sandbox *s);
const char *sandbox_end_word(enum sandbox_end end); /* DONE, COMPILE, ... */

/* A tool as the script names it: both parts Lua identifiers, at most FRAME_NAME_MAX bytes. */
struct sandbox_tool {
	struct str server, name;
};
/* A function in Lua that a script calls as snippets.NAME{…}: its own chunk, which has the table of
 * its arguments as `args`, checked, and globals of its own for each call. */
struct sandbox_param {
	struct str name, type; /* type: as people read it */
	uint8_t kinds;         /* FRAME_IS_… */
	bool required;
	const struct str *choices; /* the strings it may be, unless FRAME_IS_STRING */
	size_t choices_n;
};
struct sandbox_snippet {
	struct str name;      /* an identifier, at most FRAME_NAME_MAX bytes */
	struct str source;    /* p NULL: only its name is known; a call says so */
	struct str signature; /* what a call with wrong arguments is told */
	const struct sandbox_param *params;
	size_t params_n;
};
struct sandbox_script { /* lent for the duration of sandbox_run() */
	struct str source;
	const struct sandbox_tool *tools; /* a tool's handle is its index here */
	size_t tools_n;
	uint64_t seed[2]; /* of math.random; both zero: random */
	int64_t time_s;   /* what os.time() says; zero: now */
	int wall_ms;      /* zero: the setting */
	/* Ceilings of this run: zero, or more than the setting, is the setting.  Memory counts from
	 * 1 MiB on, CPU time in steps of SANDBOX_CPU_STEP_MS (rounded up). */
	size_t memory_bytes;
	int cpu_ms;
	uint32_t calls_max;
	uint32_t calls_done; /* that many more: they are answered without being made */
	/* The global S, a checked object or array of JSON, at most SANDBOX_STATE_MAX bytes; p NULL:
	 * there is none.  The global last, checked JSON; p NULL: nil. */
	struct str state, last;
	const struct sandbox_snippet *snippets; /* FRAME_SNIPPETS_… at most */
	size_t snippets_n;
};
#define SANDBOX_STATE_MAX FRAME_STATE_MAX

struct sandbox_result { /* lent for the duration of the done event */
	enum sandbox_end end;
	struct str value;   /* checked JSON; p NULL: the script returned nothing */
	struct str message; /* why it did not end with DONE; untrusted text, any bytes */
	struct str log;     /* all printed text; untrusted, any bytes: escape before showing */
	struct str
	    state; /* what S has become, likewise checked; p NULL: not DONE, or it had none */
	/* Measured by the kernel, at the end of the script: 0 when it was never started.  CPU time
	 * counts from RUN on, or from the fork when no worker was idle; the memory is all that was
	 * resident of its process, the program's own pages too (about 900 KiB). */
	int64_t cpu_us;
	int64_t maxrss_kb;
	uint32_t calls;
};

struct sandbox_events {
	/* The script calls tools[handle] (| SANDBOX_BY_REF: it wants a reference for an answer),
	 * searches (SANDBOX_SEARCH, args {"query":…}) or shows (SANDBOX_SHOW, {"blob":…}).  args is
	 * a checked JSON object without duplicate keys, lent for this call.  Answer once, now or
	 * later, with sandbox_answer(); the script waits. */
	void (*call)(
	    void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args);
	void (*log)(void *ctx, struct str text); /* as printed; may be NULL */
	/* Exactly once, last, unless the job is cancelled; then the job finishes by itself. */
	void (*done)(void *ctx, const struct sandbox_result *result);
};
#define SANDBOX_SEARCH FRAME_HANDLE_SEARCH
#define SANDBOX_SHOW   FRAME_HANDLE_SHOW
#define SANDBOX_BY_REF 0x10000u
/* Within a call event: where the script makes this call.  fan counts its pmap and parallel from 1,
 * branch the elements of that one; 0, 0: outside.  The worker says so: it is a name, no fact. */
void sandbox_call_place(const struct sandbox_run *r, uint32_t *fan, uint32_t *branch);
#define SANDBOX_CPU_STEP_MS WORKER_CPU_TICK_MS

/* A kid of `parent`.  Refused: ERR_UNCONFIGURED (unavailable), ERR_OVERLOAD (queue full),
 * ERR_INVALID (tool table, snippets).  A source that is too long is a run that ends with COMPILE.
 */
struct sandbox_run *
sandbox_run(struct sandbox *s, struct job *parent, const struct sandbox_script *script,
    const struct sandbox_events *ev, void *ctx, struct err *e) MUST_CHECK;
struct job *sandbox_run_job(struct sandbox_run *r);
/*
 * Answers call `id`.  FRAME_OK: json is the value that the script gets (see frame.h for
 * references).  FRAME_ERROR: json is an object {"code":…,"message":…,…} that the script can catch;
 * server and tool are added.  An id that is not open is ignored: the run may have ended meanwhile.
 * Values over 4 MiB become an error.
 */
void sandbox_answer(struct sandbox_run *r, uint32_t id, int flags, struct str json);

/* Ends a run from this side: the worker is killed, the done event follows with this end and text.
 * A run that has not started or has ended already goes on as it would. */
void sandbox_end(struct sandbox_run *r, enum sandbox_end end, struct str why);

/* The kernel's figures of a run, while it runs and until the end of the turn in which it is told or
 * cancelled; 0 when it has not been started. */
void sandbox_run_used(const struct sandbox_run *r, int64_t *cpu_us, int64_t *maxrss_kb);

/* The wall clock stands still while one thing more (true) or less (false) waits for people. */
void sandbox_run_rest(struct sandbox_run *r, bool rest);

/* For metrics: scripts running and waiting, workers idle; since start: ends by class, workers that
 * the kernel has accounted for and their CPU time, forks, locks and idle ones' included. */
struct sandbox_counts {
	int running, queued, idle;
	uint64_t ends[SANDBOX_CANCELLED + 1];
	uint64_t reaped, cpu_us;
	uint64_t refills,
	    refill_ms; /* from the first worker taken until all idle ones are forked */
};
struct sandbox_counts sandbox_counts(const struct sandbox *s);
/* The same for /metrics, with the level. */
void sandbox_metrics(const struct sandbox *s, struct buf *out);
