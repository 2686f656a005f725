/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one line per event, whatever stands in the values: nothing a client sent ends a line, moves
 * a cursor or forges a field, in text and in JSON; a line that is too long is cut and still one.
 */
#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/job.h"
#include "base/json.h"
#include "tests/unit/check.h"

static int out_fd, kept_stderr;
static char line[16384];

static void
catch_start(void)
{
	int ends[2];

	ASSERT(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	kept_stderr = dup(STDERR_FILENO);
	ASSERT(dup2(ends[1], STDERR_FILENO) >= 0 && close(ends[1]) == 0);
	out_fd = ends[0];
}

/* What was written since, as text. */
static const char *
caught(void)
{
	ssize_t n = read(out_fd, line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

static bool
one_line(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i + 1 < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f ||
		    (s[i] == '\xc2' && (unsigned char)s[i + 1] < 0xa0))
			return false;
	return n > 0 && s[n - 1] == '\n';
}

static void
test_text(void)
{
	TEST("text: time, level, event, fields; quoted only where needed");
	log_setup(LOG_LEVEL_INFO, false);
	log_clock(1795428000123456789ll);
	log_warn(NULL, "tool refused", F_STR("tool", STR("notes/x")), F_INT("calls", -3));
	CHECK_EQ_S(caught(), "2026-11-23T10:00:00.123Z warn tool refused tool=notes/x calls=-3\n");
	log_error(NULL, "alone");
	CHECK_EQ_S(caught(), "2026-11-23T10:00:00.123Z error alone\n");
	log_info(
	    NULL, "e", F_TEXT("a", ""), F_TEXT("b", "x y"), F_TEXT("c", "k=v"), F_TEXT("d", NULL));
	CHECK_EQ_S(caught(), "2026-11-23T10:00:00.123Z info e a=\"\" b=\"x y\" c=\"k=v\" d=\"\"\n");
}

static void
test_job(void)
{
	static const struct job_type type = { .name = "test" };
	struct job root, kid;
	char want[64];

	TEST("with a job: its number and its root's");
	log_setup(LOG_LEVEL_INFO, false);
	job_init(&root, &type, NULL, NULL, NULL);
	job_init(&kid, &type, &root, NULL, NULL);
	log_info(&kid, "e");
	(void)snprintf(want, sizeof(want), " info e job=%llu root=%llu\n",
	    (unsigned long long)kid.id, (unsigned long long)root.id);
	CHECK(strstr(caught(), want) != NULL && kid.id != root.id);
	job_cancel(&root);
	jobs_reap();
}

static void
test_level(void)
{
	TEST("what is under the level is not written");
	log_setup(LOG_LEVEL_INFO, false);
	log_debug(NULL, "step");
	CHECK_EQ_S(caught(), "");
	log_setup(LOG_LEVEL_ERROR, false);
	log_warn(NULL, "w");
	CHECK_EQ_S(caught(), "");
	log_error(NULL, "e");
	CHECK(one_line(caught()));
	log_setup(LOG_LEVEL_DEBUG, false);
	log_debug(NULL, "step");
	CHECK(strstr(caught(), " debug step\n") != NULL);
}

static void
test_hostile(bool json)
{
	static const struct str bad[] = { STR("a\nerror forged line"), STR("\r\x1b[2J\x07"),
		STR("x\" y=\"z"), STR("\\"), STR("\x7f\x80\xff"), STR("a\0b"),
		STR("\xc2\x9b"
		    "2J") };
	struct err e;

	TEST("no value ends the line or starts another field");
	log_setup(LOG_LEVEL_INFO, json);
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *s;

		log_info(NULL, "event", F_STR("v", bad[i]), F_INT("n", 1));
		s = caught();
		CHECK(one_line(s));
		CHECK(str_utf8(str_of(s)));
		if (json)
			CHECK(json_check(str_of(s), true, &e));
		else
			CHECK(strstr(s, " n=1\n") != NULL && strstr(s, " v=\"") != NULL);
	}
}

static void
test_json(void)
{
	struct str doc, got;
	struct err e;

	TEST("JSON: one object, typed members");
	log_setup(LOG_LEVEL_INFO, true);
	log_warn(NULL, "tool refused", F_STR("tool", STR("a\"b")), F_INT("calls", 3));
	doc = str_trim(str_of(caught()));
	doc.n -= doc.n > 0 && doc.p[doc.n - 1] == '\n';
	CHECK(json_check(doc, true, &e));
	CHECK(json_get(doc, STR("time"), &got));
	CHECK_STR(got, "\"2026-11-23T10:00:00.123Z\"");
	CHECK(json_get(doc, STR("level"), &got) && json_string_is(got, STR("warn")));
	CHECK(json_get(doc, STR("event"), &got) && json_string_is(got, STR("tool refused")));
	CHECK(json_get(doc, STR("tool"), &got) && json_string_is(got, STR("a\"b")));
	CHECK(json_get(doc, STR("calls"), &got));
	CHECK_STR(got, "3");
}

static void
test_long(void)
{
	static char big[5000];
	struct str s = { big, sizeof(big) };
	const char *got;

	TEST("long values are clipped, a long line is cut, and both are one line");
	memset(big, 'x', sizeof(big));
	log_setup(LOG_LEVEL_INFO, false);
	log_info(NULL, "e", F_STR("v", s), F_INT("after", 1));
	got = caught();
	CHECK(one_line(got) && strlen(got) < 600 && strstr(got, "x after=1\n") != NULL);
	log_info(NULL, "e", F_STR("a", s), F_STR("b", s), F_STR("c", s), F_STR("d", s),
	    F_STR("e", s), F_STR("f", s), F_STR("g", s), F_STR("h", s), F_STR("i", s));
	got = caught();
	CHECK(one_line(got) && strlen(got) <= 4096);
	memset(big, '\x01', sizeof(big)); /* each six bytes in the line */
	log_info(NULL, "e", F_STR("a", s), F_STR("b", s));
	got = caught();
	CHECK(one_line(got) && strlen(got) <= 4096);
}

int
main(void)
{
	catch_start();
	test_text();
	test_job();
	test_level();
	test_hostile(false);
	test_hostile(true);
	test_json();
	test_long();
	(void)dup2(kept_stderr, STDERR_FILENO);
	return check_done();
}
