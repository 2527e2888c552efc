#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what the browser tests need: Debian's Chromium, and the npm packages of package-lock.json
# into build/tests/browser. Does nothing where all is there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
into=$top/build/tests/browser

"$top/configs/deps.sh" browser
command -v npm >/dev/null || "$top/configs/deps.sh" npm

mkdir -p "$into"
exec 9>"$into/lock"
flock 9
cmp -s "$here/package-lock.json" "$into/installed" && exit
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$into/"
(cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1 9>&-) || {
	cat "$into/npm.log" >&2
	echo "install: npm could not install the packages of $here/package-lock.json" >&2
	exit 1
}
cp "$here/package-lock.json" "$into/installed"
