# Sourced by the other scripts: virtual environments under .venv/, made once and remade when [project] in
# pyproject.toml changes.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "this needs Python 3.11 or newer; name one with: PYTHON=python3.11 $0" >&2
  exit 1
fi

# environment NAME REQUIREMENT...: makes .venv/NAME with these requirements ("." stands for this project, editable,
# with its extras) and sets $bin to its programs.
environment() {
  local name=$1 place=$root/.venv/$1 wanted
  shift
  wanted=$("$python" -c 'import sys, tomllib; print(sys.version, tomllib.load(open("pyproject.toml", "rb"))["project"])'
    printf '%s\n' "$@")
  bin=$place/bin
  if [ "$(cat "$place/stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "making .venv/$name (once; needs a package index)" >&2
    "$python" -m venv --clear "$place"
    "$bin/pip" install --quiet --disable-pip-version-check "$@" 2> >(grep -v "^WARNING: Location" >&2)
    printf '%s\n' "$wanted" >"$place/stamp"
  fi
}

light() { environment light -e '.[light-test,demo]'; }
tools() { environment tools -e '.[dev]'; }
# torch first and alone: its CPU build satisfies what the other packages ask for
trainer() { environment trainer 'torch==2.13.*' -e '.[trainer,test,demo]'; }
tflite() { environment tflite -e '.[tflite,test,demo]'; "$bin/pip" uninstall --quiet --yes ai-edge-litert >/dev/null 2>&1 || true; }
bench() { environment bench -e '.[bench,test]'; }

# Clarifai's own clients, which the service is tested with: each in a place of its own and without this project. They are
# made side by side; one that cannot be installed is a failure.
clients() {
  light
  pip=$bin/pip
  local making=() one
  python_client latest clarifai-grpc requests 'protobuf<7' & making+=($!) # its JSON channel cannot do with protobuf 7
  # and with the packages of its time
  python_client 8 clarifai-grpc==8.0.0 requests 'protobuf<3.20' 'googleapis-common-protos<1.60' & making+=($!)
  python_client sdk clarifai & making+=($!)
  node_client latest clarifai-nodejs-grpc@latest & making+=($!)
  node_client 8 clarifai-nodejs-grpc@8.0.0 & making+=($!)
  for one in "${making[@]}"; do wait "$one"; done
}

python_client() {
  local place=$root/.venv/client-$1 wanted
  shift
  wanted=$("$python" --version && printf '%s\n' "$@")
  if [ "$(cat "$place/stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "making ${place#"$root"/} (once; needs a package index)" >&2
    "$python" -m venv --clear --without-pip "$place"
    "$pip" --python "$place/bin/python" install --quiet --no-compile --disable-pip-version-check "$@" \
      2> >(grep -v "^WARNING: Location" >&2)
    printf '%s\n' "$wanted" >"$place/stamp"
  fi
}

node_client() {
  local place=$root/.cache/clients/node-$1 wanted=$2
  if ! command -v npm >/dev/null; then
    echo "the Node clients need Node.js and npm: apt-get install nodejs npm" >&2
    return 1
  fi
  if [ "$(cat "$place/stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "making ${place#"$root"/} (once; needs a package index)" >&2
    rm -rf "$place"
    mkdir -p "$place"
    npm install --silent --no-audit --no-fund --prefix "$place" "$wanted"
    printf '%s\n' "$wanted" >"$place/stamp"
  fi
}
