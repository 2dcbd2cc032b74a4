#!/usr/bin/env bash
# Makes Temper's messages for Python, from proto/ into DIR [stubs beside this script].
# Uses grpcio-tools of the Python at hand (PYTHON), else protoc.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../../proto
out=${1:-$here/stubs}
python=${PYTHON:-python3}
mkdir -p "$out"
cd "$proto"
schemas=(temper/v1/*.proto)
if "$python" -c 'import grpc_tools' 2>/dev/null; then
  include=$("$python" -c 'import grpc_tools, os; print(os.path.join(os.path.dirname(grpc_tools.__file__), "_proto"))')
  "$python" -m grpc_tools.protoc -I . -I "$include" --python_out="$out" --grpc_python_out="$out" "${schemas[@]}"
elif command -v protoc >/dev/null; then
  protoc -I . --python_out="$out" "${schemas[@]}"
else
  echo "make_stubs: needs grpcio-tools (pip install grpcio-tools) or protoc (apt-get install protobuf-compiler)" >&2
  exit 1
fi
echo "make_stubs: $out"
