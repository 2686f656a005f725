/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs every script of tests/attacks through the real pool and a real, locked worker, four ways:
 *
 *	                     the shipped worker            the worker without its language layer
 *	as root              ends as its header declares   ends somehow (-- raw:, where it says how)
 *	as an ordinary user  the same                      the same
 *
 *	sandbox_attacks [substring of a file name]	V=1 shows every end
 *
 * However a script ends: a victim that ran all the while gets its own answers and result, every
 *call that was dispatched is in the result's count, no file was made or read, no descriptor and no
 * process is left.  The prelude in front of each script maps call(n, s) to one echo tool with
 * {n=..., s=...}; it fails when n begins with "err", and answers what a hostile server could when n
 * begins with "hostile".  AT_ONCE run at a time; those that end at the CPU limit get a short one.
 */
#include <dirent.h>
#include <grp.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define ATTACKS_MAX  400
#define SNIPPETS_MAX 4
#define SNIPPET_HEAD "--[==[ snippet "
#define AT_ONCE      3
#define CPU_MS       1000
#define CPU_SHORT_MS 200
#define WALL_MS      60000

static const char prelude[] = "local call = (function(c) return function(n, s) "
			      "return c('echo.echo', {n=n, s=s}) end end)(call) ";
static const char victim_text[] =
    "local n = 0 for i = 1, 90 do n = n + echo.echo{n='victim', s=i}.s end return n";

struct attack {
	char name[100];
	char expect[200], match[200], raw[200], state[200];
	char *text; /* prelude and source */
	size_t text_n;
	struct sandbox_snippet snippets[SNIPPETS_MAX]; /* spans of the text */
	size_t snippets_n;
	uint32_t calls; /* dispatched */
	char message[300];
};
static struct attack *attacks;
static size_t attacks_n;

/* One way to run them. */
struct way {
	const char *who, *worker;
	bool raw;
};
static const struct way *way;
static size_t next_attack, running;
static struct loop *loop;
static struct sandbox *sandbox;
static struct job *root;
static unsigned ends[SANDBOX_CANCELLED + 1];

/* A script of somebody else, which gets one answer for each attack that ends. */
static struct {
	struct sandbox_run *run;
	uint32_t id; /* open call, or 0 */
	uint32_t answered;
	bool over, good;
} victim;

static char *
read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *p = mem_alloc(1 << 20);

	if (f == NULL) {
		free(p);
		return NULL;
	}
	*n = fread(p, 1, (1 << 20) - 1, f);
	p[*n] = '\0';
	(void)fclose(f);
	return p;
}

static void
header(const char *text, const char *word, char *out, size_t cap)
{
	const char *at = strstr(text, word), *end;

	out[0] = '\0';
	if (at == NULL)
		return;
	at += strlen(word);
	end = at + strcspn(at, "\n");
	(void)str_copy(out, cap, (struct str){ at, (size_t)(end - at) });
}

/* --[==[ snippet NAME, its text, ]==] : functions that the script can call with v=anything. */
static void
snippets_find(struct attack *a)
{
	static const struct sandbox_param v = {
		.name = { "v", 1 }, .type = { "any", 3 }, .kinds = FRAME_IS_ANY
	};
	struct str rest = { a->text, a->text_n };
	const char *at, *end;

	while ((at = memmem(rest.p, rest.n, SNIPPET_HEAD, sizeof(SNIPPET_HEAD) - 1)) != NULL) {
		struct sandbox_snippet *s = &a->snippets[a->snippets_n++];

		at += sizeof(SNIPPET_HEAD) - 1;
		rest = STR_SPAN(at, a->text + a->text_n);
		end = memmem(rest.p, rest.n, "]==]", 4);
		if (!CHECK(a->snippets_n < SNIPPETS_MAX && end != NULL))
			return;
		rest = STR_SPAN(end, a->text + a->text_n);
		s->source = STR_SPAN(at, end);
		s->name = str_cut(&s->source, '\n');
		s->signature = STR("snippets.NAME{v?:any}");
		s->params = &v;
		s->params_n = 1;
	}
}

static void
attack_load(const char *name)
{
	struct attack *a = &attacks[attacks_n++];
	char path[200];
	size_t n, notes_n;
	char *source, *notes;

	(void)snprintf(a->name, sizeof(a->name), "%s", name);
	(void)snprintf(path, sizeof(path), "tests/attacks/%s", name);
	source = read_file(path, &n);
	(void)snprintf(path, sizeof(path), "tests/attacks/%s.expect", name);
	notes = read_file(path, &notes_n);
	header(notes != NULL ? notes : source, "-- expect: ", a->expect, sizeof(a->expect));
	header(notes != NULL ? notes : source, "-- match: ", a->match, sizeof(a->match));
	header(notes != NULL ? notes : source, "-- raw: ", a->raw, sizeof(a->raw));
	header(notes != NULL ? notes : source, "-- state: ", a->state, sizeof(a->state));
	a->text_n = sizeof(prelude) - 1 + n;
	a->text = mem_alloc(a->text_n);
	memcpy(a->text, prelude, sizeof(prelude) - 1);
	memcpy(a->text + sizeof(prelude) - 1, source, n);
	snippets_find(a);
	free(source);
	free(notes);
}

/* ---- what a hostile server answers ---- */

static void
put_repeated(struct buf *b, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_puts(b, text);
}

static void
put_deep(struct buf *b, size_t levels)
{
	put_repeated(b, "[", levels);
	put_repeated(b, "]", levels);
}

static void
put_flood(struct buf *b)
{
	buf_putc(b, '{');
	for (unsigned i = 0; i < 100000; i++)
		buf_printf(b, "%s\"%08x%08x\":1", i > 0 ? "," : "", i * 2654435761u, i);
	buf_putc(b, '}');
}

static const struct {
	const char *name, *json;
} hostile[] = {
	{ "gc", "{\"__gc\":1,\"__close\":1,\"__mode\":\"k\",\"__concat\":1}" },
	{ "marks", "{\"__nulls\":{\"x\":true},\"__sealed\":true,\"__index\":{\"a\":1},"
		   "\"__name\":[],\"__tostring\":{}}" },
	{ "twice", "{\"a\":1,\"b\":1,\"a\":null,\"b\":2}" },
	{ "keys", "{\"a\\u0000b\":1,\"\\r\\n\":2,\"\":3,\"\\u001b[2J\":4}" },
	{ "handle", "#{\"ref\":\"1\",\"label\":\"<image>\",\"type\":\"image/png\",\"bytes\":[1],"
		    "\"shape\":{\"a\":1},\"text\":null}" },
	{ "junk 1", "" },
	{ "junk 2", "{\"a\":1" },
	{ "junk 3", "[1,2,]" },
	{ "junk 4", "nul" },
	{ "junk 5", "\"\\x41\"" },
	{ "junk 6", "01" },
	{ "junk 7", "1 2" },
	{ "junk 8", "{\"a\":}" },
	{ "junk 9", "\"a" },
};

/* False: none of these names. */
static bool
hostile_put(struct str name, struct buf *b)
{
	for (size_t i = 0; i < COUNT(hostile); i++)
		if (str_eq(name, str_of(hostile[i].name))) {
			buf_puts(b, hostile[i].json);
			return true;
		}
	if (str_eq(name, STR("deep 64"))) {
		put_deep(b, 64);
	} else if (str_eq(name, STR("deep 65"))) {
		put_deep(b, 65);
	} else if (str_eq(name, STR("wide"))) {
		buf_puts(b, "[1");
		put_repeated(b, ",1", 999999);
		buf_putc(b, ']');
	} else if (str_eq(name, STR("flood"))) {
		put_flood(b);
	} else if (str_eq(name, STR("numbers"))) {
		buf_puts(b, "[9223372036854775807,9223372036854775808,1");
		put_repeated(b, "0", 100000);
		buf_puts(b, ",-0.0,1e400]");
	} else {
		return false;
	}
	return true;
}

static void
answer_hostile(struct sandbox_run *r, uint32_t id, struct str name)
{
	struct buf b;

	if (str_eq(name, STR("error"))) {
		sandbox_answer(r, id, FRAME_ERROR,
		    STR("{\"code\":{\"code\":[]},\"message\":null,\"line\":\"x\","
			"\"server\":false,\"tool\":1e308,\"__tostring\":1}"));
		return;
	}
	buf_init(&b, 0);
	if (!hostile_put(name, &b))
		buf_puts(&b, "\"no such answer\"");
	sandbox_answer(r, id, FRAME_OK, buf_str(&b));
	buf_fini(&b);
}

/* ---- the run's owner ---- */

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	struct attack *a = ctx;
	struct str raw, n = STR_NONE;
	struct arena arena;

	a->calls++;
	handle &= ~SANDBOX_BY_REF;
	CHECK(handle == 0 || handle == SANDBOX_SEARCH || handle == SANDBOX_SHOW);
	arena_init(&arena, args.n + 64);
	if (json_get(args, STR("n"), &raw) && json_kind(raw) == JSON_STRING)
		(void)json_string(raw, &arena, &n);
	if (str_starts(n, STR("err")))
		sandbox_answer(r, id, FRAME_ERROR,
		    STR("{\"code\":\"tool_error\",\"message\":\"asked to fail\"}"));
	else if (str_starts(n, STR("hostile ")))
		answer_hostile(r, id, (struct str){ n.p + 8, n.n - 8 });
	else
		sandbox_answer(r, id, FRAME_OK, STR("{\"ok\":true}"));
	arena_free(&arena);
}

static void
victim_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	struct str s;

	(void)ctx, (void)r;
	victim.id = id;
	CHECK(handle == 0 && json_get(args, STR("s"), &s));
}

static void
victim_done(void *ctx, const struct sandbox_result *res)
{
	(void)ctx;
	victim.over = true;
	victim.good = res->end == SANDBOX_DONE && str_eq(res->value, STR("90000")) &&
		      res->calls == 90 && victim.answered == 90;
	if (!victim.good)
		printf("\tthe victim: %s " STR_FMT " after %u answers\n",
		    sandbox_end_word(res->end), STR_ARG(res->message), victim.answered);
}

/* One more answer; the attacks that are left over decide how many come at the end. */
static void
victim_feed(void)
{
	if (victim.id == 0 || victim.over)
		return;
	victim.answered++;
	uint32_t id = victim.id;

	victim.id = 0;
	sandbox_answer(victim.run, id, FRAME_OK, STR("{\"s\":1000}"));
}

static bool
names(const char *list, enum sandbox_end end)
{
	struct str rest = str_of(list);

	while (rest.p != NULL)
		if (str_eq(str_trim(str_cut(&rest, '|')), str_of(sandbox_end_word(end))))
			return true;
	return false;
}

static bool
matches(const struct attack *a)
{
	regex_t re;
	bool ok;

	if (a->match[0] == '\0')
		return true;
	if (regcomp(&re, a->match, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	ok = regexec(&re, a->message, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

static void
on_done(void *ctx, const struct sandbox_result *res)
{
	struct attack *a = ctx;
	struct str text = res->end == SANDBOX_DONE ? res->value : res->message;
	struct arena arena;
	bool ok;

	arena_init(&arena, 4 << 20);
	if (res->end == SANDBOX_DONE && res->value.p != NULL &&
	    json_kind(res->value) == JSON_STRING)
		(void)json_string(res->value, &arena, &text);
	(void)snprintf(a->message, sizeof(a->message), STR_FMT, (int)(text.n < 250 ? text.n : 250),
	    text.p == NULL ? "" : text.p);
	arena_free(&arena);
	if (way->raw)
		ok = a->raw[0] == '\0' || names(a->raw, res->end);
	else
		ok = names(a->expect, res->end) && matches(a);
	TEST(way->who);
	(void)check_that(ok, a->name, 1, "ends as declared");
	(void)check_that(res->calls == a->calls, a->name, 1, "every dispatched call is counted");
	(void)check_that(strstr(a->message, "root:x:0") == NULL, a->name, 1, "no file was read");
	if (!ok || getenv("V") != NULL)
		printf("\t%s: want %s /%s/, got %s: %s (cpu %lld ms)\n", a->name,
		    way->raw ? a->raw : a->expect, way->raw ? "" : a->match,
		    sandbox_end_word(res->end), a->message, (long long)res->cpu_us / 1000);
	ends[res->end]++;
	running--;
	victim_feed();
}

static const struct sandbox_tool tool = { STR("echo"), STR("echo") };

static struct sandbox_run *
start_one(const char *text, size_t n, const struct sandbox_events *ev, struct attack *a)
{
	bool brief = a != NULL && (way->raw || names(a->expect, SANDBOX_CPU));
	struct sandbox_script s = { .source = { text, n },
		.tools = &tool,
		.tools_n = 1,
		.cpu_ms = brief ? CPU_SHORT_MS : CPU_MS,
		.wall_ms = WALL_MS };
	struct err e = { .code = ERR_NONE };
	struct sandbox_run *r;

	if (a != NULL && a->state[0] != '\0')
		s.state = str_of(a->state);
	if (a != NULL) {
		s.snippets = a->snippets;
		s.snippets_n = a->snippets_n;
	}
	r = sandbox_run(sandbox, root, &s, ev, a, &e);

	if (!CHECK(r != NULL))
		printf("\t%s\n", e.text);
	return r;
}

static void
start_more(void)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };

	while (running < AT_ONCE && next_attack < attacks_n) {
		struct attack *a = &attacks[next_attack++];

		a->calls = 0;
		if (start_one(a->text, a->text_n, &ev, a) != NULL)
			running++;
	}
}

static int
count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

/* The processes that we have started, as text. */
static void
children(char *out, int cap)
{
	char path[64];
	FILE *f;

	out[0] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	if (!CHECK(f != NULL))
		return;
	(void)!fgets(out, cap, f);
	(void)fclose(f);
}

/* What the attacks would have made. */
static void
check_no_files(void)
{
	CHECK(access("/tmp/tollgate-attack-written", F_OK) != 0);
	CHECK(access("/tmp/tollgate-attack-popen", F_OK) != 0);
	CHECK(access("/tmp/tollgate-attack-moved", F_OK) != 0);
	CHECK(access("tests/attacks/001_env_os_execute.lua", R_OK) == 0);
}

static void
show_ends(size_t n)
{
	printf(
	    "%s, %s: %zu attacks:", way->who, way->raw ? "stock libraries" : "shipped worker", n);
	for (int i = 0; i <= SANDBOX_CANCELLED; i++)
		if (ends[i] > 0)
			printf(" %u %s", ends[i], sandbox_end_word((enum sandbox_end)i));
	printf("\n");
}

static void
turn_until_over(void)
{
	size_t n = 0;

	start_more();
	while (running > 0) {
		loop_turn(loop);
		start_more();
	}
	while (!victim.over) {
		victim_feed();
		loop_turn(loop);
	}
	for (int i = 0; i <= SANDBOX_CANCELLED; i++)
		n += ends[i];
	show_ends(n);
}

static void
run_way(const struct way *w)
{
	static const struct job_type root_type = { .name = "test" };
	static const struct sandbox_events victim_events = { .call = victim_call,
		.done = victim_done };
	struct sandbox_settings set = { .worker = w->worker, .cpu_ms = CPU_MS };
	int descriptors = count_entries("/proc/self/fd");
	char before[64], after[64];
	struct job job;
	struct err e = { .code = ERR_NONE };

	TEST(w->who);
	way = w;
	running = next_attack = 0;
	memset(ends, 0, sizeof(ends));
	children(before, sizeof(before));
	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	if (!CHECK(sandbox != NULL)) {
		printf("\t%s\n", e.text);
		return;
	}
	job_init(&job, &root_type, NULL, NULL, NULL);
	root = &job;
	while (sandbox_level(sandbox) == SANDBOX_STARTING)
		loop_turn(loop);
	memset(&victim, 0, sizeof(victim));
	victim.run = start_one(victim_text, sizeof(victim_text) - 1, &victim_events, NULL);
	if (victim.run != NULL)
		turn_until_over();
	CHECK(victim.good);
	CHECK(sandbox_level(sandbox) >= SANDBOX_REDUCED);
	job_cancel(&job);
	jobs_reap();
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	check_no_files();
	CHECK_EQ_I(count_entries("/proc/self/fd"), descriptors);
	children(after, sizeof(after));
	CHECK_EQ_S(after, before); /* the other user's, if any */
}

static int
run_all(const char *who)
{
	const struct way ways[] = {
		{ who, "build/sandbox-worker", false },
		{ who, "build/sandbox-worker-raw", true },
	};

	for (size_t i = 0; i < COUNT(ways); i++)
		run_way(&ways[i]);
	return check_done();
}

static int
by_name(const void *a, const void *b)
{
	const struct attack *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
load_all(const char *part)
{
	DIR *d = opendir("tests/attacks");
	struct dirent *entry;

	attacks = mem_zalloc(ATTACKS_MAX * sizeof(*attacks));
	while (d != NULL && (entry = readdir(d)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (n > 4 && n < sizeof(attacks->name) &&
		    strcmp(entry->d_name + n - 4, ".lua") == 0 &&
		    strstr(entry->d_name, part) != NULL && attacks_n < ATTACKS_MAX)
			attack_load(entry->d_name);
	}
	if (d != NULL)
		(void)closedir(d);
	qsort(attacks, attacks_n, sizeof(*attacks), by_name);
}

int
main(int argc, char **argv)
{
	int status = 0, failed;
	pid_t child;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	load_all(argc > 1 ? argv[1] : "");
	CHECK(attacks_n > 0);
	if (geteuid() != 0)
		return run_all("an ordinary user");
	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
		    setresuid(65534, 65534, 65534) != 0)
			_exit(1);
		failed = run_all("uid 65534");
		(void)fflush(stdout);
		_exit(failed);
	}
	failed = run_all("root"); /* both at the same time */
	(void)waitpid(child, &status, 0);
	TEST("as uid 65534");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return check_done() | failed;
}
