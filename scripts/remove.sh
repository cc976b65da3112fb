#!/usr/bin/env bash
# Removes what the deployment scripts have made: the conformance pack first, since it needs the functions, then the stacks.
# shellcheck source=scripts/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/lib-deploy.sh
source scripts/lib-deploy.sh

usage() {
    cat <<'HELP'
usage: scripts/remove.sh account | organization [--yes]

Removes the conformance pack with the rule, waits until it is gone, and removes the functions' stacks: in this account,
or in all of the organization. The rule's results in AWS Config go with it. Users, keys and tags are not touched.

  --yes  delete the bucket that was made for the functions' code, too, with all that is in it; a bucket that was given
         as ARTIFACT_BUCKET stays

Exit status: 0 removed, 1 something failed and nothing after it was run, 2 wrong usage.

HELP
    describe_settings CALL_AS MANAGEMENT_PROFILE ORGANIZATION_STACK_NAME STACK_NAME PACK_NAME ARTIFACT_BUCKET
}

delete_pack() {
    local delete=(aws configservice delete-conformance-pack --conformance-pack-name "$PACK_NAME")
    if [[ $scope == organization ]]; then
        delete=(aws configservice delete-organization-conformance-pack --organization-conformance-pack-name "$PACK_NAME")
    fi
    step "Delete the pack $PACK_NAME" "scripts/status.sh $scope says what is the matter with it"
    wait_until "no operation on the pack $PACK_NAME is under way" pack_settled
    if ! dry_run && [[ -z $state ]]; then
        say "# there is none"
        return
    fi
    run "${delete[@]}"
    wait_until "the pack $PACK_NAME is gone" pack_gone
}

# The bucket in `bucket`; it is left where it is not ours to delete, or where nobody said so.
delete_bucket() {
    local ours=(--bucket "$bucket" --expected-bucket-owner "$account") objects last=''
    step "Delete the bucket $bucket" "delete it yourself, when nothing is deployed from it"
    if ((!yes)); then
        say "# left with its content: --yes deletes it"
        return
    fi
    ask_if_any '\(404\)' region aws s3api head-bucket "${ours[@]}" --query BucketRegion --output text
    if ! dry_run && [[ -z $answer ]]; then
        say "# there is none"
        return
    fi
    # Old versions of the content are content. As many at a time as a command line holds.
    while true; do
        ask objects aws s3api list-object-versions "${ours[@]}" --max-items 250 \
            --page-size 250 --query '[Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}' --output json
        objects=$(compact <<<"$answer")
        if [[ $objects == '[]' ]]; then break; fi
        if [[ $objects == "$last" ]]; then die "the bucket $bucket does not get empty" "$advice"; fi
        last=$objects
        run aws s3api delete-objects "${ours[@]}" --delete "{\"Objects\":$objects,\"Quiet\":true}"
        if dry_run; then break; fi
    done
    run aws s3api delete-bucket "${ours[@]}"
}

# ---- All together --------------------------------------------------------------------------------------------------

scope=
yes=0
for argument; do
    case $argument in
        --help | -h) usage && exit ;;
        --yes) yes=1 ;;
        account | organization) scope=$argument ;;
        *) misuse "unknown argument '$argument'" ;;
    esac
done
if [[ -z $scope ]]; then misuse "say which: account or organization"; fi
start

step "Who calls" "$sign_in"
ask_account
if [[ $scope == organization ]]; then
    ask_organization
    check_management_profile
    step "What is there" "the caller needs cloudformation:DescribeStacks"
    ask_earlier
else
    bucket=setup-keys-artifacts-$account-$region
    bucket_given=$ARTIFACT_BUCKET
fi

delete_pack
if [[ $scope == account ]]; then
    delete_forwarding "${management_options[@]}"
    delete_stack "$STACK_NAME"
else
    if reaches_management; then
        delete_forwarding "${management_options[@]}"
        delete_stack "$STACK_NAME" "${management_options[@]}"
    else
        say "# the management account $management may have a stack $STACK_NAME: MANAGEMENT_PROFILE deletes that, too"
    fi
    # The StackSet is the stack's, and deletes the functions in all accounts.
    delete_stack "$ORGANIZATION_STACK_NAME"
fi
if [[ -n $bucket_given ]]; then
    say ""
    say "# The bucket $bucket_given was there before: it is left as it is."
elif [[ -n $bucket ]]; then
    delete_bucket
elif ((yes)); then
    say ""
    say "# The stack is gone, and with it the name of its bucket. To find it, if it is still there:"
    say "# aws s3api list-buckets --prefix $ORGANIZATION_STACK_NAME-artifacts-"
fi

say ""
say "Done."
