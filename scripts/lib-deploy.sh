# shellcheck shell=bash disable=SC2034,SC2154 # variables are of and for those who source this
# What the scripts share that deploy and remove: parameters, packages, stacks, conformance packs. Sourced by them.

# Which pack it is depends on REMEDIATION.
choose_pack() {
    pack_template=conformance-pack/iam-user-no-setup-access-keys.yaml
    if [[ $REMEDIATION == 1 ]]; then pack_template=conformance-pack/iam-user-no-setup-access-keys-with-remediation.yaml; fi
}
choose_pack

member_template=cloudformation/member.yaml
forward_template=cloudformation/forward-iam-events.yaml
organization_template=cloudformation/organization.yaml

# ---- Parameters: NAME=VALUE arguments -------------------------------------------------------------------------------

# Given parameters, by the template that has them. A name that both templates have would go to both.
declare -A pack_values=() stack_values=()

# template_parameters FILE: the names of its parameters, one a line.
template_parameters() {
    awk '/^[^ #]/ { inside = ($1 == "Parameters:") } inside && /^  [A-Za-z0-9]+:/ { sub(":.*", "", $1); print $1 }' "$1"
}

has_parameter() { has_line "$(template_parameters "$1")" "$2"; }

# field FILE NAME FIELD: what the template says in this field of the parameter: a text, or a list on one line.
field() {
    awk -v name="  $2:" -v field="    $3: " '
        inside && /^ ? ?[^ #]/ { exit }
        index($0, name) == 1 { inside = 1 }
        folded && /^      / { sub(/^ +/, ""); print; next }
        { folded = 0 }
        inside && index($0, field) == 1 {
            value = substr($0, length(field) + 1)
            if (value == ">-") folded = 1
            else print value
        }
    ' "$1" | sed -E "s/^'(.*)'\$/\1/; s/^\"(.*)\"\$/\1/"
}

# check_value FILE NAME VALUE [CALLED]: whether the template takes it, before anything is made. AWS checks again.
check_value() {
    local values pattern called=${4:-$2}
    values=$(field "$1" "$2" AllowedValues)
    pattern=$(field "$1" "$2" AllowedPattern)
    if [[ -n $values && ", ${values//[][\']/}, " != *", $3, "* ]]; then
        misuse "$called is '$3', and can be one of $values"
    fi
    # AWS's regular expressions have more than bash's: such patterns are left to AWS.
    if [[ -n $pattern && $pattern != *'(?'* && $pattern != *\\* && ! $3 =~ $pattern ]]; then
        misuse "$called is '$3', which does not match $pattern"
    fi
}

# take_parameters STACK-TEMPLATE SET-HERE NAME=VALUE...: sorts them into `pack_values` and `stack_values`. The scripts
# themselves set those that match the pattern SET-HERE.
take_parameters() {
    local stack_template=$1 set_here=$2 argument name value known
    shift 2
    for argument; do
        name=${argument%%=*}
        value=${argument#*=}
        known=
        if [[ $argument != *=* ]]; then misuse "unknown argument '$argument': parameters are given as NAME=VALUE"; fi
        if [[ $name =~ ^($set_here)$ ]]; then misuse "$name is set by this script: see its settings"; fi
        if [[ -v pack_values[$name] || -v stack_values[$name] ]]; then misuse "$name is given twice"; fi
        if has_parameter "$pack_template" "$name"; then
            check_value "$pack_template" "$name" "$value"
            pack_values[$name]=$value
            known=1
        fi
        if has_parameter "$stack_template" "$name"; then
            check_value "$stack_template" "$name" "$value"
            stack_values[$name]=$value
            known=1
        fi
        if [[ -z $known ]]; then
            misuse "there is no parameter $name. The rule has $(one_line "$(template_parameters "$pack_template")"); the stack has $(
                one_line "$(template_parameters "$stack_template" | grep -vxE "$set_here")"
            )"
        fi
    done
}

# A JSON document on one line, from standard input.
compact() { sed 's/^ *//' | tr -d '\n'; }

one_line() {
    local words=${1//$'\n'/, }
    printf '%s' "$words"
}

# describe_parameters STACK-TEMPLATE SET-HERE: for --help.
describe_parameters() {
    echo "Parameters of the rule (one that is not given has its default, whatever it was before):"
    describe_template "$pack_template" ''
    echo
    echo "Parameters of the stack (one that is not given stays as it is):"
    describe_template "$1" "$2"
}

describe_template() {
    local name default values
    while read -r name; do
        if [[ $name =~ ^($2)$ ]]; then continue; fi
        default=$(field "$1" "$name" Default)
        values=$(field "$1" "$name" AllowedValues)
        values=${values//[][\']/}
        printf '  %s%s%s\n' "$name" "${default:+ [$default]}" "${values:+: ${values#, }}" | fold -s -w 112 | sed '2,$s/^/      /; s/ *$//'
        field "$1" "$name" Description | fold -s -w 112 | sed 's/^/      /; s/ *$//'
    done < <(template_parameters "$1")
}

# The values for the pack as the AWS CLI takes them, in the order of the template.
pack_values_json() {
    local name value json=
    while read -r name; do
        if [[ -v pack_values[$name] ]]; then
            value=${pack_values[$name]//\\/\\\\}
            json+=",{\"ParameterName\":\"$name\",\"ParameterValue\":\"${value//\"/\\\"}\"}"
        fi
    done < <(template_parameters "$pack_template")
    printf '[%s]' "${json#,}"
}

# The same values as a JSON object of rule parameters, for what judges by them without the rule.
rule_parameters_json() {
    local name value json=
    while read -r name; do
        value=${pack_values[$name]:-}
        if [[ $name != Automatic && -n $value ]]; then
            value=${value//\\/\\\\}
            json+=",\"${name,}\":\"${value//\"/\\\"}\""
        fi
    done < <(template_parameters "$pack_template")
    printf '{%s}' "${json#,}"
}

# The values for the stack, as NAME=VALUE in `overrides`, in the order of the template.
stack_overrides() {
    local name
    overrides=()
    while read -r name; do
        if [[ -v stack_values[$name] ]]; then overrides+=("$name=${stack_values[$name]}"); fi
    done < <(template_parameters "$1")
}

# ---- The functions' packages ----------------------------------------------------------------------------------------

# Each function's zip goes into the bucket under the hash of its content: new code is a new key, so that CloudFormation
# sees a change, and the same code is uploaded once.

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

# find_packages TEMPLATE: fills `packages` with zips and their keys, and `stack_values` with the keys.
find_packages() {
    local function zip suffix='' hash functions=(evaluator)
    if [[ $REMEDIATION == 1 ]]; then
        if ! has_parameter "$1" RemediatorKey; then misuse "$1 has no remediation"; fi
        functions+=(remediator)
        # What the second stage deletes by, which has no rule to ask.
        stack_values[DeleteInactiveRuleParameters]=$(rule_parameters_json)
    fi
    if [[ $ARCHITECTURE == arm64 ]]; then suffix=-arm64; fi
    packages=()
    # Without its key, the stack has no remediator, and nothing has the permission to change a key.
    stack_values[RemediatorKey]=
    for function in "${functions[@]}"; do
        zip=$PACKAGE_DIR/$function$suffix.zip
        hash='<sha256>'
        if [[ -f $zip ]]; then
            hash=$(sha256 "$zip")
        elif ! dry_run; then
            die "there is no $zip" "run: make package"
        fi
        packages+=("$zip $function-$hash.zip")
        stack_values[${function^}Key]=$function-$hash.zip
    done
    stack_values[Architecture]=$ARCHITECTURE
}

# upload_packages BUCKET
upload_packages() {
    local package file key
    step "Upload the functions to s3://$1" \
        "the caller needs s3:GetObject, s3:PutObject and s3:ListBucket on this bucket of account $account"
    for package in "${packages[@]}"; do
        read -r file key <<<"$package"
        upload_once "$1" "$file" "$key"
    done
}

# upload_once BUCKET FILE KEY
upload_once() {
    local where=(--bucket "$1" --key "$3" --expected-bucket-owner "$account")
    ask_if_any '\(404\)' size aws s3api head-object "${where[@]}" --query ContentLength --output text
    if dry_run; then
        say "# where it is not there yet:"
    elif [[ -n $answer ]]; then
        say "# it is there already"
        return
    fi
    run aws s3api put-object "${where[@]}" --body "$2" --checksum-algorithm SHA256
}

# ---- Stacks ---------------------------------------------------------------------------------------------------------

# stack_advice NAME [AWS-OPTION...]: how to see why it failed.
stack_advice() {
    local query="StackEvents[?ends_with(ResourceStatus, '_FAILED')].[LogicalResourceId, ResourceStatusReason]"
    echo "see why: $(quoted aws "${@:2}" cloudformation describe-stack-events --stack-name "$1" --query "$query" --output text)"
}

# ask_stack NAME QUERY [AWS-OPTION...]: its status in `state`, what else is queried of it in `answer`; both are empty
# where there is none.
ask_stack() {
    ask_if_any 'does not exist' status aws "${@:3}" cloudformation describe-stacks --stack-name "$1" \
        --query "Stacks[0].[StackStatus${2:+, $2}]" --output text
    IFS=$'\t' read -r state answer <<<"$answer" || true
}

# deploy_stack NAME TEMPLATE [AWS-OPTION...]: with those of `stack_values` that the template has.
deploy_stack() {
    local overrides mend
    wait_until "no operation on the stack $1 is under way" stack_settled "$1" "${@:3}"
    case $state in
        UPDATE_ROLLBACK_FAILED) mend=continue-update-rollback ;;
        ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | DELETE_FAILED) mend=delete-stack ;;
        *) mend= ;;
    esac
    if [[ -n $mend ]]; then
        die "the stack $1 is in $state, in which it cannot be updated" \
            "$(stack_advice "$1" "${@:3}"); then: $(quoted aws "${@:3}" cloudformation "$mend" --stack-name "$1")"
    fi
    stack_overrides "$2"
    run aws "${@:3}" cloudformation deploy --stack-name "$1" --template-file "$2" --parameter-overrides "${overrides[@]}" \
        --capabilities CAPABILITY_NAMED_IAM --no-fail-on-empty-changeset
}

stack_settled() {
    ask_stack "$1" '' "${@:2}"
    [[ $state != *_IN_PROGRESS || $state == REVIEW_IN_PROGRESS ]]
}

# delete_stack NAME [AWS-OPTION...]
delete_stack() {
    step "Delete the stack $1" "$(stack_advice "$@")"
    ask_stack "$1" '' "${@:2}"
    if ! dry_run && [[ -z $state ]]; then
        say "# there is none"
        return
    fi
    run aws "${@:2}" cloudformation delete-stack --stack-name "$1"
    run aws "${@:2}" cloudformation wait stack-delete-complete --stack-name "$1"
}

# CloudTrail tells of IAM in this region only.
iam_region=us-east-1

forwards_events() { [[ $region != "$iam_region" && $partition == aws ]]; }

# deploy_forwarding [AWS-OPTION...]: where the stack with the functions gives prompt verdicts in another region, events are
# sent there; where it no longer does, they are not.
deploy_forwarding() {
    local name=$STACK_NAME-forward-iam-events there=("$@" --region "$iam_region") prompt
    if ! forwards_events; then return; fi
    step "Events of IAM, from $iam_region: stack $name" "$(stack_advice "$name" "${there[@]}")"
    ask_stack "$STACK_NAME" "Parameters[?ParameterKey == 'PromptVerdicts'].ParameterValue | [0]" "$@"
    prompt=$answer
    ask_stack "$name" '' "${there[@]}"
    if dry_run; then
        prompt=${stack_values[PromptVerdicts]:-} state=
        say "# where PromptVerdicts is on, this stack is made or updated; where it is off, it is deleted"
    fi
    if [[ $prompt == on ]]; then
        stack_values[HomeRegion]=$region
        deploy_stack "$name" "$forward_template" "${there[@]}"
    elif [[ -n $state ]]; then
        delete_forwarding "$@"
    fi
}

# delete_forwarding [AWS-OPTION...]
delete_forwarding() {
    if forwards_events; then delete_stack "$STACK_NAME-forward-iam-events" "$@" --region "$iam_region"; fi
}

# ---- Conformance packs ----------------------------------------------------------------------------------------------

# The pack in this account, and the pack of an organization, have the same operations under other names. `scope` is
# account or organization; `pack_*` hide the difference.

# The state of the pack in `state`, such as CREATE_COMPLETE or UPDATE_SUCCESSFUL, and why in `reason`; empty where there is
# none.
ask_pack_state() {
    if [[ $scope == organization ]]; then
        ask_if_any NoSuchOrganizationConformancePack state \
            aws configservice describe-organization-conformance-pack-statuses \
            --organization-conformance-pack-names "$PACK_NAME" \
            --query 'OrganizationConformancePackStatuses[].[Status, ErrorMessage]' --output text
    else
        ask_if_any NoSuchConformancePack state \
            aws configservice describe-conformance-pack-status --conformance-pack-names "$PACK_NAME" \
            --query 'ConformancePackStatusDetails[].[ConformancePackState, ConformancePackStatusReason]' --output text
    fi
    IFS=$'\t' read -r state reason <<<"$answer" || true
}

pack_settled() {
    ask_pack_state
    [[ $state != *_IN_PROGRESS ]]
}

# Just put, it may not be listed yet.
pack_put() {
    ask_pack_state
    [[ -n $state && $state != *_IN_PROGRESS ]]
}

pack_gone() {
    ask_pack_state
    if [[ $state == DELETE_FAILED ]]; then
        die "the pack $PACK_NAME could not be deleted: $reason" "run scripts/status.sh $scope; mend the cause, run $program again"
    fi
    [[ -z $state ]]
}

# The file to put. AWS Config takes the ARN of remediation's role as a literal only: for an organization with the
# management account's id, for which it puts each account's own.
render_pack() {
    local owner=$account
    pack_file=$pack_template
    if [[ $REMEDIATION == 0 ]]; then return; fi
    if [[ $scope == organization ]]; then owner=$management; fi
    pack_file=$PACKAGE_DIR/conformance-pack.yaml
    say "# $pack_file: $pack_template with the account $owner in the role's ARN"
    if dry_run; then return; fi
    sed "s/arn:aws:iam::000000000000:/arn:$partition:iam::$owner:/" "$pack_template" >"$pack_file"
    if ! grep -q "iam::$owner:role/" "$pack_file"; then die "$pack_template has no role to put the account into"; fi
}

# put_pack PARAMETERS [EXCLUDED-ACCOUNT...]: waits until AWS Config has done it; whether it succeeded is in `state`.
put_pack() {
    local options=() pack_file
    render_pack
    wait_until "no operation on the pack $PACK_NAME is under way" pack_settled
    if [[ $1 != '[]' ]]; then options+=(--conformance-pack-input-parameters "$1"); fi
    shift
    if [[ $scope == organization ]]; then
        if (($#)); then options+=(--excluded-accounts "$@"); fi
        run aws configservice put-organization-conformance-pack --organization-conformance-pack-name "$PACK_NAME" \
            --template-body "file://$pack_file" "${options[@]}"
    else
        run aws configservice put-conformance-pack --conformance-pack-name "$PACK_NAME" \
            --template-body "file://$pack_file" "${options[@]}"
    fi
    wait_until "the pack $PACK_NAME is there" pack_put
}

# ask_pack QUERY OUTPUT: what the pack was put with.
ask_pack() {
    if [[ $scope == organization ]]; then
        ask_if_any NoSuchOrganizationConformancePack pack aws configservice describe-organization-conformance-packs \
            --organization-conformance-pack-names "$PACK_NAME" --query "OrganizationConformancePacks[].$1" --output "$2"
    else
        ask_if_any NoSuchConformancePack pack aws configservice describe-conformance-packs \
            --conformance-pack-names "$PACK_NAME" --query "ConformancePackDetails[].$1" --output "$2"
    fi
}

# To put a pack sets all of its parameters: what was given the last time and is not given now is said.
say_dropped_parameters() {
    local name value
    ask_pack 'ConformancePackInputParameters[].[ParameterName, ParameterValue]' text
    if dry_run; then return; fi
    while IFS=$'\t' read -r name value; do
        if [[ -n $name && ! -v pack_values[$name] ]]; then
            say "# $name has been '$value' and goes back to its default: it is not given"
        fi
    done <<<"$answer"
}

pack_failed() { ! dry_run && [[ $state != *_COMPLETE && $state != *_SUCCESSFUL ]]; }

# ---- Steps that more than one script has ----------------------------------------------------------------------------

preflight() {
    if [[ $SKIP_PREFLIGHT == 1 ]]; then return; fi
    say ""
    say "# Look first: scripts/preflight.sh $scope"
    if ! bash scripts/preflight.sh "$scope"; then
        die "nothing has been made" "mend what preflight.sh found; SKIP_PREFLIGHT=1 goes on in spite of it"
    fi
}

# check_bucket BUCKET: that a bucket that is named as ARTIFACT_BUCKET can be used.
check_bucket() {
    ask region aws s3api head-bucket --bucket "$1" --expected-bucket-owner "$account" --query BucketRegion --output text
    if ! dry_run && [[ $answer != "$region" ]]; then
        die "the bucket $1 is in $answer" "name a bucket in $region: AWS Lambda takes code from its own region only"
    fi
}

bucket_advice() { echo "$1 must be a bucket of account $account, in $region, that the caller may list"; }

# ---- The StackSet ---------------------------------------------------------------------------------------------------

# As organization.yaml names it.
stack_set=setup-keys

# What the organization's stack has been deployed with: `bucket`, `units`, and `bucket_given` where the bucket is not the
# stack's own; all are empty where there is none.
ask_earlier() {
    local query="Outputs[?OutputKey == 'ArtifactBucket'].OutputValue | [0]"
    query+=", Parameters[?ParameterKey == 'OrganizationalUnitIds'].ParameterValue | [0]"
    query+=", Parameters[?ParameterKey == 'ArtifactBucket'].ParameterValue | [0]"
    ask_stack "$ORGANIZATION_STACK_NAME" "$query"
    IFS=$'\t' read -r bucket units bucket_given <<<"$answer"
    bucket=${bucket#None}
    units=${units#None}
    bucket_given=${bucket_given#None}
    if dry_run; then bucket='<bucket>' units='' bucket_given=''; fi
}

# Where there is no StackSet yet, there are no instances.
ask_instances() {
    ask_if_any StackSetNotFound instances aws cloudformation list-stack-instances --stack-set-name "$stack_set" \
        --call-as "$CALL_AS" --query 'Summaries[].[Account, Status, StackInstanceStatus.DetailedStatus, StatusReason]' \
        --output text
    # Suspended accounts stay listed, and never get it.
    answer=$(sed $'/\tSKIPPED_SUSPENDED_ACCOUNT\t/d' <<<"$answer")
}

operations_done() {
    ask operations aws cloudformation list-stack-set-operations --stack-set-name "$stack_set" --call-as "$CALL_AS" \
        --query "Summaries[?Status == 'RUNNING' || Status == 'QUEUED' || Status == 'STOPPING'].[Action, Status]" --output text
    [[ -z $answer ]]
}

# ---- The management account -----------------------------------------------------------------------------------------

# A StackSet never deploys to the management account. How its own stack is reached is in `management_options`; they are
# empty where the caller is in the account.
management_options=()

ask_organization() {
    ask organization aws organizations describe-organization --query 'Organization.[Id, MasterAccountId]' --output text
    if dry_run; then
        organization='<organization>' management='<management-account>'
    else
        IFS=$'\t' read -r organization management <<<"$answer"
    fi
    if [[ -n $MANAGEMENT_PROFILE ]]; then management_options=(--profile "$MANAGEMENT_PROFILE"); fi
}

# Whether this caller can reach the management account's stack.
reaches_management() { [[ $CALL_AS == SELF || -n $MANAGEMENT_PROFILE ]]; }

# That the profile is the management account's: its stack would come into another account otherwise.
check_management_profile() {
    if [[ -z $MANAGEMENT_PROFILE ]]; then return; fi
    ask management-account aws --profile "$MANAGEMENT_PROFILE" sts get-caller-identity --query Account --output text
    if ! dry_run && [[ $answer != "$management" ]]; then
        misuse "MANAGEMENT_PROFILE is of account $answer, and the management account is $management"
    fi
}
