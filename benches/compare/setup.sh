#!/usr/bin/env bash
# Sets up in target/compare what benches/compare.rs measures setup-keys beside, each in a virtual environment of its own, since
# they want different versions of boto3: AWS's rdklib with its Lambda runtime interface client, and Prowler (2.3 GB, for it
# comes with the SDKs of every cloud that it knows; Python 3.10 to 3.13). Does nothing if both are there.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
target=$(cd -- "$here/../.." && pwd)/target/compare

mkdir -p "$target"
exec 9>"$target/lock"
flock 9

for name in rdklib prowler; do
    environment=$target/$name requirements=$here/requirements-$name.txt
    # Written last, so what was cut short is done again; `-x` is false also where the Python it was made with is gone.
    wanted=$(sha256sum <"$requirements")
    if [[ -x $environment/bin/python && $(cat "$environment/stamp" 2>/dev/null) == "$wanted" ]]; then
        continue
    fi
    echo "setup.sh: setting up $environment" >&2
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$requirements"
    echo "$wanted" >"$environment/stamp"
done
