#!/bin/sh
# Unpack Debian's Python for another machine, with a launcher FOLDER/bin/python that runs it here.
# usage: tools/foreign_python.sh i386|arm64 FOLDER
#
# Nothing is installed and nobody has to be root: apt's own sources are asked for the packages, and a
# compiler for that machine, FOLDER/bin/gcc, finds its libraries there; FOLDER/bin/compile makes only
# objects, in less time where clang is installed.
set -eu
arch=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
root=$folder/root

case $arch in
i386) machine=i386-linux-gnu compiler=i686-linux-gnu-gcc loader=$root/lib/ld-linux.so.2 ;;
arm64) machine=aarch64-linux-gnu compiler=aarch64-linux-gnu-gcc loader= ;;
*)
    echo "no such machine here: $arch" >&2
    exit 2
    ;;
esac

state=$folder/apt
mkdir -p "$state/lists/partial" "$state/archives/partial" "$root" "$folder/bin"
: >"$state/status"
apt() {
    apt-get -q -o APT::Architecture="$arch" -o APT::Architectures::="$arch" \
        -o APT::Install-Recommends=0 -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
        -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state" "$@"
}
# A source that has nothing for this machine is no reason to stop: the next line would be.
apt update || true
apt install --yes --download-only python3 libpython3-dev libc6-dev
for package in "$state"/archives/*.deb; do
    dpkg-deb --extract "$package" "$root"
done
python=$(readlink -f "$root/usr/bin/python3")

if [ -n "$loader" ]; then
    libraries=$root/lib/$machine:$root/usr/lib/$machine
    emulator=
    run="setarch i686 '$loader' --argv0 \"\$0\" --library-path '$libraries'"
    link="-Wl,--dynamic-linker=$loader,-rpath,$libraries"
else
    # Tests run C programs with it.
    emulator="export MBOXIO_EMULATOR=\"qemu-aarch64-static -L '$root'\""
    run="qemu-aarch64-static -L '$root' -0 \"\$0\""
    link=
fi
printf '#!/bin/sh\n%s\nexec %s "%s" "$@"\n' "$emulator" "$run" "$python" >"$folder/bin/python"
headers=$root/usr/include/$(basename "$python")
printf '#!/bin/sh\nexec %s --sysroot="%s" -isystem "%s" %s "$@"\n' \
    "$compiler" "$root" "$headers" "$link" >"$folder/bin/gcc"
if command -v clang >/dev/null; then
    compile="clang --target=$machine --sysroot=\"$root\" -isystem \"$headers\""
else
    compile="\"$folder/bin/gcc\""
fi
printf '#!/bin/sh\nexec %s "$@"\n' "$compile" >"$folder/bin/compile"
chmod +x "$folder/bin/python" "$folder/bin/gcc" "$folder/bin/compile"
# An environment of that Python, so that what is installed does not lie among Debian's files.
printf 'home = %s\ninclude-system-site-packages = false\n' "$root/usr/bin" >"$folder/pyvenv.cfg"
mkdir -p "$folder/lib/$(basename "$python")/site-packages"
