#!/bin/sh
# yamllint.sh DIR: see to it that there is a yamllint, on the PATH or as DIR/yamllint,
# the latter from Debian's packages, unpacked and not installed. Status 1 and one
# sentence when it cannot be had.
set -eu
if command -v yamllint >/dev/null 2>&1; then
  exit 0
fi
mkdir -p "$1/yamllint.deb"
cd "$1"
dir=$PWD
missing() {
  rm -rf "$dir/yamllint.deb"
  echo "yamllint: not on this machine and $1; the style of YAML files is not checked" >&2
  exit 1
}
[ -x /usr/bin/python3 ] || missing "Debian's python3 is not there to run it"
command -v apt-get >/dev/null 2>&1 || missing "this is no Debian to get it from"
cd yamllint.deb
# A stale list names files that are gone: one update is tried.
packages="yamllint python3-yaml python3-pathspec"
# shellcheck disable=SC2086 # a list
apt-get download -qq $packages >/dev/null 2>&1 ||
  { apt-get update -qq >/dev/null 2>&1 && apt-get download -qq $packages >/dev/null 2>&1; } ||
  missing "apt-get cannot download it"
for package in *.deb; do
  dpkg-deb --extract "$package" . || missing "$package cannot be unpacked"
  rm "$package"
done
cat >../yamllint.new <<SCRIPT
#!/bin/sh
PYTHONPATH=$dir/yamllint.deb/usr/lib/python3/dist-packages exec /usr/bin/python3 -m yamllint "\$@"
SCRIPT
chmod +x ../yamllint.new
mv ../yamllint.new ../yamllint
