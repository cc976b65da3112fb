//! The way back: `--undo` gives keys back the status that this tool took, and touches nothing else, whatever happened since.

use super::*;

/// Deactivates the key of alice; her account, and a directory with the undo file in it.
fn undone_later(test: &str) -> AwsDouble {
    let aws = account();
    let _ = fs::remove_file(directory(test).join("undo.json"));
    let (code, shown) =
        printed(&tool(test, &aws, &["remediate", "--user", "alice", "--yes", "--undo-file", "undo.json"]));
    assert_eq!((code, status(&aws, "alice").as_str()), (0, "Inactive"), "{shown}");
    aws.forget_calls();
    aws
}

/// Exit status, what was printed, and the calls that changed a key.
fn undo(test: &str, aws: &AwsDouble) -> (i32, String, usize) {
    let (code, shown) = printed(&tool(test, aws, &["remediate", "--undo", "undo.json", "--yes"]));
    (code, shown, aws.count("iam", "UpdateAccessKey") + aws.count("iam", "DeleteAccessKey"))
}

/// Whether the key of alice comes back although this goes wrong with a call.
#[track_caller]
fn comes_back(test: &str, action: &str, kind: FaultKind) {
    let aws = undone_later(test);
    aws.fail(Fault::new(action, kind).times(1));
    let (code, shown, _) = undo(test, &aws);
    assert_eq!((code, status(&aws, "alice").as_str()), (0, "Active"), "{shown}");
    assert!(shown.contains("Done: The key has its old status."), "{shown}");
}

cases! { comes_back:
    although_iam_throttles_once => ("undo_throttled", "UpdateAccessKey", FaultKind::Throttle);
    although_iam_fails_once => ("undo_500", "UpdateAccessKey", FaultKind::InternalError);
    although_the_answer_is_lost => ("undo_reset", "UpdateAccessKey", FaultKind::TruncatedBody);
    although_the_look_is_throttled => ("undo_look", "ListAccessKeys", FaultKind::Throttle);
}

/// How often it is tried to give the key of alice its status, where this always goes wrong.
#[track_caller]
fn is_tried(test: &str, kind: FaultKind, times: usize) {
    let aws = undone_later(test);
    aws.fail(Fault::new("UpdateAccessKey", kind));
    let (code, shown, tried) = undo(test, &aws);
    assert_eq!((code, status(&aws, "alice").as_str(), tried), (2, "Inactive", times), "{shown}");
}

cases! { is_tried:
    four_times_where_iam_fails => ("undo_fails", FaultKind::InternalError, 4);
    once_where_it_is_denied => ("undo_forbidden", FaultKind::AccessDenied, 1);
}

/// Nothing is done, and this is said.
#[track_caller]
fn leaves(test: &str, change: fn(&mut User), said: &str, expected: i32) {
    let aws = undone_later(test);
    aws.account(|account| change(account.user("alice")));
    let before = aws.account(|account| account.users.iter().map(|user| user.keys.clone()).collect::<Vec<_>>());
    let (code, shown, changes) = undo(test, &aws);
    assert!(shown.contains(said) && (code, changes) == (expected, 0), "{code}: {shown}");
    let after = aws.account(|account| account.users.iter().map(|user| user.keys.clone()).collect::<Vec<_>>());
    assert_eq!(after, before);
}

cases! { leaves:
    a_key_that_is_active_again => ("undo_active", |alice| "Active".clone_into(&mut alice.keys[0].status),
        "Skipped: The key has this status already.", 0);
    a_key_that_has_expired => ("undo_expired", |alice| "Expired".clone_into(&mut alice.keys[0].status),
        "Skipped: The status of the key has changed meanwhile.", 1);
    a_key_that_was_deleted => ("undo_deleted", |alice| alice.keys.clear(), "Skipped: The key is gone.", 1);
    a_user_that_was_made_again => ("undo_remade", |alice| "AIDAANOTHERALICE00001".clone_into(&mut alice.user_id),
        "Skipped: The user is gone, or has another name.", 1);
    a_user_of_another_name => ("undo_renamed", |alice| "alice.smith".clone_into(&mut alice.name),
        "Skipped: The user is gone, or has another name.", 1);
}

#[test]
fn a_refusal_is_told_and_the_other_keys_come_back() {
    let test = "undo_denied";
    let aws = account();
    aws.add(User::new("erin", CREATED).password().key("AKIAERIN000000000001", 5));
    let _ = fs::remove_file(directory(test).join("undo.json"));
    printed(&tool(test, &aws, &["remediate", "--all", "--yes", "--undo-file", "undo.json"]));
    assert_eq!((status(&aws, "alice").as_str(), status(&aws, "erin").as_str()), ("Inactive", "Inactive"));
    aws.fail(Fault::new("UpdateAccessKey", FaultKind::AccessDenied).times(1));
    let (code, shown, _) = undo(test, &aws);
    assert_eq!((code, status(&aws, "alice").as_str(), status(&aws, "erin").as_str()), (2, "Inactive", "Active"));
    assert!(shown.contains("iam:UpdateAccessKey failed for `…0001`: AccessDenied"), "{shown}");
    let (code, shown, _) = undo(test, &aws);
    assert_eq!((code, status(&aws, "alice").as_str()), (0, "Active"), "{shown}");
}

#[test]
fn where_nothing_was_changed_there_is_nothing_to_undo() {
    let test = "undo_nothing";
    let aws = account();
    let file = directory(test).join("undo.json");
    let _ = fs::remove_file(&file);
    // Somebody is quicker than the run, right after its plan.
    aws.after_calls(Some("GetLoginProfile"), 1, |account| {
        "Inactive".clone_into(&mut account.user("alice").keys[0].status);
    });
    let (code, shown) =
        printed(&tool(test, &aws, &["remediate", "--user", "alice", "--yes", "--undo-file", "undo.json"]));
    assert!(code == 0 && shown.contains("Planned") && !shown.contains("To undo"), "{code}: {shown}");
    assert_eq!((aws.count("iam", "UpdateAccessKey"), file.exists()), (0, false), "{shown}");
}

/// Names are compared without regard to case, so these are one user.
#[test]
fn a_user_who_is_named_twice_is_one_user() {
    let test = "named_twice";
    let aws = account();
    let _ = fs::remove_file(directory(test).join("undo.json"));
    let (code, shown) = printed(&tool(test, &aws, &["remediate", "--user", "alice", "--user", "ALICE"]));
    assert!(code == 1 && shown.contains("--yes acts on 1 key."), "{shown}");
    assert!(shown.ends_with("\n1 setup key left active.\n"), "{shown}");
}
