#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing, of the kinds named as arguments; see packages.txt.
# Says what it is going to install before it does, and does nothing where all is there.
set -eu

list=$(dirname "$0")/packages.txt
kinds=" ${*:-build run} "

wanted=$(while read -r kind names; do
	case $kinds in
	*" $kind "*) echo "$names" ;;
	esac
done <"$list")

missing=
for package in $wanted; do
	case " $missing " in
	*" $package "*) continue ;;
	esac
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "deps: this is no Debian system; please install by hand:$missing" >&2
	exit 1
fi
root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps: needs root or sudo to install:$missing" >&2
		exit 1
	fi
	root="sudo"
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# Servers are started by Millrace itself or by tests, never by their packages.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null && $root chmod 755 $policy
	made=1
fi
trap '[ -z "$made" ] || $root rm -f $policy' EXIT
install() {
	# shellcheck disable=SC2086 # a list of names
	$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1
}
log=$(mktemp)
if ! install; then
	$root apt-get update -q >>"$log" 2>&1
	install || {
		tail -n 20 "$log" >&2
		echo "deps: apt-get could not install:$missing" >&2
		exit 1
	}
fi
rm -f "$log"
