/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - what the files of the worker program share.
 *
 * A worker is one process for one script.  It holds one descriptor, the run's socket on 0; it is
 * locked before it reads its first byte; it ends by _exit(), never by unwinding.  So one struct vm
 * is all its state, and no limit is an error that a script could catch.
 */
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "sandbox/frame.h"
#include "sandbox/worker/fork.h"
#include "sandbox/worker/jail.h"
#include "sandbox/worker/pages.h"

#define WORKER_CPU_TICKS_MAX 6000u

/* Bytes being written: JSON, unescaped text.  Past `limit` it only remembers that it was too much.
 */
struct out {
	char *p;
	size_t n, cap, limit;
	bool over;
};

struct answer {
	uint32_t id;
	uint8_t flags;
	char *body; /* malloc'd, NUL after the end; NULL: no answer here */
	size_t n;
};

struct vm {
	lua_State *main;
	lua_State *volatile running; /* hooks belong to a thread: this is the one to hook */
	volatile sig_atomic_t ticks; /* of the CPU timer, since the start of the run */
	int ticks_max;               /* then the run is over */
	int fd;                      /* -1 while warming up: nothing is sent */
	size_t used_bytes, limit_bytes, collect_at_bytes;
	bool collect_wanted;
	size_t log_bytes;
	int64_t time_s;
	uint32_t calls, calls_max, in_flight_max, branches_max, last_id;

	lua_State *branch; /* the thread of pmap/parallel that runs now */
	uint32_t yielded_id;
	bool fanning;
	uint32_t fan, in_branch;           /* where calls are made now: see FRAME_PLACE */
	uint32_t told_fan, told_in_branch; /* and where the gateway takes them to be */
	uint32_t fans;
	bool has_state;
	struct answer answer;                    /* handed to the branch being resumed */
	struct answer kept[FRAME_IN_FLIGHT_MAX]; /* arrived while somebody waited for another */
	size_t kept_n;

	const char *source; /* of the script that runs, for its errors */
	size_t source_n;
	const char *tools; /* as RUN has them: tools.c */
	uint32_t tools_n;
	struct out out;
	const void *array_mt, *error_mt, *blob_mt;
	lua_CFunction error, on_error; /* what may stand above the function that raised an error */
	int array_ref, error_ref, nearest_ref, blob_ref, randomseed_ref, add_server_ref,
	    by_name_ref, record_ref;
};
extern struct vm vm;

/* vm.c */
lua_State *vm_new(size_t limit_bytes);
/* The zygote, once; the functions are for pages_rehearse(). */
void vm_prepare(const uintptr_t *functions, size_t n);
_Noreturn void vm_serve(int fd);                               /* read RUN, run, answer, exit */
_Noreturn void vm_end(enum sandbox_end end, const char *text); /* with the script's line */
int vm_resume(lua_State *co, lua_State *from, int args, int *results);
int vm_line(lua_State *L); /* of the innermost script frame; 0 = none */
void vm_on_tick(int signo);

/* wire.c */
void wire_touch(void);                                 /* writes to what every run writes to */
void wire_send(struct frame_head h, const void *body); /* or exits */
struct frame_head wire_receive(struct answer *a);      /* body malloc'd into a; EOF exits */

/* encode.c */
/* An empty table is an object in arguments and in S, an array everywhere else; handles are
 * references in arguments and returned values (frame.h), text everywhere else. */
enum json_for { JSON_TEXT, JSON_STATE, JSON_CALL, JSON_RETURN };
void out_reset(size_t limit);
void out_free(void);
void out_put(const void *p, size_t n);
/* Writes the value at idx to vm.out; raises on what JSON cannot say. */
void json_put(lua_State *L, int idx, enum json_for how);
bool json_is_array(lua_State *L, int idx); /* marked as one: codec.c, array{} */

/* codec.c */
/* Pushes the value of a RESULT, handles and all; false with the byte offset of what is wrong (stack
 * as before). */
bool json_push(lua_State *L, const char *p, size_t n, size_t *bad_at);
void json_open(lua_State *L); /* globals json, null, array */

/* blob.c */
void blob_open(lua_State *L);
bool blob_is(lua_State *L, int idx);
void blob_wrap(lua_State *L); /* the table on top becomes a handle */
/* Pushes a text of the handle at idx: "ref", "label". */
const char *blob_push(lua_State *L, int idx, const char *name, size_t *n);

/* environment.c */
void environment_open(lua_State *L);
int environment_print(lua_State *L); /* upvalue 1: neither tabs nor a line end */
const char *safe_tostring(lua_State *L, int idx, size_t *n); /* pushes; never an address */
void push_printed(lua_State *L, int idx); /* as print() shows it: tables are JSON */

/* calls.c */
void calls_open(lua_State *L); /* pushes the values that library.lua builds upon */
void calls_name(lua_State *L); /* global call; pops the function for unknown names */
void calls_push_tool(lua_State *L, uint32_t handle);
lua_Integer calls_handle(lua_State *L, int idx);

/* tools.c */
void tools_open(lua_State *L);       /* pushes find and fill */
void tools_push_names(lua_State *L); /* "server.tool" -> its function */
/* The table of RUN, which must stay; false: no such table, which the gateway never sends. */
bool tools_take(lua_State *L, const char *p, const char *end, uint32_t n);

/* state.c */
bool state_take(lua_State *L, const char *p, const struct frame_run *r);
void state_give(lua_State *L); /* what S has become, if it was given; or ends with RUNTIME */

/* explain.c */
/* The message on top of the stack of an error that has just arisen: says what was there. */
void explain_error(lua_State *L);

/* record.c */
void record_open(lua_State *L);
/* The table at idx is to be looped over as a list: if it is certainly none, says so or raises. */
void record_looped(lua_State *L, int idx);
void record_mark(lua_State *L); /* the value on top is a tool's result */

/* place.c */
#define PLACE_BYTES 96
struct place {
	char chunk[LUA_IDSIZE + 1]; /* as Lua has it: "=script", "=snippets.total" */
	int line;
	const char *text; /* of the chunk */
	size_t text_n;
};
/* What a message ("script:3: …") says of where it arose; false: nothing. */
bool place_read(const char *message, struct place *p);
/* The innermost frame of the script or of a snippet; false: there is none near. */
bool place_now(lua_State *L, struct place *p);
bool place_in_snippet(const struct place *p);
/* "snippets.name:3: " where that frame is of a snippet; else "". */
void place_snippet(lua_State *L, char out[PLACE_BYTES]);
/* The message on top is of a snippet: the script's own line is put before it. */
void place_caller(lua_State *L);
/* The message on top has no place, as it arose in C or in the library: it gets the nearest. */
void place_raised(lua_State *L);

/* notes.c */
#define NOTE_BYTES 900
/* Where we are, if nothing has been said of that line and something still may. */
bool notes_new(lua_State *L, struct place *at);
void notes_put(const struct place *at, const char *text); /* printed, with the place */
int notes_lua(lua_State *L);                              /* for library.lua: note(text) */
void notes_missed(lua_State *L, const char *name);        /* a text has no such field */
void notes_nothing(void); /* nil is returned: says what was missed, if anything was */

/* toolerror.c */
void toolerror_open(lua_State *L);
bool toolerror_is(lua_State *L, int idx);
void toolerror_push_text(lua_State *L, int idx);
/* Raises the table on top as an error of server.tool (stack slots 1 and 2 hold the names). */
int toolerror_raise(lua_State *L);
int toolerror_raise_text(lua_State *L, const char *code, const char *text);
/* For library.lua: fail(server, tool, code, message). */
int toolerror_fail(lua_State *L);

/* snippet.c */
void snippet_open(lua_State *L); /* pops what library.lua gives to snippet.lua */
/* The snippets that come with RUN; false: nonsense, which the gateway never sends. */
bool snippet_take(lua_State *L, const char *p, size_t n);
/* The text of the one whose chunk this is ("=snippets.name"), *n bytes; NULL: it is none. */
const char *snippet_source(const char *chunk, size_t *n);

/* library.c */
void library_open(lua_State *L);         /* pushes what snippet_open() pops */
void library_push_helpers(lua_State *L); /* from note to in_text, see library.lua */

/* zygote.c */
_Noreturn void zygote_serve(int ctl, const struct jail *j, const struct lock_limits *limits);
