/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - any bytes as another program's configuration: never a crash, and what is taken becomes
 * files that pass `tollgate check`, whatever the names in it are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char dir[64];

static void
path_of(char out[256], const char *path)
{
	(void)snprintf(out, 256, "%s/%s", dir, path);
}

static void
prepare(void)
{
	static const char *const folders[] = { "", "policies", "policies/root" };
	char path[256];

	(void)snprintf(dir, sizeof(dir), "/tmp/tollgate-fuzz-import-%d", (int)getpid());
	for (size_t i = 0; i < COUNT(folders); i++) {
		path_of(path, folders[i]);
		(void)mkdir(path, 0700);
	}
}

static void
put(const struct import_text *files, size_t n)
{
	char path[256];
	FILE *f;

	for (size_t i = 0; i < n; i++) {
		path_of(path, files[i].path);
		f = fopen(path, "w");
		if (f == NULL ||
		    fwrite(files[i].text.p, 1, files[i].text.n, f) != files[i].text.n ||
		    fclose(f) != 0)
			abort();
	}
}

static void
loads(const struct import_text *files, size_t n)
{
	struct core_settings core;
	struct settings *s;
	struct buf problems;
	struct err e;
	char path[256];

	put(files, n);
	buf_init(&problems, 0);
	path_of(path, "tollgate.yaml");
	s = settings_load(path, &problems, &e);
	if (s == NULL) {
		(void)fprintf(stderr, "%s\n", e.text);
		abort();
	}
	settings_core(s, &core);
	if (!policies_check(&core, &problems)) {
		(void)fputs(buf_cstr(&problems), stderr);
		abort();
	}
	settings_free(&s);
	buf_fini(&problems);
	for (size_t i = 0; i < n; i++) {
		path_of(path, files[i].path);
		(void)unlink(path);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct import_text *files;
	struct import im;
	struct buf json;
	struct err e;
	size_t files_n;

	if (dir[0] == '\0')
		prepare();
	import_init(&im);
	err_clear(&e);
	if (!import_file(&im, "fuzz", "/srv/fuzz", (struct str){ (const char *)data, n }, &e)) {
		if (e.code == ERR_NONE || e.text[0] == '\0')
			abort();
	} else if (import_write(&im, &files, &files_n, &e)) {
		loads(files, files_n);
		buf_init(&json, 0);
		import_report_json(&im, files, files_n, &json);
		if (!buf_ok(&json))
			abort();
		buf_fini(&json);
	}
	import_fini(&im);
	return 0;
}
