#!/usr/bin/env bash
# Builds the Lambda functions for `provided.al2023` and zips them into target/package: for x86-64 always, for arm64 where
# the Rust target is installed (`rustup target add aarch64-unknown-linux-gnu`). With --hello, also what their start is compared
# with, benches/hello.rs, into target/bench.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
tools=target/package-tools
functions=(evaluator remediator)
hello=${1:-}

wanted=$(sha256sum <scripts/package-requirements.txt)
if [[ $(cat "$tools/stamp" 2>/dev/null) != "$wanted" ]]; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement scripts/package-requirements.txt
    echo "$wanted" >"$tools/stamp"
fi
PATH=$root/$tools/bin:$PATH
bom=$root/target/tools/cargo-cyclonedx-0.5.9
if ! [[ -x $bom/bin/cargo-cyclonedx ]]; then
    cargo install --quiet --locked --root "$bom" cargo-cyclonedx@0.5.9
fi

# Where the sources lie must not show in the binary: the same source, the same zip.
export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$root=/setup-keys"

export CARGO_TARGET_DIR=$root/target/package-build

mkdir -p target/package
for architecture in x86_64 aarch64; do
    triple=$architecture-unknown-linux-gnu
    if ! [[ -d $(rustc --print sysroot)/lib/rustlib/$triple ]]; then
        echo "package.sh: no Rust target $triple, so nothing is made for it" >&2
        continue
    fi
    case $architecture in
        x86_64) suffix= ;;
        aarch64) suffix=-arm64 ;;
    esac
    # `--disable-optimizations`: only our own profile holds. 2.34 is the glibc of Amazon Linux 2023.
    build=(cargo lambda build --quiet --profile lambda --locked --no-default-features --disable-optimizations
        --target "$triple.2.34" --lambda-dir "target/package-build/lambda-$architecture")
    for function in "${functions[@]}"; do
        "${build[@]}" --bin "$function"
        python3 scripts/package.py "target/package-build/lambda-$architecture/$function/bootstrap" \
            "target/package/$function$suffix.zip"
    done
    # What each is made of: a bill of materials (CycloneDX), the same for the same source wherever that lies.
    SOURCE_DATE_EPOCH=0 "$bom/bin/cargo-cyclonedx" cyclonedx -qq --format json --spec-version 1.5 --describe binaries \
        --no-default-features --no-build-deps --target "$triple"
    for function in "${functions[@]}"; do
        sed "s|file://$root|file:///setup-keys|g" "${function}_bin.cdx.json" >"target/package/$function$suffix.cdx.json"
    done
    rm -f -- *_bin.cdx.json
    if [[ $hello == --hello ]]; then
        "${build[@]}" --example hello
        mkdir -p target/bench
        cp "target/package-build/lambda-$architecture/hello/bootstrap" "target/bench/hello$suffix"
    fi
done
