//! The decision: a case for every row and boundary of the decision table, the profiles, exceptions and annotations.

#![allow(clippy::needless_pass_by_value, reason = "the rows of a table of tests are made in place")]

#[macro_use]
#[path = "support/cases.rs"]
mod cases;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyAge, KeyName, KeyStatus, Keys, LastUse, LoginProfile};
use setup_keys::rule::parameters::{GivenParameters, ParameterName, Parameters, Profile};
use setup_keys::rule::screening::{Screening, screen};
use setup_keys::rule::verdict::{Annotations, ComplianceType, MAX_ANNOTATION_CHARS, NotApplicable, Summary, Verdict};
use setup_keys::rule::{Need, Step, decide, key_ages};

const COMPLIANT: ComplianceType = ComplianceType::Compliant;
const NON_COMPLIANT: ComplianceType = ComplianceType::NonCompliant;
const NOT_APPLICABLE: ComplianceType = ComplianceType::NotApplicable;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn user_created() -> DateTime<Utc> {
    time("2026-03-02T10:15:01Z")
}

fn now() -> DateTime<Utc> {
    time("2026-05-03T12:00:00Z")
}

/// An active, never used key made so many seconds after the user.
fn key(seconds_after_user: i64) -> AccessKey {
    AccessKey {
        name: KeyName::Id("AKIAIOSFODNN7EXAMPLE".to_owned()),
        status: KeyStatus::Active,
        created: user_created() + TimeDelta::seconds(seconds_after_user),
        last_use: LastUse::Never,
    }
}

fn inactive(key: AccessKey) -> AccessKey {
    AccessKey { status: KeyStatus::Inactive, ..key }
}

fn expired(key: AccessKey) -> AccessKey {
    AccessKey { status: KeyStatus::Other("Expired".to_owned()), ..key }
}

fn used(key: AccessKey) -> AccessKey {
    AccessKey { last_use: LastUse::At(time("2026-04-01T00:00:00Z")), ..key }
}

/// A user with a console password and these keys, everything read.
fn user(keys: Vec<AccessKey>) -> Facts {
    Facts {
        user_id: Some("AIDAEXAMPLEALICE00001".to_owned()),
        arn: Some("arn:aws:iam::111122223333:user/alice".to_owned()),
        created: Some(user_created()),
        keys: Keys::All(keys),
        login_profile: LoginProfile::Present,
        identity: identity("AIDAEXAMPLEALICE00001", &[]),
        ..Facts::unread("alice")
    }
}

fn without_password(facts: Facts) -> Facts {
    Facts { login_profile: LoginProfile::Absent, ..facts }
}

fn identity(user_id: &str, tags: &[(&str, &str)]) -> Identity {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Identity::Read { user_id: user_id.to_owned(), created: user_created(), tags: tags.collect() }
}

/// `profile=cis keyStatus=any`
fn parameters(text: &str) -> Parameters {
    let mut given = GivenParameters::default();
    for pair in text.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap();
        let name = ParameterName::ALL.iter().find(|known| known.as_str() == name).unwrap();
        given.set(*name, value).unwrap();
    }
    given.resolve()
}

#[track_caller]
fn verdict(facts: &Facts, parameters: &Parameters) -> Verdict {
    match decide(facts, parameters, now()) {
        Step::Verdict(verdict) => verdict,
        Step::Need(needs) => panic!("all facts were read, yet it needs {needs:?}"),
    }
}

#[track_caller]
fn judges(facts: Facts, given: &str, expected: ComplianceType) {
    assert_eq!(verdict(&facts, &parameters(given)).compliance_type(), expected, "{given}");
}

mod window {
    use super::*;

    cases! { judges:
        flags_a_key_made_with_its_user => (user(vec![key(0)]), "", NON_COMPLIANT);
        flags_59_s => (user(vec![key(59)]), "", NON_COMPLIANT);
        flags_60_s_since_both_ends_are_included => (user(vec![key(60)]), "", NON_COMPLIANT);
        allows_61_s => (user(vec![key(61)]), "", COMPLIANT);
        flags_a_key_dated_60_s_before_its_user => (user(vec![key(-60)]), "", NON_COMPLIANT);
        allows_a_key_dated_61_s_before_its_user => (user(vec![key(-61)]), "", COMPLIANT);
        flags_the_same_second_in_a_window_of_0 => (user(vec![key(0)]), "setupWindowSeconds=0", NON_COMPLIANT);
        allows_the_next_second_in_a_window_of_0 => (user(vec![key(1)]), "setupWindowSeconds=0", COMPLIANT);
        flags_86400_s_in_the_widest_window => (user(vec![key(86_400)]), "setupWindowSeconds=86400", NON_COMPLIANT);
        allows_86401_s_in_the_widest_window => (user(vec![key(86_401)]), "setupWindowSeconds=86400", COMPLIANT);
        flags_whatever_distance_with_any => (user(vec![key(900_000_000)]), "setupWindowSeconds=any", NON_COMPLIANT);
        looks_at_the_second_key => (user(vec![key(90_000), key(5)]), "", NON_COMPLIANT);
        looks_at_a_fifth_key => (user(vec![key(90_000), key(90_001), key(90_002), key(90_003), key(5)]), "", NON_COMPLIANT);
        allows_a_user_without_keys => (user(vec![]), "", COMPLIANT);
    }

    #[test]
    fn counts_whole_seconds_of_each_time() {
        let mut facts = user(vec![key(60)]);
        facts.created = Some(user_created() + TimeDelta::milliseconds(1));
        let Keys::All(keys) = &mut facts.keys else { unreachable!() };
        keys[0].created += TimeDelta::milliseconds(999);
        judges(facts, "", NON_COMPLIANT);
    }

    #[test]
    fn takes_the_creation_time_from_the_identity_where_the_item_has_none() {
        judges(Facts { created: None, ..user(vec![key(60)]) }, "", NON_COMPLIANT);
        judges(Facts { created: None, ..user(vec![key(61)]) }, "", COMPLIANT);
    }
}

mod status_use_and_password {
    use super::*;

    cases! { judges:
        allows_an_inactive_key => (user(vec![inactive(key(3))]), "", COMPLIANT);
        flags_an_inactive_key_if_any_status_counts => (user(vec![inactive(key(3))]), "keyStatus=any", NON_COMPLIANT);
        allows_a_status_yet_unknown => (user(vec![expired(key(3))]), "", COMPLIANT);
        flags_a_status_yet_unknown_if_any_counts => (user(vec![expired(key(3))]), "keyStatus=any", NON_COMPLIANT);
        flags_a_used_key => (user(vec![used(key(3))]), "", NON_COMPLIANT);
        allows_a_used_key_if_only_unused_ones_count => (user(vec![used(key(3))]), "keyUsage=never-used", COMPLIANT);
        flags_an_unused_key_if_only_those_count => (user(vec![key(3)]), "keyUsage=never-used", NON_COMPLIANT);
        flags_the_unused_one_of_two => (user(vec![used(key(3)), key(4)]), "keyUsage=never-used", NON_COMPLIANT);
        allows_a_user_without_password => (without_password(user(vec![key(3)])), "", COMPLIANT);
        flags_a_user_without_password_if_that_is_ignored
            => (without_password(user(vec![key(3)])), "consolePassword=ignored", NON_COMPLIANT);
    }
}

#[test]
fn every_status_is_spelled_as_iam_spells_it() {
    for status in ["Active", "Inactive", "Expired", "active"] {
        assert_eq!(KeyStatus::from(status).as_str(), status);
    }
}

mod profiles {
    use super::*;

    cases! { judges:
        cis_flags_60_s => (user(vec![used(key(60))]), "profile=cis", NON_COMPLIANT);
        cis_allows_61_s => (user(vec![used(key(61))]), "profile=cis", COMPLIANT);
        cis_needs_a_password => (without_password(user(vec![key(0)])), "profile=cis", COMPLIANT);
        cis_needs_an_active_key => (user(vec![inactive(key(0))]), "profile=cis", COMPLIANT);

        check_point_flags_59_s => (user(vec![used(key(59))]), "profile=check-point", NON_COMPLIANT);
        check_point_allows_60_s => (user(vec![key(60)]), "profile=check-point", COMPLIANT);
        check_point_flags_an_inactive_key => (user(vec![inactive(key(0))]), "profile=check-point", NON_COMPLIANT);
        check_point_needs_a_password => (without_password(user(vec![key(0)])), "profile=check-point", COMPLIANT);

        trend_micro_flags_60_s => (user(vec![key(60)]), "profile=trend-micro", NON_COMPLIANT);
        trend_micro_allows_61_s => (user(vec![key(61)]), "profile=trend-micro", COMPLIANT);
        trend_micro_allows_a_used_key => (user(vec![used(key(0))]), "profile=trend-micro", COMPLIANT);
        trend_micro_needs_an_active_key => (user(vec![inactive(key(0))]), "profile=trend-micro", COMPLIANT);
        trend_micro_needs_a_password => (without_password(user(vec![key(0)])), "profile=trend-micro", COMPLIANT);

        kertos_flags_60_s => (user(vec![key(60)]), "profile=kertos", NON_COMPLIANT);
        kertos_allows_61_s => (user(vec![key(61)]), "profile=kertos", COMPLIANT);
        kertos_flags_an_inactive_key => (user(vec![inactive(key(0))]), "profile=kertos", NON_COMPLIANT);
        kertos_allows_a_used_key => (user(vec![used(key(0))]), "profile=kertos", COMPLIANT);
        kertos_needs_a_password => (without_password(user(vec![key(0)])), "profile=kertos", COMPLIANT);

        panther_flags_6_s => (user(vec![used(key(6))]), "profile=panther", NON_COMPLIANT);
        panther_allows_7_s => (user(vec![key(7)]), "profile=panther", COMPLIANT);
        panther_flags_an_inactive_key => (user(vec![inactive(key(0))]), "profile=panther", NON_COMPLIANT);
        panther_needs_no_password => (without_password(user(vec![key(0)])), "profile=panther", NON_COMPLIANT);

        cyscale_flags_any_distance => (user(vec![key(90_000_000)]), "profile=cyscale", NON_COMPLIANT);
        cyscale_allows_a_used_key => (user(vec![used(key(0))]), "profile=cyscale", COMPLIANT);
        cyscale_needs_an_active_key => (user(vec![inactive(key(0))]), "profile=cyscale", COMPLIANT);
        cyscale_needs_a_password => (without_password(user(vec![key(0)])), "profile=cyscale", COMPLIANT);

        a_parameter_by_name_overrides_the_profile
            => (user(vec![key(60)]), "profile=check-point setupWindowSeconds=60", NON_COMPLIANT);
    }

    #[track_caller]
    fn is_published(profile: Profile, origin: &str, references: &[&str]) {
        let published = profile.origin();
        assert_eq!(published.to_string(), origin);
        assert_eq!(published.references(), references);
    }

    cases! { is_published:
        by_cis_under_a_number_a_release => (Profile::Cis,
            "CIS AWS Foundations 1.1 (1.23), 1.2 (1.21), 1.3 to 4.0 (1.11), 5.0 (1.10), 6.0 (2.10); retired in 7.0",
            &["CIS AWS Foundations 1.1: 1.23", "CIS AWS Foundations 1.2: 1.21", "CIS AWS Foundations 1.3: 1.11",
                "CIS AWS Foundations 1.4: 1.11", "CIS AWS Foundations 1.5: 1.11", "CIS AWS Foundations 2.0: 1.11",
                "CIS AWS Foundations 3.0: 1.11", "CIS AWS Foundations 4.0: 1.11", "CIS AWS Foundations 5.0: 1.10",
                "CIS AWS Foundations 6.0: 2.10"]);
        by_check_point_under_one_number => (Profile::CheckPoint,
            "Check Point CloudGuard D9.AWS.IAM.79", &["Check Point CloudGuard: D9.AWS.IAM.79"]);
        by_kertos_without_a_number => (Profile::Kertos, "Kertos", &["Kertos"]);
    }
}

mod identity {
    use super::*;

    fn held_by(identity: Identity) -> Facts {
        Facts { identity, ..user(vec![key(3)]) }
    }

    cases! { judges:
        a_user_that_is_gone_is_not_judged => (held_by(Identity::Gone), "", NOT_APPLICABLE);
        a_name_that_belongs_to_another_id_is_not_judged
            => (held_by(identity("AIDAANOTHER0000000001", &[])), "", NOT_APPLICABLE);
        a_source_without_ids_is_judged_by_name => (held_by(Identity::Unavailable), "", NON_COMPLIANT);
        the_root_user_is_not_judged_by_its_name_in_a_report
            => (Facts { user_name: "<root_account>".to_owned(), ..user(vec![key(3)]) }, "", NOT_APPLICABLE);
        the_root_user_is_not_judged_by_its_arn
            => (Facts { arn: Some("arn:aws:iam::111122223333:root".to_owned()), ..user(vec![key(3)]) }, "", NOT_APPLICABLE);
        a_user_called_root_is_judged
            => (Facts { arn: Some("arn:aws:iam::111122223333:user/root".to_owned()), ..user(vec![key(3)]) }, "", NON_COMPLIANT);
    }
}

mod exceptions {
    use super::*;

    /// What the verdict on a violator with these tags is, and what its annotation contains. Today is 2026-05-03.
    #[track_caller]
    fn judges_tags(tags: &[(&str, &str)], given: &str, expected: ComplianceType, annotated: &str) {
        let facts = Facts { identity: identity("AIDAEXAMPLEALICE00001", tags), ..user(vec![key(3)]) };
        let parameters = parameters(given);
        let verdict = verdict(&facts, &parameters);
        assert_eq!(verdict.compliance_type(), expected, "{tags:?}");
        let annotation = verdict.annotation(&parameters);
        assert!(annotation.contains(annotated), "`{annotated}` is not in `{annotation}`");
    }

    #[test]
    fn ends_soon_from_14_days_before_its_last() {
        for (date, days_left, expiring) in
            [("2026-05-03", 0, true), ("2026-05-04", 1, true), ("2026-05-17", 14, true), ("2026-05-18", 15, false)]
        {
            let facts = Facts { identity: identity("AIDAEXAMPLEALICE00001", &until(date)), ..user(vec![key(3)]) };
            let verdict = verdict(&facts, &parameters(""));
            let exception = verdict.exception().unwrap();
            assert_eq!((exception.days_left, exception.is_expiring()), (days_left, expiring), "{date}");
            assert_eq!(Summary::from_iter([&verdict]).expiring, usize::from(expiring), "{date}");
        }
    }

    const OWNER: (&str, &str) = ("setup-keys:exception-owner", "ops@example.com");
    fn until(date: &str) -> [(&str, &str); 2] {
        [OWNER, ("setup-keys:exception-expires", date)]
    }

    cases! { judges_tags:
        covers_until_its_day => (&until("2026-06-30"), "", COMPLIANT, "Exception until 2026-06-30 (UTC), 1 setup key, owner ops@example.com");
        covers_its_last_day => (&until("2026-05-03"), "", COMPLIANT, "2026-05-03");
        ends_the_day_after => (&until("2026-05-02"), "", NON_COMPLIANT, "Exception not valid: expired 2026-05-02. 1 setup key");
        covers_365_days_ahead => (&until("2027-05-03"), "", COMPLIANT, "2027-05-03");
        refuses_366_days_ahead => (&until("2027-05-04"), "", NON_COMPLIANT, "expiry 2027-05-04 is over 365 days ahead");
        covers_as_many_days_as_the_rule_allows => (&until("2026-05-04"), "maxExceptionDays=1", COMPLIANT, "2026-05-04");
        refuses_more_days_than_the_rule_allows => (&until("2026-05-05"), "maxExceptionDays=1", NON_COMPLIANT, "over 1 day ahead");
        refuses_a_day_that_the_calendar_has_not => (&until("2026-02-30"), "", NON_COMPLIANT, "expiry `2026-02-30` is not a date (YYYY-MM-DD)");
        refuses_a_short_month => (&until("2026-6-30"), "", NON_COMPLIANT, "is not a date");
        refuses_another_order => (&until("30-06-2026"), "", NON_COMPLIANT, "is not a date");
        refuses_a_time => (&until("2026-06-30T00:00:00Z"), "", NON_COMPLIANT, "is not a date");
        refuses_a_signed_year => (&until("+026-06-30"), "", NON_COMPLIANT, "is not a date");
        refuses_blanks_around_the_date => (&until(" 2026-06-30"), "", NON_COMPLIANT, "is not a date");
        refuses_other_digits => (&until("２０２６-06-30"), "", NON_COMPLIANT, "is not a date");
        refuses_an_empty_date => (&until(""), "", NON_COMPLIANT, "is not a date");
        refuses_a_missing_owner => (&[("setup-keys:exception-expires", "2026-06-30")], "", NON_COMPLIANT, "no owner");
        refuses_a_blank_owner => (
            &[("setup-keys:exception-owner", " \u{a0} "), ("setup-keys:exception-expires", "2026-06-30")], "",
            NON_COMPLIANT, "no owner");
        refuses_a_missing_date => (&[OWNER], "", NON_COMPLIANT, "no expiry date");
        refuses_a_reason_alone => (&[("setup-keys:exception-reason", "legacy")], "", NON_COMPLIANT, "no owner");
        tells_the_reason => (
            &[OWNER, ("setup-keys:exception-expires", "2026-06-30"), ("setup-keys:exception-reason", "build server")], "",
            COMPLIANT, "owner ops@example.com: build server");
        compares_keys_exactly => (
            &[("Setup-Keys:Exception-Owner", "ops"), ("Setup-Keys:Exception-Expires", "2026-06-30")], "",
            NON_COMPLIANT, "1 setup key: ");
        follows_the_prefix => (
            &[("acme/owner", "ops"), ("acme/expires", "2026-06-30")], "exceptionTagPrefix=acme/", COMPLIANT, "owner ops");
        ignores_the_default_prefix_where_another_is_set
            => (&until("2026-06-30"), "exceptionTagPrefix=acme/", NON_COMPLIANT, "1 setup key: ");
    }
}

mod annotations {
    use super::*;

    #[track_caller]
    fn annotates(facts: Facts, given: &str, expected: &str) {
        let parameters = parameters(given);
        assert_eq!(verdict(&facts, &parameters).annotation(&parameters), expected);
    }

    fn named(key: AccessKey, id: &str) -> AccessKey {
        AccessKey { name: KeyName::Id(id.to_owned()), ..key }
    }

    cases! { annotates:
        tells_to_deactivate_then_delete_an_unused_key => (
            user(vec![key(3)]), "", "1 setup key: …MPLE made 3 s after the user, never used: deactivate, then delete.");
        tells_to_rotate_a_used_key => (
            user(vec![used(key(60))]), "", "1 setup key: …MPLE made 60 s after the user, used: rotate.");
        tells_every_key_oldest_first => (
            user(vec![named(used(key(60)), "AKIAXXXXXXXXXXXXWXYZ"), named(key(-2), "AKIAXXXXXXXXXXXXABCD")]), "",
            "2 setup keys: …ABCD made 2 s before the user, never used: deactivate, then delete; \
             …WXYZ made 60 s after the user, used: rotate.");
        tells_to_delete_an_inactive_unused_key => (
            user(vec![inactive(key(3))]), "keyStatus=any", "1 setup key: …MPLE made 3 s after the user, inactive, never used: delete.");
        tells_no_second_before_or_after_as_after => (
            user(vec![key(0)]), "", "1 setup key: …MPLE made 0 s after the user, never used: deactivate, then delete.");
        tells_seconds_up_to_a_day => (
            user(vec![key(86_400)]), "profile=cyscale",
            "1 setup key: …MPLE made 86400 s after the user, never used: deactivate, then delete.");
        tells_whole_days_from_then_on => (
            user(vec![key(-86_401)]), "profile=cyscale",
            "1 setup key: …MPLE made 1 day before the user, never used: deactivate, then delete.");
        tells_days_over_a_day => (
            user(vec![key(86_400 * 30 + 5)]), "profile=cyscale",
            "1 setup key: …MPLE made 30 days after the user, never used: deactivate, then delete.");
        names_the_condition_that_no_key_meets => (user(vec![]), "", "No active access key made within 60 s of the user.");
        names_every_condition => (
            user(vec![]), "profile=kertos keyStatus=active", "No active never used access key made within 60 s of the user.");
        names_no_window_where_there_is_none => (user(vec![]), "profile=cyscale keyUsage=any", "No active access key.");
        tells_that_there_is_no_password => (without_password(user(vec![key(1)])), "", "No console password.");
        is_the_same_whatever_the_key_when_none_is_a_setup_key => (
            user(vec![key(90_000)]), "", "No active access key made within 60 s of the user.");
    }

    #[track_caller]
    fn tells_why_there_is_nothing_to_judge(reason: NotApplicable, expected: &str) {
        assert_eq!(Verdict::NotApplicable(reason).annotation(&Parameters::default()), expected);
    }

    cases! { tells_why_there_is_nothing_to_judge:
        a_resource_that_is_not_recorded => (NotApplicable::NotRecorded, "The resource is deleted or not recorded.");
        a_resource_that_left_the_scope => (NotApplicable::LeftScope, "The resource left the scope of the rule.");
        a_resource_of_another_type => (NotApplicable::OtherType, "The rule judges AWS::IAM::User only.");
        the_root_user => (NotApplicable::Root, "The root user is not an IAM user.");
        a_user_that_is_gone => (NotApplicable::Gone, "The user no longer exists.");
        a_user_of_whom_another_has_the_name
            => (NotApplicable::Replaced, "The user no longer exists: its name belongs to another user.");
    }

    #[test]
    fn are_the_same_when_they_are_made_for_many_users() {
        for given in ["", "profile=kertos", "profile=cyscale", "consolePassword=ignored"] {
            let parameters = parameters(given);
            let annotations = Annotations::new(&parameters);
            let users = [user(vec![]), user(vec![key(3)]), without_password(user(vec![key(3)]))];
            for facts in users.into_iter().chain([Facts { identity: Identity::Gone, ..user(vec![]) }]) {
                let verdict = verdict(&facts, &parameters);
                assert_eq!(*annotations.of(&verdict), *verdict.annotation(&parameters));
            }
        }
    }

    #[test]
    fn what_is_to_be_done_is_told_of_each_key_of_a_violator() {
        let keys = vec![
            named(used(key(60)), "AKIAXXXXXXXXXXXXWXYZ"),
            named(key(-2), "AKIAXXXXXXXXXXXXABCD"),
            AccessKey { name: KeyName::Slot(2), ..inactive(key(5)) },
            AccessKey { name: KeyName::Slot(1), ..inactive(used(key(6))) },
        ];
        let todo = |facts: &Facts| verdict(facts, &parameters("keyStatus=any")).remediation();
        assert_eq!(
            todo(&user(keys.clone())).as_deref(),
            Some(
                "…ABCD: never used: deactivate, then delete; key 2: inactive, never used: delete; \
                 key 1: inactive, was used: delete when nobody misses it; …WXYZ: used: rotate"
            )
        );
        assert_eq!(todo(&without_password(user(keys))), None);
    }

    #[test]
    fn are_cut_on_a_character_boundary_at_the_limit() {
        let owner = "é".repeat(300);
        let tags = [("setup-keys:exception-owner", owner.as_str()), ("setup-keys:exception-expires", "2026-06-30")];
        let facts = Facts { identity: identity("AIDAEXAMPLEALICE00001", &tags), ..user(vec![key(3)]) };
        let annotation = verdict(&facts, &Parameters::default()).annotation(&Parameters::default());
        assert_eq!(annotation.chars().count(), MAX_ANNOTATION_CHARS);
        assert!(
            annotation.starts_with("Exception until 2026-06-30 (UTC)") && annotation.ends_with("é…"),
            "{annotation}"
        );
    }

    #[test]
    fn are_whole_when_they_just_fit() {
        let start = "Exception until 2026-06-30 (UTC), 1 setup key, owner ".chars().count();
        for (length, cut) in [(MAX_ANNOTATION_CHARS - start, false), (MAX_ANNOTATION_CHARS - start + 1, true)] {
            let owner = "字".repeat(length);
            let tags = [("setup-keys:exception-owner", owner.as_str()), ("setup-keys:exception-expires", "2026-06-30")];
            let facts = Facts { identity: identity("AIDAEXAMPLEALICE00001", &tags), ..user(vec![key(3)]) };
            let annotation = verdict(&facts, &Parameters::default()).annotation(&Parameters::default());
            assert_eq!(annotation.chars().count(), MAX_ANNOTATION_CHARS);
            assert_eq!(annotation.ends_with('…'), cut);
        }
    }

    #[test]
    fn keep_what_is_wrong_with_an_exception_when_many_keys_are_cut() {
        let tags = [("setup-keys:exception-owner", "ops"), ("setup-keys:exception-expires", "2026-01-01")];
        let keys = (0..20).map(key).collect();
        let facts = Facts { identity: identity("AIDAEXAMPLEALICE00001", &tags), ..user(keys) };
        let annotation = verdict(&facts, &Parameters::default()).annotation(&Parameters::default());
        assert!(annotation.starts_with("Exception not valid: expired 2026-01-01. 20 setup keys: "), "{annotation}");
        assert_eq!(annotation.chars().count(), MAX_ANNOTATION_CHARS);
    }

    #[test]
    fn mask_what_is_long_enough_to_be_a_key_id() {
        for (owner, shown) in [
            ("AKIAIOSFODNN7EXAMPLE", "…MPLE"),
            ("the key ASIAIOSFODNN7EXAMPLE and AKIAXXXXXXXXXXXXWXYZ.", "the key …MPLE and …WXYZ."),
            ("AKIA12345", "…2345"),
            ("AKIA1234", "AKIA1234"),
            ("AKIA", "AKIA"),
            ("AKIAIOSFODNN7EXAMPLEs", "…MPLEs"),
            ("AKIAñAKIAXXXXXXXXXXXXWXYZñ", "AKIAñ…WXYZñ"),
        ] {
            let tags = [("setup-keys:exception-owner", owner), ("setup-keys:exception-expires", "2026-06-30")];
            let facts = Facts { identity: identity("AIDAEXAMPLEALICE00001", &tags), ..user(vec![key(3)]) };
            let annotation = verdict(&facts, &Parameters::default()).annotation(&Parameters::default());
            assert!(annotation.ends_with(&format!(", owner {shown}")), "{annotation}");
        }
    }

    #[test]
    fn hold_no_control_characters() {
        let tags = [
            ("setup-keys:exception-owner", "eve\u{1b}[31m\r\n\u{2028}\u{202e}"),
            ("setup-keys:exception-expires", "2026-06-30"),
        ];
        let facts = Facts { identity: identity("AIDAEXAMPLEALICE00001", &tags), ..user(vec![key(3)]) };
        let annotation = verdict(&facts, &Parameters::default()).annotation(&Parameters::default());
        assert!(annotation.ends_with("owner eve\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}"), "{annotation:?}");
    }
}

#[test]
fn a_compliance_type_is_spelled_as_aws_config_spells_it() {
    for (compliance, spelled) in
        [(COMPLIANT, "COMPLIANT"), (NON_COMPLIANT, "NON_COMPLIANT"), (NOT_APPLICABLE, "NOT_APPLICABLE")]
    {
        assert_eq!((compliance.as_str(), compliance.to_string().as_str()), (spelled, spelled));
        assert_eq!(serde_json::to_value(compliance).unwrap(), spelled);
    }
}

#[test]
fn a_summary_counts_users_by_what_became_of_them() {
    let excepted = |expires| {
        let tags = [("setup-keys:exception-owner", "ops"), ("setup-keys:exception-expires", expires)];
        Facts { identity: identity("AIDAEXAMPLEALICE00001", &tags), ..user(vec![key(3)]) }
    };
    let gone = Facts { identity: Identity::Gone, ..user(vec![]) };
    let users = [
        user(vec![]),
        without_password(user(vec![key(3)])),
        excepted("2026-05-04"),
        excepted("2026-06-30"),
        excepted("2026-07-01"),
        excepted("2026-05-05"),
        user(vec![key(3)]),
        user(vec![key(4)]),
        user(vec![key(5)]),
        gone,
    ];
    let verdicts: Vec<_> = users.iter().map(|facts| verdict(facts, &Parameters::default())).collect();
    let expected = Summary { compliant: 6, non_compliant: 3, excepted: 4, expiring: 2, total: 9 };
    assert_eq!(Summary::from_iter(&verdicts), expected);
}

/// Which facts are asked for, in which order: what a user costs.
mod cost {
    use super::*;

    /// Judges from nothing, answering each question from `truth`.
    #[track_caller]
    fn asks(truth: &Facts, given: &str) -> Vec<Need> {
        let parameters = parameters(given);
        let mut facts = Facts {
            created: truth.created,
            user_id: truth.user_id.clone(),
            arn: truth.arn.clone(),
            ..Facts::unread(truth.user_name.clone())
        };
        let mut asked = Vec::new();
        loop {
            let needs = match decide(&facts, &parameters, now()) {
                Step::Verdict(_) => return asked,
                Step::Need(needs) => needs,
            };
            assert!(!needs.is_empty(), "asks for nothing after {asked:?}");
            for need in &needs {
                match need {
                    Need::Keys => {
                        let unread = |key: &AccessKey| AccessKey { last_use: LastUse::Unread, ..key.clone() };
                        facts.keys = Keys::All(truth.keys.known().iter().map(unread).collect());
                    }
                    Need::LoginProfile => facts.login_profile = truth.login_profile,
                    Need::Identity => facts.identity = truth.identity.clone(),
                    Need::LastUse(name) => {
                        let last_use = truth.keys.known().iter().find(|key| key.name == *name).unwrap().last_use;
                        let key = facts.keys.known_mut().iter_mut().find(|key| key.name == *name).unwrap();
                        key.last_use = last_use;
                    }
                }
            }
            asked.extend(needs);
            assert!(asked.len() < 20, "no end: {asked:?}");
        }
    }

    #[track_caller]
    fn costs(truth: Facts, given: &str, expected: &[Need]) {
        assert_eq!(asks(&truth, given), expected);
    }

    fn last_use() -> Need {
        Need::LastUse(key(0).name)
    }

    cases! { costs:
        no_keys_one_call => (user(vec![]), "", &[Need::Keys]);
        an_old_key_one_call => (user(vec![key(61)]), "", &[Need::Keys]);
        an_inactive_key_one_call => (user(vec![inactive(key(0))]), "", &[Need::Keys]);
        no_password_two_calls => (without_password(user(vec![key(0)])), "", &[Need::Keys, Need::LoginProfile]);
        a_violator_three_calls_and_one_a_setup_key
            => (user(vec![key(0), inactive(key(1))]), "", &[Need::Keys, Need::LoginProfile, Need::Identity, last_use()]);
        a_used_key_where_use_decides_is_cleared_before_the_user_is_read_again
            => (user(vec![used(key(0))]), "profile=trend-micro", &[Need::Keys, Need::LoginProfile, last_use()]);
        a_violator_where_use_decides
            => (user(vec![key(0)]), "profile=trend-micro", &[Need::Keys, Need::LoginProfile, last_use(), Need::Identity]);
        no_password_asked_where_it_is_ignored => (user(vec![key(0)]), "profile=panther", &[Need::Keys, Need::Identity, last_use()]);
        an_unknown_creation_time_is_read_before_the_window_is_applied
            => (Facts { created: None, ..user(vec![key(61)]) }, "", &[Need::Keys, Need::Identity]);
        an_unknown_creation_time_does_not_matter_without_keys
            => (Facts { created: None, ..user(vec![]) }, "", &[Need::Keys]);
        a_user_that_is_gone_costs_no_further_call
            => (Facts { identity: Identity::Gone, ..user(vec![key(0)]) }, "", &[Need::Keys, Need::LoginProfile, Need::Identity]);
    }

    #[test]
    fn keys_that_a_report_does_not_show_are_asked_for_before_a_user_is_cleared() {
        let hidden = |keys| Facts { keys: Keys::Some(keys), ..user(vec![]) };
        let cis = Parameters::default();
        assert_eq!(decide(&hidden(vec![key(90)]), &cis, now()), Step::Need(vec![Need::Keys]));
        assert_eq!(verdict(&hidden(vec![key(9)]), &cis).compliance_type(), NON_COMPLIANT);
        assert_eq!(verdict(&without_password(hidden(vec![])), &cis).compliance_type(), COMPLIANT);
    }
}

/// What a row of a credential report says for sure, and what is read live.
mod screening {
    use super::*;

    const REPORT: &str = "2026-04-01T00:00:00Z";

    #[track_caller]
    fn is_screened(row: Facts, given: &str) -> Screening {
        screen(&row, time(REPORT), &parameters(given), now())
    }

    #[track_caller]
    fn is_cleared(row: Facts, given: &str) {
        match is_screened(row, given) {
            Screening::Verdict(verdict) => assert_eq!(verdict.compliance_type(), COMPLIANT),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn is_read_live(row: Facts, given: &str) {
        assert_eq!(is_screened(row, given), Screening::Live);
    }

    #[track_caller]
    fn depends_on_the_password(row: Facts, given: &str) {
        assert_eq!(is_screened(row, given), Screening::LoginProfile);
    }

    /// A user without keys that was made so many seconds before the report.
    fn made_before_the_report(seconds: i64) -> Facts {
        Facts { created: Some(time(REPORT) - TimeDelta::seconds(seconds)), ..user(vec![]) }
    }

    cases! { is_cleared:
        without_keys => (user(vec![]), "");
        without_keys_or_password => (without_password(user(vec![])), "");
        whose_last_possible_setup_key_would_be_in_the_report => (made_before_the_report(61), "");
        by_the_window_of_the_rule => (made_before_the_report(11), "setupWindowSeconds=10");
        without_a_password_and_with_a_key_made_later => (without_password(user(vec![key(61)])), "");
    }

    cases! { is_read_live:
        whose_last_possible_setup_key_may_be_younger_than_the_report => (made_before_the_report(60), "");
        made_after_the_report => (made_before_the_report(-5), "");
        where_a_key_of_any_age_counts => (user(vec![]), "setupWindowSeconds=any");
        whose_creation_time_is_not_told => (Facts { created: None, ..user(vec![]) }, "");
        whose_keys_are_not_all_told => (Facts { keys: Keys::Some(vec![]), ..user(vec![]) }, "");
        with_a_password_and_a_key_in_the_window => (user(vec![key(3)]), "");
        with_a_password_and_a_key_made_later => (user(vec![key(61)]), "");
        without_a_password_where_none_is_asked_for => (without_password(user(vec![key(3)])), "consolePassword=ignored");
        whose_password_is_not_told => (Facts { login_profile: LoginProfile::Unread, ..user(vec![key(3)]) }, "");
    }

    cases! { depends_on_the_password:
        with_a_key_in_the_window => (without_password(user(vec![key(60)])), "");
        with_a_key_in_the_window_that_may_be_active_by_now => (without_password(user(vec![inactive(key(3))])), "");
        with_a_key_in_the_window_beside_another => (without_password(user(vec![key(90_000), key(3)])), "");
    }
}

/// What a reader is told of all keys of a user, also of those that do not count.
mod ages_of_keys {
    use super::*;

    #[test]
    fn are_those_of_all_keys_oldest_first() {
        let second = KeyName::Id("AKIAXXXXXXXXXXXXWXYZ".to_owned());
        let keys = vec![key(90_000), inactive(AccessKey { name: second.clone(), ..used(key(3)) }), key(3)];
        let age = |seconds_after_user| KeyAge {
            name: key(0).name,
            status: KeyStatus::Active,
            seconds_after_user,
            last_use: LastUse::Never,
        };
        let inactive = KeyAge { name: second, status: KeyStatus::Inactive, last_use: used(key(0)).last_use, ..age(3) };
        assert_eq!(key_ages(&user(keys)), Some(vec![age(3), inactive, age(90_000)]));
    }

    #[test]
    fn are_not_known_of_keys_that_were_not_read() {
        assert_eq!(key_ages(&Facts { keys: Keys::Unread, ..user(vec![]) }), None);
    }

    #[test]
    fn are_not_known_without_the_age_of_the_user() {
        let dateless = |keys| Facts { created: None, identity: Identity::Unavailable, ..user(keys) };
        assert_eq!(key_ages(&dateless(vec![key(3)])), None);
        assert_eq!(key_ages(&dateless(vec![])), Some(vec![]), "a user without keys has none whose age is unknown");
    }
}

mod rule_parameters {
    use super::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn refuses(value: Value, message: &str) {
        let error = GivenParameters::from_json(&value).expect_err("it is refused");
        assert_eq!(error.to_string(), message);
    }

    #[track_caller]
    fn accepts(value: Value, expected: &str) {
        assert_eq!(GivenParameters::from_json(&value).unwrap().resolve(), parameters(expected));
    }

    const ALL_NAMES: &str = "`profile`, `setupWindowSeconds`, `consolePassword`, `keyStatus`, `keyUsage`, \
                             `exceptionTagPrefix`, `maxExceptionDays`, `sweepReports`";
    const WINDOW: &str = "rule parameter `setupWindowSeconds` must be a whole number from 0 to 86400, or `any`, got ";
    const DAYS: &str = "rule parameter `maxExceptionDays` must be a whole number from 1 to 3650, got ";
    const PREFIX: &str = "rule parameter `exceptionTagPrefix` must be 1 to 100 letters, digits, spaces or any of \
                          `_.:/=+-@`, not starting with `aws:`, got ";

    cases! { accepts:
        nothing => (json!({}), "");
        null => (Value::Null, "");
        strings => (json!({"profile": "kertos", "setupWindowSeconds": "86400"}), "profile=kertos setupWindowSeconds=86400");
        a_window_of_0 => (json!({"setupWindowSeconds": "0"}), "setupWindowSeconds=0");
        any_window => (json!({"setupWindowSeconds": "any"}), "setupWindowSeconds=any");
        numbers_where_a_whole_number_is_meant
            => (json!({"setupWindowSeconds": 5, "maxExceptionDays": 3650}), "setupWindowSeconds=5 maxExceptionDays=3650");
        letters_of_any_script => (json!({"exceptionTagPrefix": "Ausnahmä/例外:"}), "exceptionTagPrefix=Ausnahmä/例外:");
        reports_of_changes => (json!({"sweepReports": "changes"}), "sweepReports=changes");
    }

    cases! { refuses:
        an_array => (json!([]), "rule parameters must be a JSON object of strings, got an array");
        an_unknown_name => (json!({"windowSeconds": "60"}), &format!("unknown rule parameter `windowSeconds` (value \"60\"): the rule has {ALL_NAMES}"));
        a_name_in_another_case => (json!({"Profile": "cis"}), &format!("unknown rule parameter `Profile` (value \"cis\"): the rule has {ALL_NAMES}"));
        an_unknown_profile => (json!({"profile": "nist"}),
            "rule parameter `profile` must be one of `cis`, `check-point`, `trend-micro`, `kertos`, `panther`, `cyscale`, got `nist`");
        an_empty_profile => (json!({"profile": ""}),
            "rule parameter `profile` must be one of `cis`, `check-point`, `trend-micro`, `kertos`, `panther`, `cyscale`, got an empty value");
        a_wrong_password_condition => (json!({"consolePassword": "true"}),
            "rule parameter `consolePassword` must be one of `required`, `ignored`, got `true`");
        a_wrong_status => (json!({"keyStatus": "Active"}), "rule parameter `keyStatus` must be one of `active`, `any`, got `Active`");
        a_wrong_usage => (json!({"keyUsage": "used"}), "rule parameter `keyUsage` must be one of `any`, `never-used`, got `used`");
        a_wrong_report => (json!({"sweepReports": "none"}), "rule parameter `sweepReports` must be one of `all`, `changes`, got `none`");
        a_window_over_a_day => (json!({"setupWindowSeconds": "86401"}), &format!("{WINDOW}`86401`"));
        a_negative_window => (json!({"setupWindowSeconds": "-1"}), &format!("{WINDOW}`-1`"));
        a_signed_window => (json!({"setupWindowSeconds": "+60"}), &format!("{WINDOW}`+60`"));
        a_window_with_blanks => (json!({"setupWindowSeconds": " 60"}), &format!("{WINDOW}` 60`"));
        an_empty_window => (json!({"setupWindowSeconds": ""}), &format!("{WINDOW}an empty value"));
        a_fraction => (json!({"setupWindowSeconds": 60.5}), &format!("{WINDOW}`60.5`"));
        a_huge_window => (json!({"setupWindowSeconds": "99999999999999999999"}), &format!("{WINDOW}`99999999999999999999`"));
        no_days => (json!({"maxExceptionDays": "0"}), &format!("{DAYS}`0`"));
        over_ten_years => (json!({"maxExceptionDays": 3651}), &format!("{DAYS}`3651`"));
        any_days => (json!({"maxExceptionDays": "any"}), &format!("{DAYS}`any`"));
        an_empty_prefix => (json!({"exceptionTagPrefix": ""}), &format!("{PREFIX}an empty value"));
        a_prefix_of_101_characters => (json!({"exceptionTagPrefix": "é".repeat(101)}), &format!("{PREFIX}`{}…`", "é".repeat(63)));
        a_reserved_prefix => (json!({"exceptionTagPrefix": "AWS:x"}), &format!("{PREFIX}`AWS:x`"));
        a_prefix_that_no_tag_can_have => (json!({"exceptionTagPrefix": "a#b"}), &format!("{PREFIX}`a#b`"));
        a_number_where_a_word_is_meant => (json!({"keyStatus": 1}), "rule parameter `keyStatus` must be one of `active`, `any`, got `1`, a number");
        a_boolean => (json!({"setupWindowSeconds": true}), &format!("{WINDOW}`true`, a boolean"));
        a_null_value => (json!({"profile": null}), "rule parameter `profile` must be one of `cis`, `check-point`, `trend-micro`, `kertos`, `panther`, `cyscale`, got `null`, null");
        an_object => (json!({"profile": {}}), "rule parameter `profile` must be one of `cis`, `check-point`, `trend-micro`, `kertos`, `panther`, `cyscale`, got `{}`, an object");
        hostile_text_in_a_message => (json!({"profile": "\u{1b}[2J"}),
            "rule parameter `profile` must be one of `cis`, `check-point`, `trend-micro`, `kertos`, `panther`, `cyscale`, got `\u{fffd}[2J`");
    }

    #[test]
    fn a_prefix_of_100_characters_is_accepted_and_kept_as_it_is() {
        let prefix = "é".repeat(100);
        let given = GivenParameters::from_json(&json!({"exceptionTagPrefix": prefix})).unwrap();
        assert_eq!(given.resolve().exception_tag_prefix.as_str(), prefix);
    }

    #[test]
    fn names_are_options_in_kebab_case() {
        let options: Vec<_> = ParameterName::ALL.iter().map(|name| name.option()).collect();
        let expected = "profile setup-window-seconds console-password key-status key-usage exception-tag-prefix \
                        max-exception-days sweep-reports";
        assert_eq!(options.join(" "), expected);
    }

    #[test]
    fn every_parameter_can_be_pasted_back() {
        for profile in ["cis", "check-point", "trend-micro", "kertos", "panther", "cyscale"] {
            let given = parameters(&format!("profile={profile} exceptionTagPrefix=acme/"));
            let pairs: BTreeMap<_, _> =
                given.to_pairs().into_iter().map(|(name, value)| (name.as_str(), Value::String(value))).collect();
            assert_eq!(GivenParameters::from_json(&json!(pairs)).unwrap().resolve(), given);
        }
    }
}
