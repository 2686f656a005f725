#!/bin/sh
# make lint: silent when all is well.
set -u
cd "$(dirname "$0")/.."
bad=0
sh tests/layers.sh || bad=1
src=$(git ls-files '*.c' '*.h' | grep -v '^tests/attacks/')
if command -v clang-format >/dev/null; then
	clang-format --dry-run -Werror $src 2>&1 | grep -E 'error:' | head -20 | grep . && bad=1
else
	echo "clang-format is missing: apt-get install clang-format" && bad=1
fi
if command -v cppcheck >/dev/null; then
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
	    --suppress=comparePointers:sandbox/worker/library.c \
	    --suppress=comparePointers:sandbox/worker/snippet.c \
	    --suppress=uninitvar:sandbox/worker/calls.c --suppress=nullPointerRedundantCheck \
	    --suppress=legacyUninitvar --suppress=missingIncludeSystem --suppress=nullPointerOutOfMemory -j 2 \
	    -I . -D_GNU_SOURCE $(git ls-files 'base/*.c' 'policies/*.c' 'sandbox/*.c' 'mcp/*.c' \
	    'codemode/*.c' 'gateway/*.c') >build/cppcheck.log 2>&1 || { cat build/cppcheck.log; bad=1; }
fi
# What has passed is not looked at again until it, one of its headers or .clang-tidy changes: two
# minutes the first time, seconds after that.
if [ "${TIDY:-1}" = 1 ] && command -v clang-tidy >/dev/null && command -v clang >/dev/null; then
	mkdir -p build/tidy
	git ls-files 'base/*.c' 'policies/*.c' 'sandbox/*.c' 'mcp/*.c' 'codemode/*.c' 'gateway/*.c' |
	    grep -v sandbox/worker/ | xargs -P 2 -n 4 sh -c '
		flags="-std=gnu17 -D_GNU_SOURCE -I."
		for f; do
			passed=build/tidy/$({ cat .clang-tidy; clang -E -C $flags "$f"; } | sha256sum | cut -c1-40)
			[ -e "$passed" ] && continue
			said=$(clang-tidy --quiet "$f" -- $flags 2>/dev/null)
			if [ -n "$said" ]; then echo "$said"; else : >"$passed"; fi
		done' tidy >build/tidy.log 2>&1
	grep -E 'error:|warning:' build/tidy.log | sort -u | head -40 | grep . && bad=1
fi
exit $bad
