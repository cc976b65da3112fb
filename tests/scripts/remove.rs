//! `remove.sh`: the pack first, then what it needs.

use serde_json::json;

use crate::{ACCOUNT, Aws, BUCKET};

const SCRIPT: &str = "remove.sh";

fn deployed_account() -> Aws {
    let aws = Aws::account();
    aws.succeed("deploy-account.sh", &[], &[]);
    aws
}

fn deployed_organization() -> Aws {
    let aws = Aws::organization();
    aws.succeed("deploy-organization.sh", &[], &[]);
    aws
}

#[test]
fn account_is_as_before_but_for_the_bucket() {
    let aws = deployed_account();
    let run = aws.succeed(SCRIPT, &["account"], &[]);
    assert_eq!(run.changes(), ["configservice delete-conformance-pack", "cloudformation delete-stack"]);
    assert!(run.stderr.contains("# left with its content: --yes deletes it\n"), "{}", run.stderr);
    let state = aws.state();
    assert_eq!((&state["packs"], &state["stacks"][ACCOUNT]), (&json!({}), &json!({})));
    assert_eq!(state["buckets"][BUCKET]["objects"].as_array().unwrap().len(), 1);

    let run = aws.succeed(SCRIPT, &["account", "--yes"], &[]);
    assert_eq!(run.changes(), ["s3api delete-objects", "s3api delete-bucket"]);
    assert_eq!(aws.state()["buckets"], json!({}));

    let run = aws.succeed(SCRIPT, &["account", "--yes"], &[]);
    assert_eq!(run.changes(), <[String; 0]>::default());
    assert_eq!(run.stderr.matches("# there is none\n").count(), 4, "{}", run.stderr);
}

#[test]
fn bucket_of_the_user_stays() {
    let settings = [("ARTIFACT_BUCKET", "artifacts")];
    let bucket = json!({ "owner": ACCOUNT, "region": "eu-west-1", "objects": ["theirs"] });
    let aws = Aws::organization().with(|state| state["buckets"]["artifacts"] = bucket);
    aws.succeed("deploy-account.sh", &[], &settings);
    let run = aws.succeed(SCRIPT, &["account", "--yes"], &settings);
    assert!(run.stderr.contains("# The bucket artifacts was there before: it is left as it is.\n"), "{}", run.stderr);
    aws.succeed("deploy-organization.sh", &[], &settings);
    // The stack knows which it is.
    aws.succeed(SCRIPT, &["organization", "--yes"], &[]);
    let state = aws.state();
    assert_eq!((&state["stacks"][ACCOUNT], &state["organization_packs"]), (&json!({}), &json!({})));
    assert_eq!(state["buckets"]["artifacts"]["objects"].as_array().unwrap().len(), 4);
}

#[test]
fn organization_is_as_before() {
    let aws = deployed_organization();
    // More versions and deletion markers than one call takes.
    aws.change(|state| {
        let bucket = &mut state["buckets"]["setup-keys-organization-artifacts-1a2b3c4d5e6f"];
        let keys = |prefix: &str| (0..200).map(|number| format!("{prefix}-{number}.zip")).collect::<Vec<_>>();
        bucket["objects"] = json!(keys("evaluator"));
        bucket["markers"] = json!(keys("old"));
    });
    let run = aws.succeed(SCRIPT, &["organization", "--yes"], &[]);
    let expected = [
        "configservice delete-organization-conformance-pack",
        "cloudformation delete-stack",
        "cloudformation delete-stack",
        "s3api delete-objects",
        "s3api delete-objects",
        "s3api delete-bucket",
    ];
    assert_eq!(run.changes(), expected);
    let state = aws.state();
    assert_eq!((&state["stacks"][ACCOUNT], &state["organization_packs"]), (&json!({}), &json!({})));
    assert_eq!((&state["buckets"], state.get("stack_set")), (&json!({}), None));
    // The stack was what knew the bucket.
    let run = aws.succeed(SCRIPT, &["organization", "--yes"], &[]);
    assert_eq!(run.changes(), <[String; 0]>::default());
    let said = "# aws s3api list-buckets --prefix setup-keys-organization-artifacts-\n";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

#[test]
fn delegated_administrator() {
    let settings = [("CALL_AS", "DELEGATED_ADMIN"), ("MANAGEMENT_PROFILE", "management")];
    let aws = Aws::delegated();
    aws.succeed("deploy-organization.sh", &[], &settings);
    let run = aws.succeed(SCRIPT, &["organization"], &settings[..1]);
    let said =
        "# the management account 111122223333 may have a stack setup-keys: MANAGEMENT_PROFILE deletes that, too\n";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert_eq!(aws.state()["stacks"][ACCOUNT].as_object().unwrap().len(), 1);
    aws.succeed(SCRIPT, &["organization"], &settings);
    assert_eq!(aws.state()["stacks"][ACCOUNT], json!({}));
}

#[test]
fn pack_that_stays_keeps_what_it_needs() {
    let aws = deployed_account().with(|state| state["undeletable"] = json!("The stack is locked."));
    let said = "the pack setup-keys could not be deleted: The stack is locked.\n";
    let run = aws.fail(1, said, SCRIPT, &["account", "--yes"], &[]);
    assert_eq!(run.changes(), ["configservice delete-conformance-pack"]);
}

#[test]
fn stack_that_stays_is_told() {
    // Another pack still imports the function.
    let aws = deployed_account();
    aws.change(|state| state["packs"]["other"] = state["packs"]["setup-keys"].clone());
    let said = "What to do: see why: aws cloudformation describe-stack-events --stack-name setup-keys";
    let run = aws.fail(1, said, SCRIPT, &["account", "--yes"], &[]);
    assert_eq!(run.commands().last().unwrap(), "cloudformation wait");
}

#[test]
fn each_failure_stops_it() {
    deployed_account().fail_at_each_call(SCRIPT, &["account", "--yes"], &[]);
    deployed_organization().fail_at_each_call(SCRIPT, &["organization"], &[]);
}
