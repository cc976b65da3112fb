#!/usr/bin/env bash
# Deploys the rule to an organization: a StackSet with the function for every account, then the organization conformance
# pack with the rule.
# shellcheck source=scripts/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/lib-deploy.sh
source scripts/lib-deploy.sh

scope=organization
# Parameters of the stack that are found out here.
set_here='OrganizationId|OrganizationalUnitIds|CallAs|ArtifactBucket|TemplateKey|ForwardTemplateKey|EvaluatorKey|RemediatorKey'
set_here+='|DeleteInactiveRuleParameters|Architecture'

usage() {
    cat <<'HELP'
usage: scripts/deploy-organization.sh [NAME=VALUE...]

Deploys the rule to the accounts of an organization, in the caller's region, after `make package`: as the management
account, or with CALL_AS=DELEGATED_ADMIN as a delegated administrator. Makes the bucket that all accounts read from,
uploads the function and its template, deploys them with a StackSet, then puts the organization conformance pack. Run
again, it updates what has changed.

A StackSet never deploys to the management account: that account gets a stack of its own, or, with
EXCLUDE_MANAGEMENT=1, no rule. Accounts outside ORG_UNITS get no function, so no rule either.

    ORG_UNITS=ou-ab12-11111111 scripts/deploy-organization.sh Profile=check-point

Exit status: 0 deployed everywhere, 1 something failed and nothing after it was run, 2 wrong usage.

HELP
    describe_parameters "$organization_template" "$set_here"
    echo
    describe_settings CALL_AS ORG_UNITS EXCLUDED_ACCOUNTS EXCLUDE_MANAGEMENT MANAGEMENT_PROFILE ORGANIZATION_STACK_NAME \
        STACK_NAME PACK_NAME ARTIFACT_BUCKET PACKAGE_DIR ARCHITECTURE REMEDIATION SKIP_PREFLIGHT
}

check_settings() {
    local unit excluded
    ORG_UNITS=${ORG_UNITS// /}
    for unit in ${ORG_UNITS//,/ }; do
        check_value "$organization_template" OrganizationalUnitIds "$unit" ORG_UNITS
    done
    for excluded in ${EXCLUDED_ACCOUNTS//,/ }; do
        if [[ ! $excluded =~ ^[0-9]{12}$ ]]; then misuse "EXCLUDED_ACCOUNTS has '$excluded', which is no account id"; fi
    done
    if [[ $EXCLUDE_MANAGEMENT == 0 ]] && ! reaches_management; then
        misuse "a delegated administrator cannot make the management account's stack: set MANAGEMENT_PROFILE, or EXCLUDE_MANAGEMENT=1"
    fi
    if [[ $CALL_AS == SELF && -n $MANAGEMENT_PROFILE ]]; then
        misuse "MANAGEMENT_PROFILE is for CALL_AS=DELEGATED_ADMIN: the caller is the management account"
    fi
}

# The units to deploy to: those given, or those of the stack as it is, or at first all.
find_units() {
    if [[ -n $ORG_UNITS ]]; then
        units=$ORG_UNITS
    elif [[ -z $units ]]; then
        ask root-id aws organizations list-roots --query 'Roots[].[Id]' --output text
        units=$answer
    fi
    stack_values[OrganizationalUnitIds]=$units
}

# The bucket comes first, for the StackSet needs what lies in it.
find_bucket() {
    step "The bucket that all accounts read from" "$(bucket_advice "$ARTIFACT_BUCKET")"
    if [[ -n $ARTIFACT_BUCKET ]]; then
        bucket=$ARTIFACT_BUCKET
        stack_values[ArtifactBucket]=$bucket
        check_bucket "$bucket"
        return
    fi
    advice=$(stack_advice "$ORGANIZATION_STACK_NAME")
    if dry_run; then
        say "# where there is none yet:"
    elif [[ -n $bucket ]]; then
        say "# it is there: $bucket"
        return
    fi
    deploy_stack "$ORGANIZATION_STACK_NAME" "$organization_template"
    ask_earlier
    if [[ -z $bucket ]]; then die "the stack $ORGANIZATION_STACK_NAME names no bucket" "$advice"; fi
}

deploy_stack_set() {
    local key
    upload_packages "$bucket"
    key=member-$(sha256 "$member_template").yaml
    upload_once "$bucket" "$member_template" "$key"
    stack_values[TemplateKey]=$key
    stack_values[ForwardTemplateKey]=
    if forwards_events; then
        key=forward-iam-events-$(sha256 "$forward_template").yaml
        upload_once "$bucket" "$forward_template" "$key"
        stack_values[ForwardTemplateKey]=$key
    fi
    step "The functions: StackSet $stack_set, by the stack $ORGANIZATION_STACK_NAME" "$(stack_advice "$ORGANIZATION_STACK_NAME")"
    deploy_stack "$ORGANIZATION_STACK_NAME" "$organization_template"
    wait_until "no operation on the StackSet $stack_set is under way" operations_done
}

deploy_to_management() {
    if [[ $EXCLUDE_MANAGEMENT == 1 ]]; then return; fi
    step "The function in the management account: stack $STACK_NAME" "$(stack_advice "$STACK_NAME" "${management_options[@]}")"
    stack_values[ArtifactBucket]=$bucket
    deploy_stack "$STACK_NAME" "$member_template" "${management_options[@]}"
    deploy_forwarding "${management_options[@]}"
}

# accounts_in UNIT: adds the accounts of a unit, and of those below it, to `inside`.
accounts_in() {
    local unit below
    ask accounts aws organizations list-accounts-for-parent --parent-id "$1" --query 'Accounts[].[Id]' --output text
    inside+=" ${answer//$'\n'/ }"
    ask units aws organizations list-organizational-units-for-parent --parent-id "$1" \
        --query 'OrganizationalUnits[].[Id]' --output text
    if dry_run; then
        say "# and so on for each unit below it"
        return
    fi
    below=$answer
    for unit in $below; do accounts_in "$unit"; done
}

# The accounts that get no rule, in `excluded`: those that settings exclude, and those that get no function.
find_excluded() {
    local id unit inside=
    excluded=()
    step "Accounts without the rule" \
        "the caller needs organizations:ListAccounts, ListAccountsForParent and ListOrganizationalUnitsForParent"
    for id in ${EXCLUDED_ACCOUNTS//,/ }; do exclude "$id" "EXCLUDED_ACCOUNTS"; done
    if [[ $EXCLUDE_MANAGEMENT == 1 ]]; then exclude "$management" "the management account, EXCLUDE_MANAGEMENT"; fi
    if includes_root "$units"; then return; fi
    for unit in ${units//,/ }; do accounts_in "$unit"; done
    # Organizations says State where it used to say Status.
    ask accounts aws organizations list-accounts --query "Accounts[?(State || Status) == 'ACTIVE'].[Id]" --output text
    if dry_run; then
        exclude '<accounts-outside>' "not in $units"
        return
    fi
    for id in $answer; do
        if [[ $id != "$management" && " $inside " != *" $id "* ]]; then exclude "$id" "not in $units"; fi
    done
}

includes_root() { [[ ,$1 == *,r-* || $1 == '<root-id>' ]]; }

# exclude ACCOUNT WHY
exclude() {
    if [[ " ${excluded[*]} " != *" $1 "* ]]; then
        excluded+=("$1")
        say "# $1: $2"
    fi
}

# Accounts that are to lose the function lose the rule first: it imports the function, which cannot go before it.
exclude_leaving() {
    local unit leaving=() also
    if dry_run || includes_root "$units"; then return; fi
    for unit in ${earlier_units//,/ }; do
        if [[ ,$units, != *",$unit,"* ]]; then leaving+=("$unit"); fi
    done
    if ((!${#leaving[@]})); then return; fi
    step "Take the rule from accounts that are only in ${leaving[*]}" "$pack_advice"
    ask_pack 'ExcludedAccounts[]' text
    read -r -a also <<<"$answer"
    ask_pack_state
    if [[ -z $state ]]; then
        say "# there is no pack yet"
        return
    fi
    mapfile -t also < <(printf '%s\n' "${excluded[@]}" "${also[@]}" | sort -u | grep .)
    put_pack "$(pack_values_json)" "${also[@]}"
    if pack_failed; then
        say "# the pack $PACK_NAME is in $state: $reason"
    fi
}

# Says which accounts the StackSet could not deploy to. The others get the rule all the same.
show_failed_functions() {
    local id status detail why
    ask_instances
    if dry_run; then return; fi
    while IFS=$'\t' read -r id status detail why; do
        if [[ $status == OUTDATED || $status == INOPERABLE ]]; then
            say "# account $id does not have the function as it should be: $status, $detail: $why"
        fi
    done <<<"$answer"
}

pack_advice='the caller needs what AWS asks of who puts an organization conformance pack: config:PutOrganizationConformancePack, organizations:ListDelegatedAdministrators and EnableAWSServiceAccess, iam:GetRole, iam:CreateServiceLinkedRole'

put_rule() {
    step "The rule: organization conformance pack $PACK_NAME" "$pack_advice"
    say_dropped_parameters
    put_pack "$(pack_values_json)" "${excluded[@]}"
    if pack_failed; then
        die "the pack $PACK_NAME is in $state: $reason" "scripts/status.sh organization says which accounts failed and why"
    fi
}

# ---- All together --------------------------------------------------------------------------------------------------

if [[ ${1:-} == --help || ${1:-} == -h ]]; then usage && exit; fi
start
check_settings
take_parameters "$organization_template" "$set_here" "$@"
find_packages "$organization_template"
preflight

step "Who calls" "$sign_in"
ask_account
ask_organization
check_management_profile
stack_values[OrganizationId]=$organization
stack_values[CallAs]=$CALL_AS

step "What is there" "the caller needs cloudformation:DescribeStacks, organizations:DescribeOrganization and ListRoots"
ask_earlier
earlier_units=$units
find_units
find_excluded
find_bucket
exclude_leaving
deploy_stack_set
show_failed_functions
deploy_to_management
put_rule

say ""
say "Done: organization $organization, $region."
say "In the console: AWS Config, Conformance packs, $PACK_NAME, in each account; all accounts: AWS Config, Aggregators."
say "Accounts that join later: scripts/status.sh organization --fix"
