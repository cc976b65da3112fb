//! The oracle on users whose verdict can be read off the specification, so that it is not right by agreement alone.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};

use crate::oracle::{PROFILES, Rule, Settings, accepts, format_day, parse_day, today};

const COMPLIANT: &str = "COMPLIANT";
const NON_COMPLIANT: &str = "NON_COMPLIANT";

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An active key that was never used, made at this time of 2026-03-02.
fn key(id: &str, made: &str) -> AccessKey {
    AccessKey {
        name: KeyName::Id(id.to_owned()),
        status: KeyStatus::Active,
        created: time(&format!("2026-03-02T{made}Z")),
        last_use: LastUse::Never,
    }
}

/// A user with a password, made on 2026-03-02 at 10:15:00.
fn user(keys: Vec<AccessKey>, tags: &[(&str, &str)]) -> Facts {
    let created = time("2026-03-02T10:15:00Z");
    let tags = tags.iter().map(|(key, value)| (format!("setup-keys:exception-{key}"), (*value).to_owned())).collect();
    Facts {
        user_id: Some("AIDAEXAMPLEUSERID000".to_owned()),
        created: Some(created),
        keys: Keys::All(keys),
        login_profile: LoginProfile::Present,
        identity: Identity::Read { user_id: "AIDAEXAMPLEUSERID000".to_owned(), created, tags },
        ..Facts::unread("alice")
    }
}

fn compliance(facts: &Facts, settings: &[(&'static str, &str)]) -> &'static str {
    let settings: Settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Rule::of(&settings).judge(facts, time("2026-05-03T12:00:00Z")).compliance
}

#[test]
fn windows_end_where_each_profile_says() {
    let ends = [
        ("cis", "10:16:00", "10:16:01"),
        ("check-point", "10:15:59", "10:16:00"),
        ("trend-micro", "10:16:00", "10:16:01"),
        ("kertos", "10:14:00", "10:13:59"),
        ("panther", "10:15:06", "10:15:07"),
    ];
    for (profile, last, next) in ends {
        assert_eq!(compliance(&user(vec![key("A", last)], &[]), &[("profile", profile)]), NON_COMPLIANT, "{profile}");
        assert_eq!(compliance(&user(vec![key("A", next)], &[]), &[("profile", profile)]), COMPLIANT, "{profile}");
    }
    assert_eq!(compliance(&user(vec![key("A", "23:59:59")], &[]), &[("profile", "cyscale")]), NON_COMPLIANT);
}

#[test]
fn status_use_and_password_count_where_the_profile_says() {
    let inactive = user(vec![AccessKey { status: KeyStatus::from("Expired"), ..key("A", "10:15:00") }], &[]);
    let used = LastUse::At(time("2026-04-01T00:00:00Z"));
    let used = user(vec![AccessKey { last_use: used, ..key("A", "10:15:00") }], &[]);
    let without_password = Facts { login_profile: LoginProfile::Absent, ..user(vec![key("A", "10:15:00")], &[]) };
    let expected = [
        ("cis", COMPLIANT, NON_COMPLIANT, COMPLIANT),
        ("check-point", NON_COMPLIANT, NON_COMPLIANT, COMPLIANT),
        ("trend-micro", COMPLIANT, COMPLIANT, COMPLIANT),
        ("kertos", NON_COMPLIANT, COMPLIANT, COMPLIANT),
        ("panther", NON_COMPLIANT, NON_COMPLIANT, NON_COMPLIANT),
        ("cyscale", COMPLIANT, COMPLIANT, COMPLIANT),
    ];
    assert_eq!(expected.map(|row| row.0), PROFILES.map(|row| row.0));
    for (profile, if_inactive, if_used, if_without_password) in expected {
        let settings = [("profile", profile)];
        assert_eq!(compliance(&inactive, &settings), if_inactive, "{profile}, inactive");
        assert_eq!(compliance(&used, &settings), if_used, "{profile}, used");
        assert_eq!(compliance(&without_password, &settings), if_without_password, "{profile}, without password");
    }
}

#[test]
fn all_keys_are_looked_at_and_parameters_override_the_profile() {
    let facts = user(vec![key("A", "18:00:00"), key("B", "09:00:00"), key("C", "10:14:30"), key("D", "10:15:30")], &[]);
    let ruling = Rule::of(&Settings::new()).judge(&facts, time("2026-05-03T12:00:00Z"));
    let id = |id: &str| KeyName::Id(id.to_owned());
    assert_eq!((ruling.compliance, ruling.setup_keys), (NON_COMPLIANT, vec![(id("C"), -30), (id("D"), 30)]));
    assert_eq!(compliance(&facts, &[("setupWindowSeconds", "29")]), COMPLIANT);
    assert_eq!(compliance(&facts, &[("profile", "panther"), ("setupWindowSeconds", "30")]), NON_COMPLIANT);
    assert_eq!(compliance(&user(Vec::new(), &[]), &[("setupWindowSeconds", "any")]), COMPLIANT);
}

#[test]
fn an_exception_holds_up_to_its_last_day_and_not_too_far_ahead() {
    let excepted = |owner, expires| user(vec![key("A", "10:15:00")], &[("owner", owner), ("expires", expires)]);
    for expires in ["2026-05-03", "2026-05-04", "2027-05-03"] {
        assert_eq!(compliance(&excepted("team", expires), &[]), COMPLIANT, "{expires}");
    }
    for expires in
        ["2026-05-02", "2027-05-04", "2026-06-31", "2026-6-01", "+2026-06-1", "２０２６-06-01", "2026-06-01 ", ""]
    {
        assert_eq!(compliance(&excepted("team", expires), &[]), NON_COMPLIANT, "{expires}");
    }
    assert_eq!(compliance(&excepted("\u{3000}\t", "2026-05-03"), &[]), NON_COMPLIANT);
    assert_eq!(
        compliance(&excepted("team", "2026-05-03"), &[("exceptionTagPrefix", "Setup-keys:exception-")]),
        NON_COMPLIANT
    );
    assert_eq!(compliance(&excepted("team", "2026-05-05"), &[("maxExceptionDays", "1")]), NON_COMPLIANT);
}

#[test]
fn root_and_users_that_lost_their_name_are_not_judged() {
    let facts = user(vec![key("A", "10:15:00")], &[]);
    let others = [
        Facts { user_name: "<root_account>".to_owned(), ..facts.clone() },
        Facts { arn: Some("arn:aws-cn:iam::111122223333:root".to_owned()), ..facts.clone() },
        Facts { identity: Identity::Gone, ..facts.clone() },
        Facts { user_id: Some("AIDAEXAMPLEOTHERID00".to_owned()), ..facts.clone() },
    ];
    for other in others {
        assert_eq!(compliance(&other, &[]), "NOT_APPLICABLE", "{other:?}");
    }
    let called_root = Facts { arn: Some("arn:aws:iam::111122223333:user/root".to_owned()), ..facts };
    assert_eq!(compliance(&Facts { user_name: "root".to_owned(), ..called_root }, &[]), NON_COMPLIANT);
}

#[test]
fn days_are_those_of_the_calendar() {
    for (day, text) in [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (11_016, "2000-02-29"),
        (20_576, "2026-05-03"),
        (2_932_896, "9999-12-31"),
    ] {
        assert_eq!((parse_day(text), format_day(day).as_str()), (Some(day), text));
    }
    assert_eq!(parse_day("2100-02-29"), None);
    assert_eq!(today(time("1969-12-31T23:59:59.999Z")), -1);
    assert_eq!(today(time("2026-05-03T23:59:59Z")), 20_576);
}

#[test]
fn parameters_are_strings_and_whole_numbers_within_bounds() {
    let cases: [(&str, Value, Option<bool>); 16] = [
        ("profile", json!("trend-micro"), Some(true)),
        ("profile", json!("CIS"), Some(false)),
        ("profile", json!(""), Some(false)),
        ("Profile", json!("cis"), Some(false)),
        ("setupWindowSeconds", json!(86_400), Some(true)),
        ("setupWindowSeconds", json!("86401"), Some(false)),
        ("setupWindowSeconds", json!("any"), Some(true)),
        ("setupWindowSeconds", json!(0.5), Some(false)),
        ("setupWindowSeconds", json!(null), Some(false)),
        ("maxExceptionDays", json!("0"), Some(false)),
        ("maxExceptionDays", json!("3650"), Some(true)),
        ("maxExceptionDays", json!("any"), Some(false)),
        ("exceptionTagPrefix", json!("é:".repeat(50)), Some(true)),
        ("exceptionTagPrefix", json!("é:".repeat(51)), Some(false)),
        ("exceptionTagPrefix", json!("aws:x"), Some(false)),
        ("sweepReports", json!(true), Some(false)),
    ];
    for (name, value, expected) in cases {
        assert_eq!(accepts(name, &value), expected, "{name}: {value}");
    }
}
