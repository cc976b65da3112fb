#!/usr/bin/env bash
# Deploys the rule to one account: the function's stack, then the conformance pack with the rule.
# shellcheck source=scripts/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/lib-deploy.sh
source scripts/lib-deploy.sh

scope=account
# Parameters of the stack that are found out here.
set_here='ArtifactBucket|EvaluatorKey|RemediatorKey|DeleteInactiveRuleParameters|Architecture'

usage() {
    cat <<'HELP'
usage: scripts/deploy-account.sh [NAME=VALUE...]

Deploys the rule to the account and region of the caller, after `make package`: uploads the function, makes its stack
and puts the conformance pack with the rule. Run again, it updates what has changed.

    scripts/deploy-account.sh SetupWindowSeconds=120 MaxExceptionDays=90

Exit status: 0 deployed, 1 something failed and nothing after it was run, 2 wrong usage.

HELP
    describe_parameters "$member_template" "$set_here"
    echo
    describe_settings STACK_NAME PACK_NAME ARTIFACT_BUCKET PACKAGE_DIR ARCHITECTURE REMEDIATION SKIP_PREFLIGHT
}

# Finds or makes the bucket; its name is in `bucket`.
find_bucket() {
    bucket=${ARTIFACT_BUCKET:-setup-keys-artifacts-$account-$region}
    step "The bucket for the functions" "$(bucket_advice "$bucket"); name another one as ARTIFACT_BUCKET"
    if [[ -n $ARTIFACT_BUCKET ]]; then
        check_bucket "$bucket"
        return
    fi
    # Where somebody else has taken this name, they do not get the code: the owner is checked with each call.
    local ours=(--bucket "$bucket" --expected-bucket-owner "$account") elsewhere=()
    ask_if_any '\(404\)' region aws s3api head-bucket "${ours[@]}" --query BucketRegion --output text
    if dry_run; then say "# where there is none yet:"; fi
    if dry_run || [[ -z $answer ]]; then
        # us-east-1 is the one region that is not named.
        if [[ $region != us-east-1 ]]; then elsewhere=(--create-bucket-configuration "LocationConstraint=$region"); fi
        run aws s3api create-bucket --bucket "$bucket" --object-ownership BucketOwnerEnforced "${elsewhere[@]}"
    fi
    run aws s3api put-public-access-block "${ours[@]}" --public-access-block-configuration \
        BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
}

put_rule() {
    step "The rule: conformance pack $PACK_NAME" \
        "the caller needs what AWS asks of who puts a conformance pack: config:PutConformancePack, iam:GetRole, iam:CreateServiceLinkedRole"
    say_dropped_parameters
    put_pack "$(pack_values_json)"
    if pack_failed; then
        die "the pack $PACK_NAME is in $state: $reason" \
            "mend the cause and run $program again; never edit or delete the pack's own stack (awsconfigconforms-...)"
    fi
}

# ---- All together --------------------------------------------------------------------------------------------------

if [[ ${1:-} == --help || ${1:-} == -h ]]; then usage && exit; fi
start
take_parameters "$member_template" "$set_here" "$@"
find_packages "$member_template"
preflight

step "Who calls" "$sign_in"
ask_account
find_bucket
upload_packages "$bucket"

step "The function: stack $STACK_NAME" "$(stack_advice "$STACK_NAME")"
stack_values[ArtifactBucket]=$bucket
deploy_stack "$STACK_NAME" "$member_template"
deploy_forwarding "${management_options[@]}"
put_rule

say ""
say "Done: account $account, $region."
say "In the console: AWS Config, Conformance packs, $PACK_NAME. Events that failed: the queue of the stack $STACK_NAME."
say "Later: scripts/status.sh account"
