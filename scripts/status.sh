#!/usr/bin/env bash
# Shows where the rule is deployed and where it is not, and why; puts the pack again where that helps.
# shellcheck source=scripts/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/lib-deploy.sh
source scripts/lib-deploy.sh

usage() {
    cat <<'HELP'
usage: scripts/status.sh [account | organization] [--all] [--fix]

Shows the accounts of which the function's stack or the rule's conformance pack is not as it should be, and why: this
account (the default) or those of the organization.

  --all  show the others, too
  --fix  put the pack again, as it was put, if it failed in an account whose function is there by now: a new account
         may get the pack before the function that it needs

Exit status: 0 all is well, 1 something is not, 2 wrong usage.

HELP
    describe_settings CALL_AS MANAGEMENT_PROFILE ORGANIZATION_STACK_NAME STACK_NAME PACK_NAME PACKAGE_DIR
}

# By account id: the state of the function's stack, that of the pack, and what is said of them.
declare -A functions=() rules=() reasons=()

# What this caller cannot see is told by the rule, which would have failed without the function.
function_well() { [[ $1 =~ ^(unknown|CURRENT|CREATE_COMPLETE|UPDATE_COMPLETE|UPDATE_ROLLBACK_COMPLETE)$ ]]; }

rule_well() { [[ $1 =~ ^(CREATE|UPDATE)_(COMPLETE|SUCCESSFUL)$ ]]; }

# ---- Reading -------------------------------------------------------------------------------------------------------

read_account() {
    step "The function and the rule of this account" \
        "the caller needs cloudformation:DescribeStacks and config:DescribeConformancePackStatus"
    ask_stack "$STACK_NAME" ''
    functions[$account]=${state:-none}
    ask_pack_state
    rules[$account]=${state:-none}
    reasons[$account]=${reason#None}
}

read_organization() {
    local id status code message
    step "The functions" "the caller needs cloudformation:ListStackInstances; a delegated administrator needs CALL_AS=DELEGATED_ADMIN"
    ask_instances
    if ! dry_run; then
        while IFS=$'\t' read -r id status _ message; do
            note functions "$id" "$status" "${message#None}"
        done <<<"$answer"
    fi
    if reaches_management; then
        ask_stack "$STACK_NAME" '' "${management_options[@]}"
        if [[ -n $state ]]; then functions[$management]=$state; fi
    fi

    step "The rule" "put the pack first: scripts/deploy-organization.sh; a pack is seen only by the account that put it"
    ask rules aws configservice get-organization-conformance-pack-detailed-status \
        --organization-conformance-pack-name "$PACK_NAME" \
        --query 'OrganizationConformancePackDetailedStatuses[].[AccountId, Status, ErrorCode, ErrorMessage]' --output text
    if dry_run; then return; fi
    if ! reaches_management && [[ $answer == *"$management"* ]]; then functions[$management]=unknown; fi
    while IFS=$'\t' read -r id status code message; do
        code=${code#None}
        message=${message#None}
        note rules "$id" "$status" "$code${code:+${message:+: }}$message"
    done <<<"$answer"
}

# note functions|rules ACCOUNT STATE REASON. A reason of several lines comes as lines of their own, without an account.
note() {
    if [[ $2 =~ ^[0-9]{12}$ ]]; then
        last=$2
        case $1 in
            functions) functions[$2]=$3 ;;
            rules) rules[$2]=$3 ;;
        esac
        if [[ -n $4 ]]; then reasons[$2]+=${reasons[$2]:+; }$4; fi
    elif [[ -n $2 ]]; then
        reasons[$last]+=" $2${3:+ $3}${4:+ $4}"
    fi
}

# ---- Showing -------------------------------------------------------------------------------------------------------

# Prints the table; what is not well is counted in `bad`, what putting the pack again may mend in `fixable`.
show_table() {
    local id function rule rows='' total=0 without=0
    bad=0
    fixable=0
    for id in $(printf '%s\n' "${!functions[@]}" "${!rules[@]}" | sort -u); do
        function=${functions[$id]:-none}
        rule=${rules[$id]:-none}
        total=$((total + 1))
        if [[ $scope == organization && $rule == none ]] && function_well "$function"; then
            # Excluded from the pack; or new, and the pack is on its way.
            without=$((without + 1))
            if ((!all)); then continue; fi
        elif ! function_well "$function" || ! rule_well "$rule"; then
            bad=$((bad + 1))
            if function_well "$function" && [[ $rule == *_FAILED ]]; then fixable=$((fixable + 1)); fi
        elif ((!all)); then
            continue
        fi
        rows+=$(printf '%-14s%-26s%-20s%s' "$id" "$function" "$rule" "${reasons[$id]:-}")$'\n'
    done
    if [[ -n $rows ]]; then
        printf '%-14s%-26s%-20s%s\n' ACCOUNT FUNCTION RULE WHY
        # No blanks at the ends of lines.
        printf '%s' "$rows" | sed 's/ *$//'
        echo
    fi
    printf '%s' "$((total - bad - without)) of $total accounts have the function and the rule"
    if ((without)); then printf '%s' ", $without the function without the rule (excluded, or new)"; fi
    if ((bad)); then printf '%s' ", $bad to look at"; fi
    echo
}

read_and_show() {
    functions=() rules=() reasons=()
    "read_$scope"
    if ! dry_run; then show_table; fi
}

# ---- Mending -------------------------------------------------------------------------------------------------------

# With the template that is here, and the parameters and exclusions that the pack has. Whether it is the one with
# remediation, the stack knows.
put_again() {
    local parameters excluded=() stack=$STACK_NAME
    if [[ $scope == organization ]]; then stack=$ORGANIZATION_STACK_NAME; fi
    step "Put the pack $PACK_NAME again" "see what AWS says above"
    ask_stack "$stack" "Parameters[?ParameterKey == 'RemediatorKey' && ParameterValue].ParameterValue | [0]"
    if [[ -n $answer && $answer != None ]] && ! dry_run; then REMEDIATION=1; fi
    choose_pack
    ask_pack 'ConformancePackInputParameters[]' json
    parameters=$(compact <<<"$answer")
    if [[ $scope == organization ]]; then
        ask_pack 'ExcludedAccounts[]' text
        read -r -a excluded <<<"$answer"
    fi
    put_pack "$parameters" "${excluded[@]}"
}

# ---- All together --------------------------------------------------------------------------------------------------

scope=account
all=0
fix=0
for argument; do
    case $argument in
        --help | -h) usage && exit ;;
        --all) all=1 ;;
        --fix) fix=1 ;;
        account | organization) scope=$argument ;;
        *) misuse "unknown argument '$argument'" ;;
    esac
done
start

step "Who calls" "$sign_in"
ask_account
if [[ $scope == organization ]]; then
    ask_organization
    check_management_profile
fi
read_and_show

if ((fix)) && { dry_run || ((fixable)); }; then
    if dry_run; then say "" && say "# where the pack failed in an account whose function is there:"; fi
    put_again
    read_and_show
elif dry_run; then
    :
elif ((fixable)); then
    say ""
    say "$fixable of them have the function by now: $program $scope --fix puts the pack again."
elif ((fix && bad)); then
    say ""
    say "Putting the pack again would not help: see the reasons."
fi
dry_run || ((bad == 0))
