#!/bin/sh
# Puts Node's own tests where the runner beside this file finds them. They are in the source package of Debian 12's
# nodejs, which apt-get verifies. Nothing is installed, and the machine's list of package sources stays as it is.
set -eu
cd "$(dirname "$0")/../../../.."

want=target/sdk/node-core
if [ -d "$want/test/common" ]; then exit 0; fi
work=$want.new
rm -rf "$work"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/sources"
cd "$work"
signed=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$signed] http://deb.debian.org/debian bookworm main" >sources.list
apt() {
  apt-get -qq -o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$PWD/lists" \
    -o "Dir::Cache=$PWD/cache" -o APT::Sandbox::User=root "$@"
}
apt update
apt source --download-only nodejs
tar -xJf nodejs_18.*.orig.tar.xz -C sources --strip-components=1 --exclude '*/fixtures/wpt' --wildcards \
  --no-wildcards-match-slash '*/LICENSE' '*/test/common' '*/test/fixtures' '*/test/parallel/test-worker*'
cd - >/dev/null
mv "$work/sources" "$want"
rm -rf "$work"
