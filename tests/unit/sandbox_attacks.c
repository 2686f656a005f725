/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs every script of tests/attacks through the real pool and the real, locked worker, and checks
 * that each ends as its header declares.  As root this is done twice: with what root gets, and in a
 * child with uid 65534, as an ordinary user would have it.
 *
 *	sandbox_attacks [substring of a file name]
 *
 * The prelude in front of each script maps call(n, s) to one echo tool with {n=..., s=...}, which
 * fails when n begins with "err".  Two run at a time.
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

#define ATTACKS_MAX 400
#define AT_ONCE     2

static const char prelude[] = "local call = (function(c) return function(n, s) "
			      "return c('echo.echo', {n=n, s=s}) end end)(call) ";

struct attack {
	char name[100];
	char expect[200], match[200];
	char *text; /* prelude and source */
	size_t text_n;
	enum sandbox_end end;
	char message[300];
	bool done, ok;
};
static struct attack *attacks;
static size_t attacks_n, next_attack, running;
static struct loop *loop;
static struct sandbox *sandbox;
static struct job *root;
static const char *who;

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
	a->text_n = sizeof(prelude) - 1 + n;
	a->text = mem_alloc(a->text_n);
	memcpy(a->text, prelude, sizeof(prelude) - 1);
	memcpy(a->text + sizeof(prelude) - 1, source, n);
	free(source);
	free(notes);
}

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	struct str n = STR_NONE;

	(void)ctx;
	(void)handle;
	if (json_get(args, STR("n"), &n) && str_starts(n, STR("\"err")))
		sandbox_answer(r, id, FRAME_ERROR,
		    STR("{\"code\":\"tool_error\",\"message\":\"asked to fail\"}"));
	else
		sandbox_answer(r, id, FRAME_OK, STR("{\"ok\":true}"));
}

static bool
declared(const struct attack *a, enum sandbox_end end)
{
	struct str rest = str_of(a->expect);

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

	arena_init(&arena, 4 << 20);
	if (res->end == SANDBOX_DONE && res->value.p != NULL &&
	    json_kind(res->value) == JSON_STRING)
		(void)json_string(res->value, &arena, &text);
	(void)snprintf(a->message, sizeof(a->message), STR_FMT, (int)(text.n < 250 ? text.n : 250),
	    text.p == NULL ? "" : text.p);
	arena_free(&arena);
	a->end = res->end;
	a->done = true;
	a->ok = declared(a, a->end) && matches(a);
	TEST(who);
	(void)check_that(a->ok, a->name, 1, "ends as declared");
	if (!a->ok || getenv("V") != NULL)
		printf("\t%s: want %s /%s/, got %s: %s (cpu %lld ms)\n", a->name, a->expect,
		    a->match, sandbox_end_word(a->end), a->message, (long long)res->cpu_us / 1000);
	running--;
}

static void
start_more(void)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("echo"), STR("echo") };

	while (running < AT_ONCE && next_attack < attacks_n) {
		struct attack *a = &attacks[next_attack++];
		struct sandbox_script s = { .source = { a->text, a->text_n },
			.tools = &tool,
			.tools_n = 1,
			.wall_ms = 60000 };
		struct err e = { .code = ERR_NONE };

		if (CHECK(sandbox_run(sandbox, root, &s, &ev, a, &e) != NULL))
			running++;
		else
			printf("\t%s: %s\n", a->name, e.text);
	}
}

static int
run_all(const char *as)
{
	static const struct job_type root_type = { .name = "test" };
	const char *worker = getenv("WORKER"); /* one built with -DSBX_RAW, say */
	struct sandbox_settings set = { .worker =
					    worker != NULL ? worker : "build/sandbox-worker" };
	struct job job;
	struct err e = { .code = ERR_NONE };

	who = as;
	running = next_attack = 0;
	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	if (!CHECK(sandbox != NULL)) {
		printf("\t%s\n", e.text);
		return check_done();
	}
	job_init(&job, &root_type, NULL, NULL, NULL);
	root = &job;
	while (sandbox_level(sandbox) == SANDBOX_STARTING)
		loop_turn(loop);
	printf("as %s: sandbox %s %s\n", as, sandbox_level_word(sandbox_level(sandbox)),
	    sandbox_why(sandbox));
	start_more();
	while (running > 0) {
		loop_turn(loop);
		start_more();
	}
	job_cancel(&job);
	jobs_reap();
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
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
	(void)waitpid(child, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return run_all("root");
}
