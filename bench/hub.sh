#!/bin/sh
# make bench-hub: what the MCP hub costs, in at most a minute.
#
#   tools/list       behind it twenty servers: sixteen that work, one that never answers, one that
#                    dies each second, one with broken definitions, one with 2,000 tools.  Every
#                    page is a request; the latency is the client's, over loopback.
#   memory           of an idle legacy session and of a listen stream: the gateway's resident memory
#                    with IDLE of them, less that without, by IDLE.
#
# The gateway has core 0, the client core 1.  LISTS and IDLE make it shorter or longer.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
LISTS=${LISTS:-3000}
IDLE=${IDLE:-10000}
D=$PWD/build/bench/hub
S=$D.servers
pid=
stop() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	wait 2>/dev/null || true
	pid=
}
trap stop EXIT
trap 'exit 130' INT TERM
die() {
	echo "bench: $*" >&2
	exit 1
}
ulimit -n 60000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -gt $((IDLE + 500)) ] || die "$IDLE streams need a higher limit of open files"

await() { # what, seconds, command...
	what=$1 n=$(($2 * 50))
	shift 2
	while ! "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ $n -gt 0 ] || die "$what did not come: $(tail -3 "$D/out")"
		sleep 0.02
	done
}
# start KEYS: with the servers in the file $S
start() {
	rm -rf "$D"
	mkdir -p "$D/data" "$D/policies/root"
	{
		printf 'version: 1\ndata: ./data\npolicies: policies/\nlisten:\n'
		printf '  - { address: "127.0.0.1:0", serves: [mcp, metrics] }\npin: off\nservers:\n'
		cat "$S"
	} >"$D/tollgate.yaml"
	cat >"$D/policies/root/bench.yaml" <<-'YAML'
		version: 1
		organisation:
		  customers:
		    acme: { teams: { payments: { users: { ana: {} } } } }
		policy: bench
		owner: "#bench"
		applies_to: { customers: [acme] }
		rules:
		  - allow: "any/*"
	YAML
	taskset -c 0 "$B/tollgate" run -c "$D/tollgate.yaml" >"$D/out" 2>&1 &
	pid=$!
	await "the gateway" 20 test -s "$D/data/run.json"
	port=$(grep -oE '127\.0\.0\.1:[0-9]+' "$D/data/run.json" | head -1 | cut -d: -f2)
	KEYS=
	for i in $(seq "$1"); do
		KEYS="$KEYS $("$B/tollgate" key create --name "k$i" --customer acme --team payments --user ana \
		    --json -c "$D/tollgate.yaml" | grep -oE 'tg-[0-9A-Za-z]{40}')"
	done
	export KEYS
}
mcp() { taskset -c 1 build/bench/mcp "$@"; }
rss() { awk '/VmRSS/ { print $2 }' "/proc/$pid/status"; }
holds() { # what, how many: as the gateway itself counts them
	n=$(mcp count "$port" "tollgate_mcp_$1")
	[ "$n" -eq "$2" ] || die "the gateway holds $n $1, not $2"
}
met() { awk -v a="$1" -v b="$2" 'BEGIN { print (a <= b) ? "met" : "missed" }'; }

# ---- twenty servers ----
{
	for i in 1 2 3 4 5 6 7 8; do
		echo "  new$i: { command: [$B/demo-server] }"
		echo "  old$i: { command: [$B/demo-server, --legacy] }"
	done
	echo "  hang: { command: [$B/demo-server, --mute] }"
	echo "  dies: { command: [/bin/sleep, '1'] }"
	echo "  broken: { command: [$B/demo-server, --malformed] }"
	echo "  many: { command: [$PWD/build/bench/mcp, serve, '2000'] }"
} >"$S"
start 1
listed() { mcp list "$port" 10 | grep -qE '^tools (209[6-9]|2[1-9])'; }
await "the whole list" 20 listed
cpu_ns() { cat /proc/"$pid"/task/*/schedstat | awk '{ s += $1 } END { printf "%.0f\n", s }'; }
before=$(cpu_ns)
lists=$(mcp list "$port" "$LISTS") || die "tools/list failed"
cpu=$(awk -v a="$before" -v b="$(cpu_ns)" -v n="$LISTS" 'BEGIN { printf "%.0f", (b - a) / n / 1000 }')
stop

# ---- memory ----
echo "  notes: { command: [$B/demo-server] }" >"$S"
start 25
mcp sessions "$port" 100 >/dev/null # what the first ones bring with them
before=$(rss)
mcp sessions "$port" "$IDLE" >/dev/null || die "sessions failed: $(tail -3 "$D/out")"
after=$(rss)
holds sessions $((IDLE + 100))
session=$(awk -v a="$before" -v b="$after" -v n="$IDLE" 'BEGIN { printf "%.2f", (b - a) / n }')
stop
start 25
mkfifo "$D/hold"
before=$(rss)
mcp streams "$port" "$IDLE" <"$D/hold" >"$D/streams" &
holder=$!
exec 9>"$D/hold"
await "$IDLE streams" 60 grep -q streams "$D/streams"
after=$(rss)
holds streams "$IDLE"
exec 9>&-
wait "$holder"
stream=$(awk -v a="$before" -v b="$after" -v n="$IDLE" 'BEGIN { printf "%.2f", (b - a) / n }')

# ---- the table ----
# shellcheck disable=SC2086
set -- $lists
echo "Twenty servers, one hanging, one dying, one broken, one with 2,000 tools; $2 tools in $4 pages; $LISTS requests."
echo
echo "| What | figure | target |"
echo "|---|---|---|"
echo "| tools/list, one page, CPU of the gateway | $cpu us | |"
echo "| tools/list, one page, p50 | $6 us | |"
echo "| tools/list, one page, p99 | $8 us | <=5000 us $(met "$8" 5000) |"
echo "| tools/list, one page, max | ${10} us | |"
echo "| memory per idle legacy session, at $IDLE | $session KiB | <=16 KiB $(met "$session" 16) |"
echo "| memory per listen stream, at $IDLE | $stream KiB | <=16 KiB $(met "$stream" 16) |"
