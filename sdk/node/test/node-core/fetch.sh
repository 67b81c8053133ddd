#!/bin/sh
# Puts Node's own tests where the runner beside this file finds them. They are in the source package of Debian 12's
# nodejs, which apt-get verifies. Nothing is installed, and the machine's lists of package sources stay as they are.
set -eu
cd "$(dirname "$0")/../../../.."

want=target/sdk/node-core
if [ -d "$want/test/common" ]; then exit 0; fi
work=$want.new
rm -rf "$work"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/sources" "$work/parts"
cd "$work"
cat /etc/apt/sources.list 2>/dev/null | sed -n 's/^deb /deb-src /p' >parts/sources.list
for file in /etc/apt/sources.list.d/*.list; do
  [ -e "$file" ] && sed -n 's/^deb /deb-src /p' "$file" >"parts/$(basename "$file")"
done
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] && sed 's/^Types: .*/Types: deb-src/' "$file" >"parts/$(basename "$file")"
done
apt() {
  apt-get -qq -o Dir::Etc::sourcelist=- -o "Dir::Etc::sourceparts=$PWD/parts" -o "Dir::State::lists=$PWD/lists" \
    -o "Dir::Cache=$PWD/cache" -o APT::Sandbox::User=root "$@"
}
apt update
apt source --download-only nodejs/bookworm # That release, whatever updates there are.
tar -xJf nodejs_18.*.orig.tar.xz -C sources --strip-components=1 --exclude '*/fixtures/wpt' --wildcards \
  --no-wildcards-match-slash '*/LICENSE' '*/test/common' '*/test/fixtures' '*/test/parallel/test-worker*'
cd - >/dev/null
mv "$work/sources" "$want"
rm -rf "$work"
