#!/usr/bin/env bash
# Makes the plan.json of every case, or of those named, from its *.tf and, where something exists already, its state.json.
# Needs Terraform and its AWS provider; reads no account.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

export AWS_ACCESS_KEY_ID=unused AWS_SECRET_ACCESS_KEY=unused CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for case in "${@:-*/}"; do
    for directory in $case; do
        name=$(basename "$directory")
        echo "$name"
        rm -rf "${work:?}/case"
        cp -r "$name" "$work/case"
        cp provider.tf "$work/case"
        if [[ -e $name/state.json ]]; then mv "$work/case/state.json" "$work/case/terraform.tfstate"; fi
        terraform -chdir="$work/case" init -input=false >/dev/null
        terraform -chdir="$work/case" plan -input=false -refresh=false -out=saved >/dev/null
        # At one time, so that the dates in the tags of the cases stay before and after it.
        terraform -chdir="$work/case" show -json saved |
            sed -E 's/"timestamp":"[^"]*"/"timestamp":"2026-03-02T10:15:01Z"/' >"$name/plan.json"
    done
done
