#!/bin/sh
# Name the other Pythons of this machine that can build mboxio: 3.12 3.13
# usage: tools/pythons.sh PYTHON          without this one's version
#        tools/pythons.sh --path VERSION  where one of them is
set -u
tools=$(dirname "$0")

# Of several, the first on the PATH; else pyenv's newest.
find_python() {
    for each in "$(command -v "python$1")" \
        $(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python 2>/dev/null | sort -rV); do
        if [ -n "$each" ] && "$tools/doctor.sh" "$each" 2>/dev/null; then
            echo "$each"
            return
        fi
    done
}

if [ "$1" = --path ]; then
    find_python "$2"
    exit
fi
known=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for version in 3.11 3.12 3.13 3.14; do
    if [ "$version" != "$known" ] && [ -n "$(find_python $version)" ]; then
        echo "$version"
    fi
done
