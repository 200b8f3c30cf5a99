#!/bin/sh
# Name what this machine lacks to build and test, each with the command that installs it.
# usage: tools/doctor.sh [PYTHON]
python=${1:-python3}
status=0

lacks() {
    echo "missing: $1: $2" >&2
    status=1
}

command -v make >/dev/null || lacks make "apt-get install make"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    lacks "Python 3.11 or newer (tried: $python)" "apt-get install python3, or make PYTHON=..."
    exit 1
fi

"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    lacks "the venv module of $python" "apt-get install python3-venv"

compiler=${CC:-$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("CC"))')}
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
# $compiler may carry options.
if ! command -v ${compiler%% *} >/dev/null; then
    lacks "a C compiler (${compiler%% *})" "apt-get install gcc"
elif ! echo '#include <stdlib.h>' | $compiler -fsyntax-only -x c - 2>/dev/null; then
    lacks "the headers of the C library" "apt-get install libc6-dev"
fi
[ -e "$headers/Python.h" ] || lacks "Python.h of $python" "apt-get install python3-dev"

exit $status
