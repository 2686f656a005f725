#!/bin/sh
# Installs the Debian packages that are missing, and says so in one line.  NO_DEPS=1: never.
set -eu
[ "${NO_DEPS:-}" = 1 ] && exit 0
command -v dpkg-query >/dev/null || { echo "not Debian: install $* yourself, then NO_DEPS=1" >&2; exit 0; }
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing what the build needs:$missing (NO_DEPS=1 skips this)"
log=$(mktemp)
if ! { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
    --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -20 "$log" >&2
	echo "apt-get could not install:$missing" >&2
	exit 1
fi
rm -f "$log"
