# shellcheck shell=bash disable=SC2034 # variables are for those who source this
# What all deployment scripts share: settings, showing and running commands, waiting. Sourced by them.

set -euo pipefail
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
    echo "${0##*/}: needs bash 4.4 or newer, this is $BASH_VERSION" >&2
    exit 2
fi
shopt -s inherit_errexit

program=${0##*/}
PACKAGE_DIR=${PACKAGE_DIR:-target/package}
if [[ $PACKAGE_DIR != /* && $PACKAGE_DIR != target/package ]]; then PACKAGE_DIR=$PWD/$PACKAGE_DIR; fi
# So that the paths in the commands shown are short, and the same wherever the script is called from.
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# ---- Settings ------------------------------------------------------------------------------------------------------

DRY_RUN=${DRY_RUN:-0}
PACK_NAME=${PACK_NAME:-setup-keys}
STACK_NAME=${STACK_NAME:-setup-keys}
ORGANIZATION_STACK_NAME=${ORGANIZATION_STACK_NAME:-setup-keys-organization}
ARTIFACT_BUCKET=${ARTIFACT_BUCKET:-}
ARCHITECTURE=${ARCHITECTURE:-x86_64}
REMEDIATION=${REMEDIATION:-0}
SKIP_PREFLIGHT=${SKIP_PREFLIGHT:-0}
CALL_AS=${CALL_AS:-SELF}
ORG_UNITS=${ORG_UNITS:-}
EXCLUDED_ACCOUNTS=${EXCLUDED_ACCOUNTS:-}
EXCLUDE_MANAGEMENT=${EXCLUDE_MANAGEMENT:-0}
MANAGEMENT_PROFILE=${MANAGEMENT_PROFILE:-}
WAIT_SECONDS=${WAIT_SECONDS:-15}
WAIT_TRIES=${WAIT_TRIES:-240}

# describe_settings NAME...: these and those that every script has, for --help.
describe_settings() {
    local name
    echo "Settings (environment variables):"
    for name in "$@" AWS_REGION DRY_RUN WAIT_SECONDS WAIT_TRIES; do
        printf '  %-24s ' "$name"
        case $name in
            ARCHITECTURE) echo "x86_64 (default) or arm64: which build of the functions" ;;
            ARTIFACT_BUCKET) echo "a bucket of this account and region to use; default: one is made" ;;
            AWS_REGION) echo "as for the AWS CLI, like AWS_PROFILE and the others" ;;
            CALL_AS) echo "SELF (default): as the management account; DELEGATED_ADMIN: as a delegated administrator" ;;
            DRY_RUN) echo "1: show every command, run none; needs neither the AWS CLI nor credentials" ;;
            EXCLUDE_MANAGEMENT) echo "1: no function and no rule in the management account; default 0" ;;
            EXCLUDED_ACCOUNTS) echo "accounts without the rule, with commas between; default none" ;;
            MANAGEMENT_PROFILE) echo "with CALL_AS=DELEGATED_ADMIN: the AWS CLI's profile for the management account" ;;
            ORG_UNITS) echo "ids of organizational units, with commas between; default: as it is, at first all" ;;
            ORGANIZATION_STACK_NAME) echo "the stack with bucket and StackSet; default setup-keys-organization" ;;
            PACKAGE_DIR) echo "where the functions' zips are; default target/package, where \`make package\` puts them" ;;
            PACK_NAME) echo "the conformance pack; default setup-keys" ;;
            REMEDIATION) echo "1: also what deactivates setup keys, and its permissions; default 0, which removes them" ;;
            SKIP_PREFLIGHT) echo "1: do not run preflight.sh first; default 0" ;;
            STACK_NAME) echo "the stack with the functions in an account; default setup-keys" ;;
            WAIT_SECONDS) echo "seconds between two looks at something that takes a while; default 15" ;;
            WAIT_TRIES) echo "how many looks before giving up; default 240, which is an hour" ;;
        esac
    done
}

# has_line TEXT LINE
has_line() { [[ $'\n'$1$'\n' == *$'\n'"$2"$'\n'* ]]; }

# one_of NAME VALUE...: a setting has one of these values.
one_of() {
    local name=$1 value
    shift
    for value; do
        if [[ ${!name} == "$value" ]]; then return; fi
    done
    misuse "$name is '${!name}', and can be: $*"
}

# ---- Saying --------------------------------------------------------------------------------------------------------

# Commands and progress go to standard error, findings and tables to standard output; of a dry run the commands are the
# result.
if [[ $DRY_RUN == 1 ]]; then exec 3>&1; else exec 3>&2; fi

dry_run() { [[ $DRY_RUN == 1 ]]; }

say() { printf '%s\n' "$*" >&3; }

# die MESSAGE [WHAT-TO-DO]
die() {
    printf '%s: %s\n' "$program" "$1" >&2
    if [[ -n ${2:-} ]]; then printf 'What to do: %s\n' "$2" >&2; fi
    exit 1
}

# The setting or argument is wrong: nothing has been done.
misuse() {
    printf '%s: %s\n' "$program" "$1" >&2
    printf '%s --help lists arguments and settings\n' "$program" >&2
    exit 2
}

# step TITLE WHAT-TO-DO: says what comes next, and keeps the advice for the commands of this step that fail.
step() {
    title=$1
    advice=$2
    say ""
    say "# $title"
}

# ---- Running -------------------------------------------------------------------------------------------------------

# The words of a command as a shell would take them.
quoted() {
    local word line=
    for word; do
        if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then
            line+=" $word"
        elif [[ $word == *\'* && $word != *[\"\$\`\\!]* ]]; then
            line+=" \"$word\""
        else
            line+=" '${word//\'/\'\\\'\'}'"
        fi
    done
    printf '%s' "${line# }"
}

# While waiting, a command is shown the first time only.
repeated=0

show() { if ((!repeated)); then say "+ $(quoted "$@")"; fi; }

failed() {
    printf '%s: failed: %s\n' "$program" "$title" >&2
    printf 'Command: %s\n' "$(quoted "$@")" >&2
    printf 'What to do: %s\n' "$advice" >&2
    printf 'Nothing after it was run. Run %s again when it is mended: what is done already stays as it is.\n' "$program" >&2
    exit 1
}

# run COMMAND...: shows it and runs it.
run() {
    show "$@"
    if dry_run; then return; fi
    "$@" >&3 || failed "$@"
}

# attempt PLACEHOLDER COMMAND...: shows a command and runs it. What it prints is in `answer` then, its errors in
# `complaint`; in a dry run the placeholder is the answer. Its exit status is the command's.
attempt() {
    local placeholder=$1 errors status=0
    shift
    show "$@"
    complaint=
    if dry_run; then
        answer="<$placeholder>"
        return
    fi
    errors=$(mktemp)
    answer=$("$@" 2>"$errors") || status=$?
    complaint=$(<"$errors")
    complaint=${complaint#$'\n'}
    rm -f "$errors"
    return "$status"
}

# ask PLACEHOLDER COMMAND...: the same, where a failure ends the script.
ask() {
    if ! attempt "$@"; then
        printf '%s\n' "$complaint" >&2
        failed "${@:2}"
    fi
}

# ask_if_any ABSENT PLACEHOLDER COMMAND...: the same, but an error that matches the regular expression ABSENT says that
# there is no such thing: the answer is empty then.
ask_if_any() {
    local absent=$1
    shift
    if attempt "$@"; then return; fi
    answer=
    if [[ $complaint =~ $absent ]]; then return; fi
    printf '%s\n' "$complaint" >&2
    failed "${@:2}"
}

# wait_until WHAT CHECK...: calls CHECK until it succeeds; it ends the script itself where waiting is pointless.
wait_until() {
    local what=$1 try
    shift
    say "# every $WAIT_SECONDS s until $what:"
    for ((try = 0; try < WAIT_TRIES; try++)); do
        if "$@" || dry_run; then
            repeated=0
            return
        fi
        repeated=1
        if ((WAIT_SECONDS)); then sleep "$WAIT_SECONDS"; fi
    done
    die "gave up waiting until $what: looked $WAIT_TRIES times" "run $program again to go on, or raise WAIT_TRIES"
}

# ---- Starting ------------------------------------------------------------------------------------------------------

sign_in='sign in first, so that this command works'

# Checks the settings, and that there is an AWS CLI; finds the region, and holds all that follows to it.
start() {
    one_of DRY_RUN 0 1
    one_of CALL_AS SELF DELEGATED_ADMIN
    one_of EXCLUDE_MANAGEMENT 0 1
    one_of REMEDIATION 0 1
    one_of SKIP_PREFLIGHT 0 1
    one_of ARCHITECTURE x86_64 arm64
    if [[ ! $PACK_NAME =~ ^[a-zA-Z][-a-zA-Z0-9]{0,57}$ ]]; then
        # AWS Config makes a stack in each account, and its name needs the rest.
        misuse "PACK_NAME is '$PACK_NAME', and can be 1 to 58 letters, digits and hyphens, a letter first"
    fi
    if [[ ! $WAIT_SECONDS =~ ^[0-9]+$ ]]; then misuse "WAIT_SECONDS is '$WAIT_SECONDS', and can be a whole number"; fi
    if [[ ! $WAIT_TRIES =~ ^[1-9][0-9]*$ ]]; then misuse "WAIT_TRIES is '$WAIT_TRIES', and can be a whole number from 1"; fi
    region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
    if dry_run; then
        region=${region:-<region>}
    else
        command -v aws >/dev/null || die "there is no aws command" "install the AWS CLI, version 2"
        region=${region:-$(aws configure get region || true)}
        if [[ -z $region ]]; then misuse "no region: set AWS_REGION"; fi
    fi
    # No pager and no colour: what is read here is what the CLI prints.
    export AWS_REGION=$region AWS_DEFAULT_REGION=$region AWS_PAGER=
    say "+ export AWS_REGION=$region"
}

# Who calls, and in which partition: aws, aws-cn, aws-us-gov.
ask_account() {
    ask account aws sts get-caller-identity --query '[Account, Arn]' --output text
    if dry_run; then answer=$'<account>\tarn:aws:'; fi
    IFS=$'\t' read -r account partition <<<"$answer"
    partition=${partition#arn:}
    partition=${partition%%:*}
}
