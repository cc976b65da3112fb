#!/usr/bin/env bash
# Says what would go wrong, before anything is made. Reads only.
# shellcheck source=scripts/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'HELP'
usage: scripts/preflight.sh [account | organization]

Checks that AWS Config records IAM users in this region (`account`, the default), and with `organization` also what
deploying to an organization needs. Changes nothing. Lists everything that is wrong, with what to do about it.

Exit status: 0 nothing is wrong (there may be warnings), 1 something is, 2 wrong usage.

HELP
    describe_settings CALL_AS EXCLUDE_MANAGEMENT MANAGEMENT_PROFILE
}

# Regions that AWS Config came to after February 2022: it cannot record IAM users there. The list grows.
regions_without_iam='ap-south-2 ap-southeast-4 ap-southeast-5 ap-southeast-7 ca-west-1 eu-central-2 eu-south-2
il-central-1 me-central-1 mx-central-1'

config_principal=config-multiaccountsetup.amazonaws.com
stacksets_principal=member.org.stacksets.cloudformation.amazonaws.com
aggregator_principal=config.amazonaws.com
pack_role=AWSServiceRoleForConfigConforms

# ---- Findings ------------------------------------------------------------------------------------------------------

problems=0

# finding KIND WHAT [WHAT-TO-DO]. In a dry run there is nothing to be found: the answers are placeholders.
finding() {
    if dry_run; then return; fi
    printf '%-8s %s\n' "$1" "$2"
    if [[ -n ${3:-} ]]; then printf '%-8s -> %s\n' "" "$3"; fi
}

ok() { finding ok "$1"; }

# The rule works, if less well.
warning() { finding warning "$1" "$2"; }

problem() {
    if dry_run; then return; fi
    problems=$((problems + 1))
    finding problem "$1" "$2"
}

# unread WHAT: a read failed; the others are still worth making.
unread() {
    problem "cannot read $1: ${complaint//$'\n'/ }" "let a caller run this who may do that"
}

# ---- AWS Config in this account and region ------------------------------------------------------------------------

check_region() {
    if [[ " ${regions_without_iam//$'\n'/ } " == *" $region "* ]]; then
        problem "AWS Config cannot record IAM users in $region" \
            "set AWS_REGION to the one region that records your IAM users, us-east-1 for example"
    fi
}

check_recorder() {
    # Asked for none by name, AWS Config names the customer's own. Old ones have no strategy, only allSupported.
    local users='AWS::IAM::User' query
    query="ConfigurationRecorders[0].[name,"
    query+=" recordingGroup.recordingStrategy.useOnly || recordingGroup.allSupported,"
    query+=" recordingGroup.includeGlobalResourceTypes,"
    query+=" recordingGroup.resourceTypes[?@ == '$users'] | [0],"
    query+=" recordingGroup.exclusionByResourceTypes.resourceTypes[?@ == '$users'] | [0],"
    query+=" (recordingMode.recordingModeOverrides[?contains(resourceTypes, '$users')].recordingFrequency | [0])"
    query+=" || recordingMode.recordingFrequency]"
    if ! attempt recorder aws configservice describe-configuration-recorders --query "$query" --output text; then
        unread "the configuration recorder"
        return
    fi
    if [[ -z $answer || $answer == None ]]; then
        problem "AWS Config has no configuration recorder in $region" \
            "set AWS Config up in this region, with IAM users among what it records"
        return
    fi
    local name strategy global included excluded frequency
    IFS=$'\t' read -r name strategy global included excluded frequency <<<"$answer"
    check_recorded
    check_frequency
    check_recording
}

check_recorded() {
    local what="the recorder $name does not record $users"
    case $strategy/$global/$included/$excluded in
        ALL_SUPPORTED_RESOURCE_TYPES/True/* | True/True/*) ;;
        ALL_SUPPORTED_RESOURCE_TYPES/* | True/*)
            problem "$what: all types, but without the global IAM types" \
                "let it include the global resource types (includeGlobalResourceTypes), in this region only"
            return
            ;;
        EXCLUSION_BY_RESOURCE_TYPES/*/"$users")
            problem "$what: it is among the excluded types" "take $users off the excluded types"
            return
            ;;
        EXCLUSION_BY_RESOURCE_TYPES/*) ;;
        INCLUSION_BY_RESOURCE_TYPES/*/"$users"/* | False/*/"$users"/*) ;;
        INCLUSION_BY_RESOURCE_TYPES/* | False/*)
            problem "$what: it is not among the types it names" "add $users to the recorded types"
            return
            ;;
        *)
            warning "cannot tell whether the recorder $name records $users: its strategy is $strategy" \
                "look at its recording group"
            return
            ;;
    esac
    ok "the recorder $name records $users"
}

check_frequency() {
    if [[ $frequency == DAILY ]]; then
        warning "the recorder $name records $users once a day: a changed user is judged up to a day late" \
            "record $users continuously if that is too late; the rule's own schedule is not affected"
    fi
}

check_recording() {
    if ! attempt status aws configservice describe-configuration-recorder-status --configuration-recorder-names "$name" \
        --query 'ConfigurationRecordersStatus[0].[recording, lastStatus, lastErrorCode, lastErrorMessage]' --output text; then
        unread "the status of the recorder $name"
        return
    fi
    local recording status code message
    IFS=$'\t' read -r recording status code message <<<"$answer"
    if [[ $recording != True ]]; then
        problem "the recorder $name is stopped" \
            "aws configservice start-configuration-recorder --configuration-recorder-name $name"
    elif [[ ${status^^} == FAILURE ]]; then
        problem "the recorder $name fails: $code: $message" "look at its role and its delivery channel"
    else
        ok "the recorder $name is recording"
    fi
}

# ---- The organization ----------------------------------------------------------------------------------------------

check_organization() {
    if ! attempt organization aws organizations describe-organization \
        --query 'Organization.[FeatureSet, MasterAccountId]' --output text; then
        if [[ $complaint == *AWSOrganizationsNotInUseException* ]]; then
            problem "account $account is in no organization" "use scripts/deploy-account.sh"
        else
            unread "the organization"
        fi
        return
    fi
    local features management
    IFS=$'\t' read -r features management <<<"$answer"
    if [[ $features == ALL ]]; then
        ok "the organization has all features"
    else
        problem "the organization does not have all features: $features" \
            "in the management account $management: aws organizations enable-all-features"
    fi
    check_trusted_access
    check_caller
}

check_trusted_access() {
    if ! attempt principals aws organizations list-aws-service-access-for-organization \
        --query 'EnabledServicePrincipals[].[ServicePrincipal]' --output text; then
        unread "which services have trusted access (only the management account and delegated administrators may)"
        return
    fi
    if has_line "$answer" "$config_principal"; then
        ok "AWS Config has trusted access"
    else
        problem "AWS Config has no trusted access for organization conformance packs" \
            "in the management account: aws organizations enable-aws-service-access --service-principal $config_principal"
    fi
    if has_line "$answer" "$stacksets_principal"; then
        ok "CloudFormation StackSets has trusted access"
    else
        problem "CloudFormation StackSets has no trusted access" \
            "in the management account: aws cloudformation activate-organizations-access"
    fi
}

check_caller() {
    if dry_run; then
        if [[ $CALL_AS == SELF ]]; then return; fi
    elif [[ $account == "$management" ]]; then
        if [[ $CALL_AS == SELF ]]; then
            ok "account $account is the management account"
        else
            problem "account $account is the management account, not a delegated administrator" "leave CALL_AS unset"
        fi
        return
    elif [[ $CALL_AS == SELF ]]; then
        problem "account $account is not the management account $management" \
            "use its credentials, or set CALL_AS=DELEGATED_ADMIN where this account is a delegated administrator"
        return
    fi
    if ! attempt services aws organizations list-delegated-services-for-account --account-id "$account" \
        --query 'DelegatedServices[].[ServicePrincipal]' --output text; then
        # Also what an account is told that administers nothing: it may not ask.
        answer=
        if [[ $complaint != *AccessDenied* && $complaint != *AccountNotRegistered* ]]; then
            unread "what account $account administers"
            return
        fi
    fi
    local principal register
    for principal in "$config_principal" "$stacksets_principal" "$aggregator_principal"; do
        register="in the management account: aws organizations register-delegated-administrator --account-id $account --service-principal $principal"
        if has_line "$answer" "$principal"; then
            ok "account $account is a delegated administrator of $principal"
        elif [[ $principal == "$aggregator_principal" ]]; then
            warning "account $account is no delegated administrator of $principal: it cannot have the aggregator" \
                "deploy with CreateAggregator=false; or, $register"
        else
            problem "account $account is no delegated administrator of $principal" "$register"
        fi
    done
    if [[ $EXCLUDE_MANAGEMENT == 0 ]]; then check_pack_role; fi
}

# A delegated administrator's pack leaves the management account out, if it has not had any pack yet.
check_pack_role() {
    local create="in the management account: aws iam create-service-linked-role --aws-service-name config-conforms.amazonaws.com"
    if [[ -z $MANAGEMENT_PROFILE ]]; then
        warning "cannot see whether the management account has the role $pack_role: without it, it gets no rule" \
            "name its profile as MANAGEMENT_PROFILE"
    elif attempt role aws --profile "$MANAGEMENT_PROFILE" iam get-role --role-name "$pack_role" --query Role.Arn --output text; then
        ok "the management account has the role $pack_role"
    elif [[ $complaint == *NoSuchEntity* ]]; then
        problem "the management account lacks the role $pack_role: it would get no rule" "$create"
    else
        unread "the role $pack_role of the management account"
    fi
}

# ---- All together --------------------------------------------------------------------------------------------------

scope=account
for argument; do
    case $argument in
        --help | -h) usage && exit ;;
        account | organization) scope=$argument ;;
        *) misuse "unknown argument '$argument'" ;;
    esac
done
start

step "Who calls" "$sign_in"
ask_account
say ""
say "# What AWS Config records"
check_region
if [[ $scope == organization && $EXCLUDE_MANAGEMENT == 1 && $CALL_AS == SELF ]]; then
    say "# The management account gets no rule: its recorder does not matter."
else
    check_recorder
fi
if [[ $scope == organization ]]; then
    say ""
    say "# The organization"
    check_organization
fi

if ((problems)); then
    printf '%s: account %s, %s: %s to mend first\n' "$program" "$account" "$region" "$problems" >&2
    exit 1
fi
