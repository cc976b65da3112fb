//! What must hold for any input. `cargo fuzz run NAME` looks for one for which it does not; `tests/fuzz.rs` runs these on the
//! inputs kept in `corpus/`.

use std::collections::BTreeMap;
use std::io::Cursor;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use setup_keys::credential_report;
use setup_keys::event::{self, Event};
use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};
use setup_keys::rule::parameters::{GivenParameters, ParameterName, Parameters};
use setup_keys::rule::verdict::{ComplianceType, MAX_ANNOTATION_CHARS, Verdict};
use setup_keys::rule::{Step, decide, exception};

/// When the inputs are judged.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_777_766_400, 0).expect("2026-05-03")
}

/// An event is understood or refused; the result token shows nowhere, and an error is one line.
pub(crate) fn event(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match event::parse(text) {
        Ok(Event::Config(event)) => {
            let token = event.result_token.expose();
            // A short one is in everything.
            assert!(token.len() < 12 || !format!("{event:?}").contains(token), "the token shows");
            assert!(event.account_id.len() == 12 && event.account_id.bytes().all(|byte| byte.is_ascii_digit()));
            let _ = event.parameters.clone().resolve();
        }
        Ok(Event::Call(call)) => assert!(!call.user_name.is_empty()),
        Ok(Event::Nothing(reason)) => assert!(!reason.sentence().is_empty()),
        Err(error) => assert!(!setup_keys::error::Error::from(error).chain().contains(char::is_control)),
    }
}

/// Rule parameters are refused, or the same when they are written out and read again.
pub(crate) fn parameters(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let as_text = GivenParameters::from_text(Some(text));
    // `null` and nothing at all are the defaults.
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        assert_eq!(as_text.is_ok(), GivenParameters::from_json(&value).is_ok(), "{value}");
    }
    let Ok(given) = as_text else { return };
    let resolved = given.resolve();
    let mut again = GivenParameters::default();
    for (name, value) in resolved.to_pairs() {
        again.set(name, &value).expect("what was written is allowed");
    }
    assert_eq!(again.resolve(), resolved);
}

/// A credential report is read to its end whatever is in it; every row has a verdict or an error on its line.
pub(crate) fn report(input: &[u8]) {
    let Ok(mut rows) = credential_report::open(Cursor::new(input)) else { return };
    let rule = Parameters::default();
    let mut line = 0;
    for row in &mut rows {
        match row.and_then(|row| Ok((row.judge(&rule, now())?, row))) {
            Ok((verdict, row)) => {
                // A lone carriage return ends a row and no line.
                assert!(row.line >= line, "lines go up");
                line = row.line;
                assert!(!row.facts.is_root(), "the root user is never judged");
                check(&verdict, &rule);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Tags make an exception only with an owner and a day that is neither past nor too far ahead.
pub(crate) fn exception(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let prefix = setup_keys::rule::parameters::ExceptionTagPrefix::default();
    let names = ["owner", "expires", "reason"].map(|name| format!("{prefix}{name}"));
    let mut tags = BTreeMap::new();
    // `\0` between the values; one that is missing is no tag.
    for (name, value) in names.into_iter().zip(text.split('\0')) {
        tags.insert(name, value.to_owned());
    }
    let rule = Parameters::default();
    if let Ok(Some(exception)) = exception::from_tags(&tags, &rule, now()) {
        assert!(!exception.owner.trim().is_empty());
        let today = now().date_naive();
        let latest = today + TimeDelta::days(rule.max_exception_days.get().into());
        assert!((today..=latest).contains(&exception.expires), "{exception:?}");
        assert_eq!(i64::from(exception.days_left), (exception.expires - today).num_days());
    }
}

/// Whatever is in names, tags and dates, an annotation is one that AWS Config takes, without whole key ids.
pub(crate) fn annotation(input: &[u8]) {
    let Some((numbers, text)) = input.split_at_checked(4) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut texts = text.split('\0');
    let mut text = || texts.next().unwrap_or_default().to_owned();
    let created = now() - TimeDelta::days(i64::from(numbers[0]));
    let key = |number: u8, id: String| AccessKey {
        name: if number.is_multiple_of(5) { KeyName::Slot(number) } else { KeyName::Id(id) },
        status: KeyStatus::from(["Active", "Inactive", "Expired"][usize::from(number) % 3]),
        created: created + TimeDelta::seconds(i64::from(number) - 100),
        last_use: if number.is_multiple_of(2) { LastUse::Never } else { LastUse::At(now()) },
    };
    let keys = numbers[1..].iter().map(|number| key(*number, text())).collect();
    let tags = ["owner", "expires", "reason"].map(|name| (format!("setup-keys:exception-{name}"), text()));
    let facts = Facts {
        keys: Keys::All(keys),
        login_profile: LoginProfile::Present,
        identity: Identity::Read { user_id: "AIDAEXAMPLE0000000001".to_owned(), created, tags: tags.into() },
        ..Facts::unread(text())
    };
    let mut given = GivenParameters::default();
    let window = if numbers[0].is_multiple_of(2) { "any" } else { "86400" };
    given.set(ParameterName::SetupWindowSeconds, window).expect("a window");
    given.set(ParameterName::KeyStatus, "any").expect("a status");
    let rule = given.resolve();
    let Step::Verdict(verdict) = decide(&facts, &rule, now()) else { panic!("all facts are known: {facts:?}") };
    check(&verdict, &rule);
}

fn check(verdict: &Verdict, rule: &Parameters) {
    let annotation = verdict.annotation(rule);
    let length = annotation.chars().count();
    assert!((1..=MAX_ANNOTATION_CHARS).contains(&length), "{length}: {annotation:?}");
    assert!(!annotation.contains(char::is_control), "{annotation:?}");
    let words = annotation.split(|c: char| !c.is_ascii_alphanumeric());
    let is_id = |word: &&str| word.len() >= 16 && (word.starts_with("AKIA") || word.starts_with("ASIA"));
    let id =
        words.clone().find(|word| is_id(word) && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    assert_eq!(id, None, "{annotation:?}");
    assert_eq!(annotation, verdict.annotation(rule), "the same for the same facts");
    assert!(verdict.setup_keys().is_empty() || verdict.compliance_type() != ComplianceType::NotApplicable);
}
