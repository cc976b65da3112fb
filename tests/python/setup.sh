#!/usr/bin/env bash
# Sets up in target/python what tests/moto.rs, tests/emulator.rs, tests/templates.rs, tests/preventive.rs, tests/formats.rs,
# tests/terminal.rs and tests/html.rs need: a virtual environment with moto and validators, AWS's Lambda runtime interface
# emulator, AWS's CloudFormation Guard, and axe-core, which judges the accessibility of a page. Does nothing if all are there;
# may run twice at once.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
target=$(cd -- "$here/../.." && pwd)/target
python=$target/python

# The wheel of the AWS SAM CLI has AWS's own build of the emulator in it; nothing else of it is used.
sam_cli="aws-sam-cli==1.170.0 --hash=sha256:24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf"
# AWS's validator plugin for its CDK has AWS's own build of cfn-guard in it, in an archive in the wheel.
cdk_validator="cdklabs.cdk-validator-cfnguard==0.0.62 --hash=sha256:83c9c9a086de47637611f414ca90200db97e7b8cd3c4a69475b5f81034bd4b45"
case $(uname -m) in
    x86_64) rie=samcli/local/rapid/aws-lambda-rie-x86_64 guard=package/bin/ubuntu/x86_64/cfn-guard ;;
    aarch64 | arm64) rie=samcli/local/rapid/aws-lambda-rie-arm64 guard=package/bin/ubuntu/aarch64/cfn-guard ;;
    *) echo "setup.sh: AWS has no runtime interface emulator for $(uname -m)" >&2 && exit 1 ;;
esac

# The wheel has the script of axe-core in it; nothing else of it is used.
axe="axe-playwright-python==0.1.8 --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8"

mkdir -p "$target"
exec 9>"$target/python.lock"
flock 9

# These files decide what is set up. The stamp is written last, so what was cut short is done again; `-x` is false also
# where the Python that the environment was made with is gone.
wanted=$(cat "$here"/requirements*.txt "$here/setup.sh" | sha256sum)
if [[ -x $python/bin/python && $(cat "$python/stamp" 2>/dev/null) == "$wanted" ]]; then
    exit 0
fi

echo "setup.sh: setting up $python" >&2
rm -rf "$python"
python3 -m venv "$python"
pip() {
    "$python/bin/python" -m pip "$@" --quiet --disable-pip-version-check --require-hashes --only-binary :all:
}
pip install --requirement "$here/requirements.txt"
pip install --requirement "$here/requirements-scripts.txt"
pip install --requirement "$here/requirements-preventive.txt"
pip install --requirement "$here/requirements-formats.txt"

pip download --no-deps --dest "$python/wheels" --requirement /dev/stdin <<<"$sam_cli"$'\n'"$axe"
member() {
    "$python/bin/python" -c '
import sys
import zipfile

wheel, member = sys.argv[1:]
sys.stdout.buffer.write(zipfile.ZipFile(wheel).read(member))
' "$@"
}
member "$python"/wheels/axe_playwright_python-*.whl axe_playwright_python/axe.min.js >"$python/axe.min.js"
member "$python"/wheels/aws_sam_cli-*.whl "$rie" >"$python/aws-lambda-rie"

pip download --no-deps --dest "$python/wheels" --requirement /dev/stdin <<<"$cdk_validator"
"$python/bin/python" - "$python"/wheels/cdklabs_cdk_validator_cfnguard-*.whl "$guard" >"$python/cfn-guard" <<'PYTHON'
import io
import sys
import tarfile
import zipfile

wheel, member = sys.argv[1:]
archive = zipfile.ZipFile(wheel)
(package,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
sys.stdout.buffer.write(tarfile.open(fileobj=io.BytesIO(archive.read(package))).extractfile(member).read())
PYTHON
chmod +x "$python/aws-lambda-rie" "$python/cfn-guard"
rm -r "$python/wheels"

echo "$wanted" >"$python/stamp"
