#!/bin/sh
# Runs every fuzz target that is built, for $1 seconds each, from its seeds; what it finds on the way
# is kept in no corpus.  The last line is "N passed, N failed", counted in targets.
set -u
cd "$(dirname "$0")/.."
out=$(mktemp -d /tmp/tollgate-fuzz-XXXXXX) || exit 2
trap 'rm -rf "$out"' EXIT
passed=0 failed=0
for f in tests/fuzz/*.c; do
	t=$(basename "$f" .c)
	seeds=tests/fuzz/corpus/$t
	[ -d "$seeds" ] || seeds=
	mkdir -p "$out/$t"
	if "build/fuzz/$t" -max_total_time="$1" -rss_limit_mb=4096 -artifact_prefix="$out/" "$out/$t" $seeds \
	    >"$out/log" 2>&1; then
		passed=$((passed + 1))
		echo "ok fuzz/$t ($(grep -oE 'Done [0-9]+ runs' "$out/log"))"
	else
		failed=$((failed + 1))
		echo "not ok fuzz/$t"
		tail -40 "$out/log" | sed 's/^/    /'
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
