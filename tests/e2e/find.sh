#!/bin/sh
# Prints the Claude Code binary to test with: $CLAUDE, what `make e2e` installed, or the one in PATH.
# Exit 1 and the reason when there is none, or no network namespace to keep it in.
set -eu
cd "$(dirname "$0")/../.."
bin=${CLAUDE:-}
[ -n "$bin" ] || bin=$PWD/build/e2e/node_modules/@anthropic-ai/claude-code-linux-x64/claude
[ -x "$bin" ] || [ -n "${CLAUDE:-}" ] || bin=$(command -v claude || true)
[ -n "$bin" ] && [ -x "$bin" ] || { echo "Claude Code is not installed: make e2e"; exit 1; }
unshare -n true 2>/dev/null || unshare -rn true 2>/dev/null ||
	{ echo "no network namespace for Claude Code: run as root, or allow user namespaces"; exit 1; }
echo "$bin"
