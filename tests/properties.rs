//! What holds for every user, all parameters and every moment, checked on generated facts against a naive oracle.
//!
//! The seed is fixed, so that a failure is the same on every machine; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` explore
//! further. A failure prints the smallest facts found that show it.

#[path = "properties/generate.rs"]
mod generate;
#[path = "properties/json.rs"]
mod json;
#[path = "properties/known_answers.rs"]
mod known_answers;
#[path = "properties/oracle.rs"]
mod oracle;
#[path = "support/seeded.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests that use more of it")]
mod seeded;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use setup_keys::rule::exception::InvalidException;
use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyName, Keys, LastUse, LoginProfile};
use setup_keys::rule::parameters::{GivenParameters, ParameterName};
use setup_keys::rule::verdict::{Cleared, ComplianceType, NotApplicable, Verdict};
use setup_keys::rule::{Need, Step, decide};

use generate::Case;
use json::PARAMETER_NAMES;

fn config() -> ProptestConfig {
    seeded::seeded(1000)
}

/// The verdict on facts that suffice.
fn judge(case: &Case) -> Verdict {
    match decide(&case.facts, &case.parameters(), case.now) {
        Step::Verdict(verdict) => verdict,
        Step::Need(needs) => panic!("asks for {needs:?} although all is known"),
    }
}

fn is_non_compliant(case: &Case) -> bool {
    judge(case).compliance_type() == ComplianceType::NonCompliant
}

/// A verdict in the terms of the oracle.
fn in_plain_terms(verdict: &Verdict) -> oracle::Ruling {
    let mut setup_keys: Vec<_> =
        verdict.setup_keys().iter().map(|key| (key.name.clone(), key.seconds_after_user)).collect();
    setup_keys.sort();
    oracle::Ruling {
        compliance: verdict.compliance_type().as_str(),
        excepted: verdict.exception().is_some(),
        setup_keys,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_verdict_is_the_one_of_the_oracle(case in generate::known()) {
        prop_assert_eq!(in_plain_terms(&judge(&case)), case.rule().judge(&case.facts, case.now));
    }

    /// A source that shows some keys may be believed only where the others make no difference.
    #[test]
    fn what_some_keys_decide_holds_for_all_keys(case in generate::known(), shown in 0..=6_usize) {
        let mut partly = case.clone();
        let keys = case.facts.keys.known();
        partly.facts.keys = Keys::Some(keys[..shown.min(keys.len())].to_vec());
        match decide(&partly.facts, &case.parameters(), case.now) {
            Step::Verdict(verdict) => prop_assert_eq!(verdict.compliance_type(), judge(&case).compliance_type()),
            Step::Need(needs) => prop_assert_eq!(needs, [Need::Keys]),
        }
    }

    #[test]
    fn parameters_that_are_not_given_follow_from_the_profile(settings in generate::settings()) {
        let case = Case { facts: Facts::unread("alice"), settings, now: DateTime::UNIX_EPOCH };
        let pairs = case.parameters().to_pairs();
        let resolved: BTreeMap<_, _> = pairs.into_iter().map(|(name, value)| (name.as_str(), value)).collect();
        prop_assert_eq!(resolved, oracle::in_force(&case.settings));
    }

    #[test]
    fn the_order_of_keys_never_matters(
        case in generate::partly_known(),
        order in Just([0, 1, 2, 3, 4, 5_usize]).prop_shuffle(),
    ) {
        let mut reordered = case.clone();
        let keys = order.iter().filter_map(|&from| case.facts.keys.known().get(from));
        for (slot, key) in reordered.facts.keys.known_mut().iter_mut().zip(keys) {
            slot.clone_from(key);
        }
        let parameters = case.parameters();
        match (decide(&case.facts, &parameters, case.now), decide(&reordered.facts, &parameters, case.now)) {
            (Step::Verdict(one), Step::Verdict(other)) => {
                prop_assert_eq!(one.annotation(&parameters), other.annotation(&parameters));
                prop_assert_eq!(one, other);
            }
            (Step::Need(one), Step::Need(other)) => prop_assert_eq!(sorted(&one), sorted(&other)),
            (one, other) => prop_assert!(false, "{:?} in one order, {:?} in another", one, other),
        }
    }

    #[test]
    fn a_wider_window_never_clears_a_user(
        case in generate::known(),
        (one, other) in (generate::window(), generate::window()),
    ) {
        let width = |window: &String| window.parse().unwrap_or(u32::MAX);
        let (narrow, wide) = if width(&one) <= width(&other) { (one, other) } else { (other, one) };
        if is_non_compliant(&case.with("setupWindowSeconds", &narrow)) {
            prop_assert!(is_non_compliant(&case.with("setupWindowSeconds", &wide)), "{} clears {}", wide, narrow);
        }
    }

    #[test]
    fn a_stricter_condition_on_keys_or_password_never_adds_a_finding(
        case in generate::known(),
        (name, lax, strict) in select(vec![
            ("keyStatus", "any", "active"),
            ("keyUsage", "any", "never-used"),
            ("consolePassword", "ignored", "required"),
        ]),
    ) {
        if !is_non_compliant(&case.with(name, lax)) {
            prop_assert!(!is_non_compliant(&case.with(name, strict)));
        }
    }

    #[test]
    fn a_valid_exception_never_adds_a_finding(case in generate::known(), days in any::<u16>()) {
        let mut excepted = case.clone();
        let rule = case.rule();
        let expires = oracle::today(case.now) + i64::from(days) % (rule.max_exception_days + 1);
        let Identity::Read { tags, .. } = &mut excepted.facts.identity else { return Ok(()) };
        tags.insert(format!("{}owner", rule.tag_prefix), "team@example.com".to_owned());
        tags.insert(format!("{}expires", rule.tag_prefix), oracle::format_day(expires));
        prop_assume!(oracle::parse_day(&oracle::format_day(expires)).is_some()); // Else the year is beyond 9999.

        let (without, with) = (judge(&case), judge(&excepted));
        prop_assert_ne!(with.compliance_type(), ComplianceType::NonCompliant);
        prop_assert_eq!(with.setup_keys(), without.setup_keys());
    }

    /// Tags that a user has already stay: who overwrites a valid exception does end it.
    #[test]
    fn further_tags_never_add_a_finding(case in generate::known(), more in generate::tag_plan()) {
        let mut tagged = case.clone();
        let Identity::Read { tags, .. } = &mut tagged.facts.identity else { return Ok(()) };
        for (key, value) in more.write(&case.rule(), case.now) {
            tags.entry(key).or_insert(value);
        }
        if !is_non_compliant(&case) {
            prop_assert!(!is_non_compliant(&tagged));
        }
    }

    #[test]
    fn annotations_are_short_printable_and_hide_key_ids(case in generate::partly_known()) {
        let parameters = case.parameters();
        if let Step::Verdict(verdict) = decide(&case.facts, &parameters, case.now) {
            check_annotation(&verdict.annotation(&parameters), &case.facts)?;
        }
    }

    #[test]
    fn annotations_of_full_facts_are_short_printable_and_hide_key_ids(case in generate::known()) {
        check_annotation(&judge(&case).annotation(&case.parameters()), &case.facts)?;
    }

    /// "AKIA… is used by the importer" is what a reason may well say.
    #[test]
    fn annotations_hide_key_ids_that_tags_quote(
        mut case in generate::known(),
        id in "AKIA[A-Z2-7]{16}",
        name in select(vec!["owner", "expires", "reason"]),
    ) {
        let rule = case.rule();
        let Some(key) = case.facts.keys.known_mut().first_mut() else { return Ok(()) };
        key.name = KeyName::Id(id.clone());
        let Identity::Read { tags, .. } = &mut case.facts.identity else { return Ok(()) };
        tags.insert(format!("{}{name}", rule.tag_prefix), id);
        check_annotation(&judge(&case).annotation(&case.parameters()), &case.facts)?;
    }

    /// Asking again for what is known, or for the same fact twice, would spend calls for nothing.
    #[test]
    fn only_unread_facts_are_asked_for_and_each_once(case in generate::partly_known()) {
        let facts = &case.facts;
        let is_unread = |key: &AccessKey| key.last_use == LastUse::Unread;
        if let Step::Need(needs) = decide(facts, &case.parameters(), case.now) {
            prop_assert!(!needs.is_empty());
            prop_assert_eq!(sorted(&needs).len(), needs.len(), "asked for twice: {:?}", &needs);
            for need in needs {
                let unread = match &need {
                    Need::Keys => !matches!(facts.keys, Keys::All(_)),
                    Need::LoginProfile => facts.login_profile == LoginProfile::Unread,
                    // A date that cannot be had is asked for all the same: without it there is no verdict.
                    Need::Identity if facts.created.is_none() => !matches!(facts.identity, Identity::Read { .. }),
                    Need::Identity => facts.identity == Identity::Unread,
                    Need::LastUse(name) => facts.keys.known().iter().any(|key| key.name == *name && is_unread(key)),
                };
                prop_assert!(unread, "{:?} is known", need);
            }
        }
    }

    /// The dates are any that can be represented, leap seconds included.
    #[test]
    fn no_dates_are_too_far_apart(
        mut case in generate::partly_known(),
        dates in proptest::collection::vec(any_date(), 8),
    ) {
        let mut dates = dates.into_iter().cycle();
        let mut date = || dates.next().unwrap();
        (case.now, case.facts.created) = (date(), case.facts.created.map(|_| date()));
        for key in case.facts.keys.known_mut() {
            key.created = date();
            key.last_use = if key.last_use == LastUse::Unread { LastUse::Unread } else { LastUse::At(date()) };
        }
        if let Identity::Read { created, .. } = &mut case.facts.identity {
            *created = date();
        }
        let parameters = case.parameters();
        if let Step::Verdict(verdict) = decide(&case.facts, &parameters, case.now) {
            check_annotation(&verdict.annotation(&parameters), &case.facts)?;
        }
    }

    #[test]
    fn reading_fact_by_fact_ends_in_the_same_verdict_within_the_budget(case in generate::known()) {
        let reading = Reading::of(&case);
        let (truth, rule) = (&case.facts, case.rule());
        let full = judge(&case);
        if reading.asked(&Need::Identity) || oracle::holds_its_name(truth) {
            prop_assert_eq!(&reading.verdict, &full);
        } else {
            // A clear user is not looked at again; that its name changed hands meanwhile does not come out.
            prop_assert_eq!(reading.verdict.compliance_type(), ComplianceType::Compliant);
        }
        prop_assert_eq!(sorted(&reading.needs).len(), reading.needs.len(), "asked for twice: {:?}", &reading.needs);
        prop_assert!(reading.steps <= 5, "{} steps", reading.steps);

        let in_question: Vec<_> = rule.keys_in_question(truth).into_iter().map(|key| &key.name).collect();
        let password_matters = rule.password_required && !in_question.is_empty();
        prop_assert!(!reading.asked(&Need::LoginProfile) || password_matters);
        for need in &reading.needs {
            if let Need::LastUse(name) = need {
                prop_assert!(in_question.contains(&name) && rule.password_condition(truth), "{:?} tells nothing", need);
            }
        }
        // Without a date from elsewhere, the second look at the user is also the first.
        if truth.created.is_some() {
            let mut unexcused = truth.clone();
            unexcused.identity = Identity::Unavailable;
            let found = rule.judge(&unexcused, case.now).compliance == "NON_COMPLIANT";
            prop_assert_eq!(reading.asked(&Need::Identity), found);
        } else if truth.keys.known().is_empty() {
            prop_assert_eq!(&reading.needs, &[Need::Keys]);
        }
    }

    #[test]
    fn the_root_user_is_never_judged(mut case in generate::partly_known(), by_name in any::<bool>()) {
        if by_name {
            case.facts.user_name = "<root_account>".to_owned();
        } else {
            case.facts.arn = Some("arn:aws:iam::111122223333:root".to_owned());
        }
        prop_assert_eq!(judge(&case), Verdict::NotApplicable(NotApplicable::Root));
    }

    #[test]
    fn rule_parameters_are_accepted_exactly_when_the_oracle_accepts_them(members in json::parameters()) {
        let judged = members.iter().map(|(name, value)| (name, value, oracle::accepts(name, value)));
        let others: Vec<_> = judged.filter(|(_, _, accepted)| *accepted != Some(true)).collect();
        match GivenParameters::from_json(&Value::Object(members.clone())) {
            Ok(_) => prop_assert!(others.iter().all(|(_, _, accepted)| accepted.is_none()), "accepted: {:?}", others),
            Err(error) => {
                let message = error.to_string();
                prop_assert!(others.iter().any(|(name, value, _)| explains(&message, name, value)), "{}", message);
                prop_assert!(!message.contains(char::is_control), "{:?}", message);
            }
        }
    }

    #[test]
    fn nothing_but_an_object_or_null_holds_rule_parameters(value in json::any_json()) {
        let accepted = match &value {
            Value::Null => true,
            Value::Object(members) => {
                let accepted: Vec<_> = members.iter().map(|(name, value)| oracle::accepts(name, value)).collect();
                prop_assume!(!accepted.contains(&None));
                !accepted.contains(&Some(false))
            }
            // In an event, the parameters are themselves text: an empty one is for its reader to tell from a value.
            Value::String(text) if text.is_empty() => return Ok(()),
            _ => false,
        };
        prop_assert_eq!(GivenParameters::from_json(&value).is_ok(), accepted);
    }

    #[test]
    fn no_text_of_a_parameter_panics(
        text in prop_oneof![generate::hostile(), any::<String>()],
        name in select(ParameterName::ALL),
    ) {
        match GivenParameters::default().set(name, &text) {
            Ok(()) => prop_assert!(oracle::accepts(name.as_str(), &text.clone().into()) != Some(false)),
            Err(error) => prop_assert!(error.to_string().contains(name.as_str())),
        }
    }

    /// IAM API Reference, `Tag`: keys match `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`.
    #[test]
    fn every_character_of_tag_keys_may_stand_in_the_exception_prefix(text in r"x[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,99}") {
        let mut given = GivenParameters::default();
        prop_assert!(given.set(ParameterName::ExceptionTagPrefix, &text).is_ok());
    }

    #[test]
    fn no_symbol_or_control_character_may_stand_in_the_exception_prefix(
        character in r"[[\p{M}\p{S}\p{P}\p{Cc}\p{Cf}\p{Co}]--[\p{Alphabetic}_.:/=+\-@]]",
    ) {
        prop_assert!(!takes_prefix(&character), "accepts {:?}", character);
    }
}

fn takes_prefix(character: &str) -> bool {
    GivenParameters::default().set(ParameterName::ExceptionTagPrefix, &format!("x{character}")).is_ok()
}

/// Any date that can be represented, leap seconds included.
fn any_date() -> impl Strategy<Value = DateTime<Utc>> {
    let (first, last) = (DateTime::<Utc>::MIN_UTC.timestamp(), DateTime::<Utc>::MAX_UTC.timestamp());
    let leap_second = DateTime::from_timestamp(1_483_228_799, 1_999_999_999).unwrap(); // 2016-12-31T23:59:60.999999999Z
    prop_oneof![
        2 => (first..=last).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap()),
        2 => select(vec![DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]),
        1 => Just(leap_second),
        1 => generate::moment(),
    ]
}

fn sorted(needs: &[Need]) -> BTreeSet<String> {
    needs.iter().map(|need| format!("{need:?}")).collect()
}

fn check_annotation(annotation: &str, facts: &Facts) -> Result<(), TestCaseError> {
    let length = annotation.chars().count();
    prop_assert!((1..=256).contains(&length), "{} characters: {:?}", length, annotation);
    prop_assert!(!annotation.contains(char::is_control), "{:?}", annotation);
    for key in facts.keys.known() {
        if let KeyName::Id(id) = &key.name {
            prop_assert!(id.chars().count() < 8 || !annotation.contains(id), "{:?} tells {:?}", annotation, id);
        }
    }
    Ok(())
}

/// Whether an error message names a parameter, its value and what is allowed.
fn explains(message: &str, name: &str, value: &Value) -> bool {
    let holds = |pieces: &[&str]| pieces.iter().all(|piece| message.contains(piece));
    // Plain text is quoted as it is; other text may be cut or cleaned.
    let quotes = |text: &str| text.len() > 40 || text.contains(|c| !(' '..='~').contains(&c)) || message.contains(text);
    let allowed: &[&str] = match name {
        "profile" => &["`cis`", "`check-point`", "`trend-micro`", "`kertos`", "`panther`", "`cyscale`"],
        "setupWindowSeconds" => &["0", "86400", "`any`"],
        "consolePassword" => &["`required`", "`ignored`"],
        "keyStatus" => &["`active`", "`any`"],
        "keyUsage" => &["`any`", "`never-used`"],
        "exceptionTagPrefix" => &["1", "100", "`aws:`"],
        "maxExceptionDays" => &["1", "3650"],
        "sweepReports" => &["`all`", "`changes`"],
        unknown => return quotes(unknown) && holds(&PARAMETER_NAMES),
    };
    message.contains(name)
        && match value {
            Value::String(text) if text.is_empty() => holds(allowed) && message.contains("empty"),
            Value::String(text) => holds(allowed) && quotes(text),
            other => holds(allowed) && quotes(&other.to_string()),
        }
}

/// A user judged from nothing but its name, reading what is asked for.
struct Reading {
    verdict: Verdict,
    needs: Vec<Need>,
    steps: usize,
}

impl Reading {
    fn of(case: &Case) -> Self {
        let (truth, parameters) = (&case.facts, case.parameters());
        let mut facts = Facts::unread(truth.user_name.clone());
        facts.user_id.clone_from(&truth.user_id);
        facts.arn.clone_from(&truth.arn);
        facts.created = truth.created;
        let mut asked = Vec::new();
        for steps in 1..=20 {
            match decide(&facts, &parameters, case.now) {
                Step::Verdict(verdict) => return Self { verdict, needs: asked, steps },
                Step::Need(needs) => {
                    for need in &needs {
                        answer(need, truth, &mut facts);
                    }
                    asked.extend(needs);
                }
            }
        }
        panic!("no verdict after {asked:?}");
    }

    fn asked(&self, need: &Need) -> bool {
        self.needs.contains(need)
    }
}

fn answer(need: &Need, truth: &Facts, facts: &mut Facts) {
    match need {
        Need::Keys => {
            let unread = |key: &AccessKey| AccessKey { last_use: LastUse::Unread, ..key.clone() };
            facts.keys = Keys::All(truth.keys.known().iter().map(unread).collect());
        }
        Need::LoginProfile => facts.login_profile = truth.login_profile,
        Need::Identity => facts.identity = truth.identity.clone(),
        Need::LastUse(name) => {
            let used = truth.keys.known().iter().find(|key| key.name == *name).expect("a key of the user").last_use;
            for key in facts.keys.known_mut().iter_mut().filter(|key| key.name == *name) {
                key.last_use = used;
            }
        }
    }
}

/// A property of users that never come up proves nothing.
#[test]
fn the_generated_users_are_of_every_kind() {
    let mut runner = TestRunner::new(config());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..1000 {
        let case = generate::known().new_tree(&mut runner).unwrap().current();
        let kind = match judge(&case) {
            Verdict::Compliant(Cleared::NoSetupKey) => "no setup key",
            Verdict::Compliant(Cleared::NoLoginProfile) => "no login profile",
            Verdict::Compliant(Cleared::Excepted { .. }) => "excepted",
            Verdict::NonCompliant { invalid_exception: None, .. } => "setup key",
            Verdict::NonCompliant { invalid_exception: Some(invalid), .. } => match invalid {
                InvalidException::NoOwner => "no owner",
                InvalidException::NoExpiry => "no expiry",
                InvalidException::NotADate(_) => "not a date",
                InvalidException::Expired(_) => "expired",
                InvalidException::TooFarAhead { .. } => "too far ahead",
            },
            Verdict::NotApplicable(NotApplicable::Gone) => "gone",
            Verdict::NotApplicable(NotApplicable::Replaced) => "replaced",
            Verdict::NotApplicable(other) => panic!("{other:?} among users that are judged"),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    assert_eq!(kinds.len(), 11, "{kinds:?}");
    assert!(kinds.values().all(|&users| users >= 10), "{kinds:?}");
}
