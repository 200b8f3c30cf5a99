#!/usr/bin/env bash
# Fill dist/ with what a release uploads: the sources, a wheel for each Python of this machine, one for
# an ARM and one without compiled modules. Everything is built from the unpacked sources, as others would.
# usage: tools/wheels.sh TOOLS PYTHON    TOOLS: the folder of a Python with the group `release`
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD tools=$PWD/$1 python=$2
work=$root/build/wheels dist=$root/dist
tree=$work/tree

say() { printf '\n=== %s\n' "$*"; }

rm -rf "$dist" "$work/raw" "$work/new"
mkdir -p "$dist" "$work/raw" "$work/new"

say "sources"
"$tools/python" -m build --sdist --no-isolation --outdir "$dist" . >"$work/sdist.log" || {
    cat "$work/sdist.log"
    exit 1
}
# Files keep their times, so only what changed since the last time is compiled again.
tar -xf "$dist"/*.tar.gz -C "$work/new" --strip-components=1
if [ -d "$tree/build" ]; then
    rm -rf "$work/new/build"
    mv "$tree/build" "$work/new/build"
fi
rm -rf "$tree"
mv "$work/new" "$tree"
cd "$tree"

# A Python that was built with its library apart would have its folder on this machine searched for it.
link="${CC:-gcc} -shared"

wheel() { # wheel PYTHON FOLDER
    LDSHARED=$link "$tools/python" -m pip --disable-pip-version-check --quiet --python "$1" \
        wheel --no-build-isolation --no-deps --wheel-dir "$2" .
}

pythons=("$python")
for version in $("$root/tools/pythons.sh" "$python"); do
    pythons+=("$("$root/tools/pythons.sh" --path "$version")")
done
for each in "${pythons[@]}"; do
    version=$("$each" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "Python $version"
    own=$work/python$version
    [ -x "$own/bin/python" ] || "$each" -m venv --without-pip "$own"
    "$tools/python" -m pip --disable-pip-version-check --quiet --python "$own/bin/python" \
        install --group build
    LDSHARED=$link "$own/bin/python" setup.py --quiet build
    wheel "$own/bin/python" "$work/raw"
done

say "without compiled modules"
MBOXIO_PURE=1 wheel "$own/bin/python" "$dist"

# The launcher runs Debian's Python for that machine under an emulator; the compiler is this machine's.
if [ -e "$root/build/arm64/.deps" ]; then
    say "ARM, emulated"
    CC=$root/build/arm64/bin/gcc "$root/build/arm64/bin/python" setup.py --quiet build
    CC=$root/build/arm64/bin/gcc "$root/build/arm64/bin/python" setup.py --quiet bdist_wheel --dist-dir "$work/raw"
fi

say "the oldest Linux that each can run on"
for each in "$work"/raw/*.whl; do
    PATH=$tools:$PATH "$tools/auditwheel" repair --wheel-dir "$dist" "$each" 2>&1 | tail -1
done
ls -l "$dist"
