#!/bin/sh
# Runs every unit program and every scenario, at most two at a time, each with a time limit.
# One line per program, a failure's output under its line; the last line is "N passed, N failed",
# counted in test programs.  A scenario whose needs are absent fails: nothing is skipped.  Those
# with real agents are listed where those are there, and else named in a line each.
#
#   sh tests/run.sh               everything
#   sh tests/run.sh b_ unit/json  only programs whose name holds one of these
#
# B is the build folder (default build).
set -u
cd "$(dirname "$0")/.."
B=${B:-build}
export B
out=$(mktemp -d /tmp/tollgate-tests-XXXXXX) || exit 2
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT TERM

# The agents that each of tests/e2e/ needs.
needs() {
	case $1 in
	tests/e2e/claude.lua) echo claude ;;
	*) echo codex gemini ;;
	esac
}
absent() { # why this one cannot run; nothing when it can
	for agent in $(needs "$1"); do
		why=$(sh tests/e2e/find.sh "$agent") || { echo "$why"; return; }
	done
}
list() {
	for f in tests/unit/*.c; do
		[ -e "$f" ] && echo "unit/$(basename "$f" .c)"
	done
	for f in tests/[a-s]_*.lua; do
		[ -e "$f" ] && echo "$f"
	done
	for f in tests/e2e/*.lua; do
		[ -n "$(absent "$f")" ] || echo "$f"
	done
}
wanted() { # name, then the words
	name=$1
	shift
	[ $# -gt 0 ] || return 0
	for w; do
		case $name in *"$w"*) return 0 ;; esac
	done
	return 1
}
for f in tests/e2e/*.lua; do
	why=$(absent "$f")
	[ -z "$why" ] || ! wanted "$f" "$@" || echo "not counted: $f ($why)"
done
list | while read -r name; do
	wanted "$name" "$@" && echo "$name"
done >"$out/list"

# One test program: its output and result go to files, its line to standard output.
cat >"$out/one" <<'ONE'
name=$1 out=$2
log=$out/$(echo "$name" | tr / _)
case $name in
# It locks itself, and what is locked is the plain build: sanitizers need forbidden system calls.
unit/sandbox_lock) limit=300 cmd=build/$name ;;
unit/*) limit=300 cmd=$B/$name ;;
tests/s_*) limit=600 cmd="$B/rig $name" ;;
tests/e2e/*)
	limit=300 cmd="$B/rig $name"
	CLAUDE=$(sh tests/e2e/find.sh claude) CODEX=$(sh tests/e2e/find.sh codex) GEMINI=$(sh tests/e2e/find.sh gemini)
	export CLAUDE CODEX GEMINI
	;;
*) limit=120 cmd="$B/rig $name" ;;
esac
timeout -k 5 "$limit" $cmd >"$log.log" 2>&1 </dev/null
rc=$?
if [ "$rc" -eq 0 ] && [ "$(tail -n 1 "$log.log" | grep -cE '^[0-9]+ passed, 0 failed$')" -eq 1 ]; then
	echo "ok $name ($(tail -n 1 "$log.log"))"
	echo 1 >"$log.ok"
else
	[ "$rc" -ne 124 ] || echo "the time limit of $limit s is over" >>"$log.log"
	{
		echo "not ok $name (exit $rc)"
		grep -v '^ok' "$log.log" | tail -n 200 | sed 's/^/    /'
	} >"$log.text"
	cat "$log.text"
fi
ONE
xargs -P 2 -I NAME sh "$out/one" NAME "$out" <"$out/list"
total=$(wc -l <"$out/list")
passed=$(find "$out" -name '*.ok' | wc -l)
echo "$passed passed, $((total - passed)) failed"
[ "$total" -gt 0 ] && [ "$passed" -eq "$total" ]
