/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - the wire between the gateway and one worker, and between the gateway and the zygote.
 *
 * This header is read by both programs, so it holds numbers and layouts and nothing from base/.
 *
 * Data socket (SOCK_STREAM, one per run).  A frame is a head of 12 bytes, little-endian,
 *
 *	u32 body bytes | u8 type | u8 flags | u16 handle | u32 id
 *
 * and its body.  RUN comes first and once; CALL ids count up by one from 1; RESULT answers an open
 * id; DONE or FAIL comes once and last.  Tools are called by handle, the index into RUN's table: a
 * worker, however broken, cannot name a tool that it was not given.  PLACE says in which branch the
 * following calls are made, when that has changed; STATE is what S has become, right before DONE,
 * and only of a run that was given S.
 *
 *	gateway   RUN -------------------- RESULT* ------------>  worker
 *	          <---- ([PLACE] CALL)* LOG* --- ([STATE] DONE | FAIL) -
 *
 * Control socket (SOCK_SEQPACKET): struct zygote_ask down (with the worker's socket as SCM_RIGHTS),
 * struct zygote_say up (SPAWNED carries a pidfd).  Same machine, same build: plain structs.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_BYTES         12
#define FRAME_CALL_MAX           ((uint32_t)1 << 20)  /* arguments, bytes of JSON */
#define FRAME_VALUE_MAX          1000000u             /* returned value, bytes of JSON */
#define FRAME_LOG_MAX            ((uint32_t)64 << 10) /* all printed text of a run */
#define FRAME_MESSAGE_MAX        4096u
#define FRAME_DOWN_MAX           ((uint32_t)8 << 20) /* RUN and RESULT */
#define FRAME_SOURCE_MAX         ((uint32_t)128 << 10)
#define FRAME_TOOLS_MAX          4096u
#define FRAME_NAME_MAX           200u    /* of a server, of a tool */
#define FRAME_HANDLE_SEARCH      0xffffu /* tools"query" */
#define FRAME_HANDLE_SHOW        0xfffeu /* show(blob) */
#define FRAME_DEPTH_MAX          64      /* nesting of JSON */
#define FRAME_IN_FLIGHT_MAX      64u
#define FRAME_STATE_MAX          ((uint32_t)256 << 10) /* of S, bytes of JSON */
#define FRAME_SNIPPETS_MAX       256u                  /* that a script can see */
#define FRAME_SNIPPETS_BYTES_MAX ((uint32_t)512 << 10) /* of all that is said of them */

enum frame_type {
	FRAME_CALL = 0x02,
	FRAME_LOG = 0x03,
	FRAME_DONE = 0x04,   /* body: JSON, or nothing for no value */
	FRAME_FAIL = 0x05,   /* flags: enum sandbox_end; body: text */
	FRAME_PLACE = 0x06,  /* no body; id: which pmap or parallel, handle: which branch of it;
				0, 0: none (as at the start) */
	FRAME_STATE = 0x07,  /* body: an object or array of JSON */
	FRAME_RUN = 0x10,    /* body: struct frame_run, tool table, source, S, last, snippets */
	FRAME_RESULT = 0x11, /* flags: FRAME_OK with a value, FRAME_ERROR with {code, message} */
};
#define FRAME_OK     0
#define FRAME_ERROR  1
#define FRAME_BY_REF 1 /* flags of CALL, of a tool: the answer is wanted as a reference */

/*
 * Values are JSON, with one thing more: a reference to what stays at the gateway.  Down (RESULT) it
 * is written #{"ref":"…","label":"…",…}.  Up (CALL, DONE) it is the string NUL "#" ref, and strings
 * that begin with a NUL get one more of them; so no data can pass for a reference.
 */
#define FRAME_REF_MAX 32u /* bytes of a ref */

/* How a run ended: the words of every interface. */
// clang-format off
#define SANDBOX_ENDS(X) \
	X(DONE) X(COMPILE) X(RUNTIME) X(OOM) X(CPU) X(WALL) X(OUTPUT) X(CALLS) X(BYTES) \
	X(PROTO) X(SECCOMP) X(CRASH) X(CANCELLED)
// clang-format on
enum sandbox_end {
#define X(w) SANDBOX_##w,
	SANDBOX_ENDS(X)
#undef X
};

/* Head of RUN's body.  Then, per tool, u8 n + server name, u8 n + tool name; then the source. */
struct frame_run {
	uint32_t calls_max, in_flight_max, branches_max;
	uint32_t tools_n, tools_bytes, source_bytes;
	uint64_t seed[2];
	int64_t time_s; /* what os.time() says, all run long */
	/* Of this run; the heap and the kernel's limits were made for the setting's maximum. */
	uint64_t memory_bytes;
	uint32_t cpu_ticks;               /* WORKER_CPU_TICK_MS each */
	uint32_t state_bytes, last_bytes; /* JSON; 0: the script is not given S; last is nil */
	uint32_t snippets_bytes;
};
/*
 * One snippet: u8 n + name, u32 n + source (nothing: it is there by name only), u16 n + signature,
 * u8 parameters; each u8 n + name, u8 FRAME_PARAM_…, u8 FRAME_IS_…, u8 n + type as people read it,
 * u8 texts, each u8 n + text: the strings it may be, unless FRAME_IS_STRING.
 */
#define FRAME_PARAM_REQUIRED 1
#define FRAME_IS_STRING      0x01u
#define FRAME_IS_INTEGER     0x02u
#define FRAME_IS_NUMBER      0x04u
#define FRAME_IS_BOOLEAN     0x08u
#define FRAME_IS_LIST        0x10u
#define FRAME_IS_TABLE       0x20u
#define FRAME_IS_ANY         0x40u

struct frame_head {
	uint32_t body_bytes;
	uint8_t type, flags;
	uint16_t handle;
	uint32_t id;
};

static inline void
frame_write_head(unsigned char to[FRAME_HEAD_BYTES], struct frame_head h)
{
	for (int i = 0; i < 4; i++) {
		to[i] = (unsigned char)(h.body_bytes >> (8 * i));
		to[8 + i] = (unsigned char)(h.id >> (8 * i));
	}
	to[4] = h.type;
	to[5] = h.flags;
	to[6] = (unsigned char)h.handle;
	to[7] = (unsigned char)(h.handle >> 8);
}

static inline struct frame_head
frame_read_head(const unsigned char from[FRAME_HEAD_BYTES])
{
	struct frame_head h = { .type = from[4], .flags = from[5] };

	for (int i = 0; i < 4; i++) {
		h.body_bytes |= (uint32_t)from[i] << (8 * i);
		h.id |= (uint32_t)from[8 + i] << (8 * i);
	}
	h.handle = (uint16_t)(from[6] | from[7] << 8);
	return h;
}

/* ---- the zygote ---- */
enum zygote_op {
	ZYGOTE_SPAWN = 1, /* down: fork a worker on the socket that comes along */
	ZYGOTE_PROBE,     /* down: fork a locked worker that tries `arg` instead of a script */
	ZYGOTE_HELLO,     /* up, once: layers, why */
	ZYGOTE_SPAWNED,   /* up: pid (in the zygote's own numbering) and a pidfd */
	ZYGOTE_REAPED,    /* up: status, utime_us, stime_us, maxrss_kb */
};
/* What a worker must not survive; by number: PROBE_NUMBER | system call. */
enum probe {
	PROBE_OPEN,
	PROBE_SOCKET,
	PROBE_FORK,
	PROBE_EXECVE,
	PROBE_MMAP_EXEC,
	PROBE_MPROTECT,
	PROBE_KILL_PARENT,
	PROBE_WRITE_1,
	PROBE_IO_URING,
	PROBES
};
#define PROBE_NUMBER 0x10000u

#define LAYER_NAMESPACES 1u /* user (or real root's), mount, pid, net, ipc, uts */
#define LAYER_EMPTY_ROOT 2u
#define LAYER_LANDLOCK   4u
#define LAYER_UID        8u /* neither root nor any capability */
#define LAYERS_FULL      15u

#define WORKER_EXIT_EOF     3   /* the gateway went away */
#define WORKER_EXIT_LOCK    77  /* could not be locked */
#define WORKER_EXIT_CPU     124 /* second CPU tick: stuck inside a library function */
#define WORKER_CPU_TICK_MS  10  /* the worker's CPU timer */
#define WORKER_CPU_GRACE_MS 50  /* from the limit to WORKER_EXIT_CPU */

struct zygote_ask {
	uint32_t op, serial, arg;
};
struct zygote_say {
	uint32_t op, serial;
	int32_t pid, status;
	int64_t utime_us, stime_us, maxrss_kb;
	uint32_t layers, landlock_abi;
	char why[96]; /* the layer that is missing and the errno, for the log */
};
