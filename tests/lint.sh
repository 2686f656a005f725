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
	    --suppress=uninitvar:sandbox/worker/calls.c --suppress=nullPointerRedundantCheck \
	    --suppress=legacyUninitvar --suppress=missingIncludeSystem --suppress=nullPointerOutOfMemory -j 2 \
	    -I . -D_GNU_SOURCE $(git ls-files 'base/*.c' 'policies/*.c' 'sandbox/*.c' 'mcp/*.c' \
	    'codemode/*.c' 'gateway/*.c') >build/cppcheck.log 2>&1 || { cat build/cppcheck.log; bad=1; }
fi
if [ "${TIDY:-1}" = 1 ] && command -v clang-tidy >/dev/null; then
	git ls-files 'base/*.c' 'policies/*.c' 'sandbox/*.c' 'mcp/*.c' 'codemode/*.c' 'gateway/*.c' |
	    grep -v sandbox/worker/ |
	    xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- -std=gnu17 -D_GNU_SOURCE -I. 2>/dev/null' tidy \
	    >build/tidy.log 2>&1
	grep -E 'error:|warning:' build/tidy.log | sort -u | head -40 | grep . && bad=1
fi
exit $bad
