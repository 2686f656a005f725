#!/bin/sh
# make bench: Tollgate with governance and audit on, its data on disk, beside nginx's plain
# proxy_pass, in one run of interleaved rounds.  The server has core 0 to itself, the load and the
# mock provider share core 1.  CPU is the sum over all threads and descendants of the server, from
# /proc/PID/task/*/schedstat, so the audit's writer and the workers are paid for.
#
# Any reply that is not 2xx, and any socket error, fails the run.  One table in Markdown comes out,
# medians over the rounds.  ROUNDS and SECS make it longer; the defaults stay under five minutes.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
ROUNDS=${ROUNDS:-3}
SECS=${SECS:-3}
IDLE=${IDLE:-10000}
D=$PWD/build/bench/run
nginx=$(command -v nginx || echo /usr/sbin/nginx)
pids=
stop() {
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM
die() {
	echo "bench: $*" >&2
	exit 1
}

rm -rf "$D"
mkdir -p "$D/data" "$D/policies/root"
ulimit -n 60000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -gt $((IDLE + 2000)) ] || die "$IDLE idle connections need a higher limit of open files"

await() { # what, seconds, command...
	what=$1 n=$(($2 * 50))
	shift 2
	while ! "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ $n -gt 0 ] || die "$what did not start"
		sleep 0.02
	done
}

# ---- the three servers ----
taskset -c 1 build/bench/mock 200 >"$D/mock.out" &
pids="$pids $!"
await mock 5 grep -q port "$D/mock.out"
mock=$(awk '{ print $2 }' "$D/mock.out")

ng=$((20000 + $$ % 20000))
sed "s|@DIR@|$D|g; s|@PORT@|$ng|g; s|@MOCK@|$mock|g" bench/nginx.conf >"$D/nginx.conf"
taskset -c 0 "$nginx" -c "$D/nginx.conf" -p "$D" 2>"$D/nginx.err" &
ng_pid=$!
pids="$pids $ng_pid"
answers() { build/bench/sse idle "$1" 1 </dev/null; }
await nginx 5 answers "$ng"

cat >"$D/tollgate.yaml" <<YAML
version: 1
listen:
  - { address: "127.0.0.1:0", serves: [model, mcp, admin, metrics] }
data: ./data
providers:
  anthropic: { kind: anthropic, url: "http://127.0.0.1:$mock", key: env:BENCH_PROVIDER_KEY }
models:
  claude-sonnet-4-6: { provider: anthropic }
prices: prices.yaml
servers:
  bench: { url: "http://127.0.0.1:$mock/mcp" }
policies: policies/
YAML
cat >"$D/prices.yaml" <<YAML
version: 1
date: 2026-08-01
models:
  claude-sonnet-4-6: { input: 3, output: 15, cache_write: 3.75, cache_read: 0.30, max_output: 64000 }
YAML
cat >"$D/policies/root/bench.yaml" <<YAML
version: 1
organisation:
  zone: UTC
  customers:
    acme:
      budget: 100000000 USD/month
      teams:
        payments:
          budget: 10000000 USD/month
          users:
            ana: { budget: 1000000 USD/month }
policy: bench
owner: "#bench"
applies_to: { customers: [acme] }
rules:
  - allow: "bench/*"
  - allow: "model:*"
YAML
BENCH_PROVIDER_KEY=sk-bench taskset -c 0 "$B/tollgate" run -c "$D/tollgate.yaml" >"$D/tollgate.out" 2>&1 &
tg_pid=$!
pids="$pids $tg_pid"
await tollgate 10 test -s "$D/data/run.json"
tg=$(grep -oE '127\.0\.0\.1:[0-9]+' "$D/data/run.json" | head -1 | cut -d: -f2)
KEY=$("$B/tollgate" key create --name bench --customer acme --team payments --user ana --json \
    -c "$D/tollgate.yaml" | grep -oE 'tg-[0-9A-Za-z]{40}')
export KEY
call='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bench__echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"arguments":{}}}'
called() {
	build/bench/sse ask "$tg" /mcp "$call" "authorization: Bearer $KEY" 'mcp-protocol-version: 2026-07-28' \
	    'accept: application/json, text/event-stream' 'mcp-method: tools/call' 'mcp-name: bench__echo' |
	    grep -q '"content"'
}
await "the tool server behind tollgate" 10 called

# ---- measuring ----
family() { # a process and all that descend from it
	echo "$1"
	for c in $(cat /proc/"$1"/task/*/children 2>/dev/null); do family "$c"; done
}
cpu_ns() {
	for p in $(family "$1"); do
		cat /proc/"$p"/task/*/schedstat 2>/dev/null
	done | awk '{ s += $1 } END { printf "%.0f\n", s }'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'; }
us() { # 1.23ms -> 1230
	awk -v t="$1" 'BEGIN { n = t + 0; if (t ~ /[0-9]ms/) n *= 1000; else if (t ~ /[0-9]s$/ && t !~ /us$/) n *= 1000000; printf "%.0f\n", n }'
}
# one SERVER PORT PID ROW KIND BYTES CONNECTIONS -> appends to files cpu, p50, p99, rps
one() {
	out=$D/wrk.out
	before=$([ "$3" = 0 ] && echo 0 || cpu_ns "$3")
	KIND=$5 BYTES=$6 taskset -c 1 wrk -t1 -c"$7" -d"${SECS}s" --timeout 10s --latency -s bench/post.lua \
	    "http://127.0.0.1:$2" >"$out" 2>&1 || die "wrk failed: $(cat "$out")"
	after=$([ "$3" = 0 ] && echo 0 || cpu_ns "$3")
	if grep -qE 'Non-2xx|Socket errors|post.lua:' "$out"; then
		cat "$out" >&2
		tail -5 "$D/tollgate.out" >&2
		die "$1 failed requests in row $4"
	fi
	n=$(awk '/requests in/ { print $1 }' "$out")
	[ "${n:-0}" -gt 0 ] || die "$1 answered nothing in row $4"
	[ "$3" = 0 ] || awk -v a="$before" -v b="$after" -v n="$n" 'BEGIN { printf "%.2f\n", (b - a) / n / 1000 }' >>"$D/$4.$1.cpu"
	us "$(awk '$1 == "50%" { print $2 }' "$out")" >>"$D/$4.$1.p50"
	us "$(awk '$1 == "99%" { print $2 }' "$out")" >>"$D/$4.$1.p99"
	awk '/Requests\/sec/ { printf "%.0f\n", $2 }' "$out" >>"$D/$4.$1.rps"
}
both() { # ROW KIND BYTES CONNECTIONS
	one nginx "$ng" "$ng_pid" "$@"
	one tollgate "$tg" "$tg_pid" "$@"
}
stream() { # SERVER PORT PID
	before=$(cpu_ns "$3")
	taskset -c 1 build/bench/sse "$2" 20 "$SECS" /anthropic/v1/messages "authorization: Bearer $KEY" \
	    "anthropic-version: 2023-06-01" >"$D/sse.out" || die "$1 failed streams: $(cat "$D/sse.out")"
	after=$(cpu_ns "$3")
	awk -v a="$before" -v b="$after" '{ printf "%.2f\n", (b - a) / $2 / 1000 }' "$D/sse.out" >>"$D/sse.$1.cpu"
	awk '{ print $4 }' "$D/sse.out" >>"$D/sse.$1.p50"
	awk '{ print $6 }' "$D/sse.out" >>"$D/sse.$1.p99"
	awk -v s="$SECS" '{ printf "%.0f\n", $2 / s }' "$D/sse.out" >>"$D/sse.$1.rps"
}
for _ in $(seq "$ROUNDS"); do
	both json1k messages 1024 32
	both json100k messages 102400 32
	both call call 1024 32
	stream nginx "$ng" "$ng_pid"
	stream tollgate "$tg" "$tg_pid"
	for row in serial1k:1024 serial100k:102400; do
		one direct "$mock" 0 "${row%:*}" messages "${row#*:}" 1
		both "${row%:*}" messages "${row#*:}" 1
	done
done
# Beside idle connections: each holds an answered request.
idle() { # SERVER PORT PID
	for _ in $(seq "$ROUNDS"); do one "$1" "$2" "$3" none messages 1024 32; done
	mkfifo "$D/hold.$1"
	taskset -c 1 build/bench/sse idle "$2" "$IDLE" <"$D/hold.$1" >"$D/idle.$1" &
	holder=$!
	exec 9>"$D/hold.$1"
	await "$IDLE idle connections at $1" 30 grep -q idle "$D/idle.$1"
	for _ in $(seq "$ROUNDS"); do one "$1" "$2" "$3" idle messages 1024 32; done
	exec 9>&-
	wait "$holder"
}
idle nginx "$ng" "$ng_pid"
idle tollgate "$tg" "$tg_pid"
rss=$(awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$tg_pid/status")
kill "$tg_pid"
wait "$tg_pid" || die "tollgate did not stop cleanly: $(tail -3 "$D/tollgate.out")"
verify=$("$B/tollgate" audit verify -c "$D/tollgate.yaml") || die "audit verify: $verify"

# ---- the table ----
m() { median <"$D/$1.$2.$3"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0) ? a / b : 0 }'; }
met() { awk -v a="$1" -v b="$2" 'BEGIN { print (a <= b) ? "met" : "missed" }'; }
row() { # title, row, target
	a=$(m "$2" tollgate cpu) b=$(m "$2" nginx cpu)
	r=$(ratio "$a" "$b")
	echo "| $1 | $a | $b | $r | $3 $(met "$r" "${3#??}") | $(m "$2" tollgate rps) | $(m "$2" nginx rps) |"
}
added() { # title, row
	for q in p50 p99; do
		d=$(m "$2" direct $q)
		echo "| $1, $q | $d | +$(($(m "$2" tollgate $q) - d)) | +$(($(m "$2" nginx $q) - d)) |"
	done
}
{
	echo "Tollgate: governance and audit on, four budgets per request, data on disk. nginx: plain proxy_pass."
	echo "One core each; 20 request headers; medians of $ROUNDS rounds of $SECS s, interleaved."
	echo
	echo "| CPU per request or event | Tollgate us | nginx us | ratio | target | Tollgate /s | nginx /s |"
	echo "|---|---|---|---|---|---|---|"
	row "POST /anthropic/v1/messages, 1 KB" json1k '<=1.3'
	row "POST /anthropic/v1/messages, 100 KB" json100k '<=1.4'
	row "tools/call (modern), 1 KB" call '<=1.3'
	row "one SSE event, 20 streams at 1,000 events/s" sse '<=1.3'
	row "1 KB beside $IDLE idle connections" idle '<=1.3'
	r=$(ratio "$(m idle tollgate cpu)" "$(m none tollgate cpu)")
	echo "| the same, Tollgate against itself beside none | $(m idle tollgate cpu) | ($(m none tollgate cpu)) | $r | <=1.2 $(met "$r" 1.2) | | |"
	echo
	echo "| Added latency, one connection | direct us | Tollgate us | nginx us |"
	echo "|---|---|---|---|"
	added "1 KB" serial1k
	added "100 KB" serial100k
	echo "| SSE event, p50 | | $(m sse tollgate p50) | $(m sse nginx p50) |"
	r=$(ratio "$(m sse tollgate p99)" "$(m sse nginx p99)")
	echo "| SSE event, p99 (<=1.5x nginx: $r $(met "$r" 1.5)) | | $(m sse tollgate p99) | $(m sse nginx p99) |"
	echo
	echo "Gateway memory at the end: $rss MB. audit verify: $verify."
} | tee "$D/table.md"
