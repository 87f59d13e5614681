#!/bin/sh
# Makes .venv with exactly what requirements.lock pins, and the project itself in it. Returns at once when nothing changed.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/millrace.stamp
# 0: usable; 3: right version, but venv cannot put pip into a new environment; else not usable at all (a broken shim too).
CHECK='
import sys
if not (3, 11) <= sys.version_info[:2] < (3, 13): sys.exit(2)
import sqlite3, ssl, venv
try: import ensurepip
except ImportError: sys.exit(3)
'

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have_uv() { command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; }
packages() { grep -c '^[a-z0-9].*==' requirements.lock; }
lock_stamp() { printf 'lock %s in %s\n' "$(cksum <requirements.lock)" "$PWD"; }
project_stamp() { printf 'project %s\n' "$(cksum <pyproject.toml)"; }
stamped() { [ -x "$VENV/bin/python" ] && grep -qxF "$1" "$STAMP" 2>/dev/null && "$VENV/bin/python" -c '' 2>/dev/null; }

# Sets `python` to the first usable interpreter; `lame` to one that only lacks ensurepip.
find_python() {
    python='' lame=''
    for candidate in ${PYTHON:-} python3.12 python3.11 python3 python; do
        status=0
        "$candidate" -c "$CHECK" >/dev/null 2>&1 || status=$?
        case $status in
            0) python=$candidate; return ;;
            3) lame=${lame:-$candidate} ;;
        esac
    done
}

make_environment() {
    find_python
    rm -rf "$VENV"
    if have_uv; then
        uv venv -q --python "${python:-${lame:-3.12}}" "$VENV" || die "uv could not make an environment with Python 3.12"
        : >"$VENV/made-by-uv"
    elif [ -n "$python" ]; then
        "$python" -m venv "$VENV"
    elif [ -n "$lame" ]; then
        die "$lame cannot make environments: install its venv package (Debian, Ubuntu: apt-get install python3-venv) or uv."
    else
        die "Millrace needs Python 3.11 or 3.12: install one of them, or uv, which brings its own."
    fi
}

# Whatever made the environment installs into it: one made by uv has no pip.
install() {
    if [ -e "$VENV/made-by-uv" ]; then
        uv pip install -q --python "$VENV/bin/python" "$@"
    else
        # Compiling every module at once costs 20 s; Python does it for those that are imported.
        "$VENV/bin/python" -m pip --disable-pip-version-check install -q --no-compile "$@"
    fi
}

if ! stamped "$(lock_stamp)"; then
    make_environment
    say "installing $(packages) pinned packages into $VENV with $("$VENV/bin/python" -V) (seconds with uv, else half a minute)"
    install --require-hashes --only-binary :all: -r requirements.lock ||
        die "the installation failed, see above; glibc Linux on x86-64 or arm64 and macOS have all packages ready made."
    lock_stamp >"$STAMP"
fi
if ! stamped "$(project_stamp)"; then
    # Offline on purpose: what builds the project is in the lock file, nothing else may come in.
    install --no-deps --no-build-isolation --no-index -e . || die "the project itself could not be installed, see above"
    { lock_stamp; project_stamp; } >"$STAMP"
    say "ready: $VENV/bin/millrace"
fi
