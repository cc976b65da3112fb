//! Rule parameters as JSON, right and wrong.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use crate::generate::{hostile, one_of, settings};
use crate::oracle::{NO_TAG_KEY_SAMPLES, TAG_KEY_SAMPLES};

pub(crate) const PARAMETER_NAMES: [&str; 8] = [
    "profile",
    "setupWindowSeconds",
    "consolePassword",
    "keyStatus",
    "keyUsage",
    "exceptionTagPrefix",
    "maxExceptionDays",
    "sweepReports",
];

/// Names of parameters, and names that are not quite.
fn member_name() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => select(PARAMETER_NAMES.to_vec()).prop_map(str::to_owned),
        1 => one_of(&["Profile", "setup-window-seconds", "profile ", "windowSeconds", ""]),
        1 => hostile(),
    ]
}

/// Any JSON value.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        hostile().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((member_name(), inner), 0..4).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// An object of rule parameters, most of them close to what is allowed.
pub(crate) fn parameters() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![8 => text().prop_map(Value::from), 2 => number(), 1 => any_json()];
    let written = |(name, value): (&str, String)| (name.to_owned(), Value::from(value));
    let fitting = settings().prop_map(move |settings| settings.into_iter().map(written).collect());
    let start = prop_oneof![1 => Just(Map::new()), 3 => fitting];
    (start, vec((member_name(), value), 0..3)).prop_map(|(mut members, others)| {
        members.extend(others);
        members
    })
}

fn text() -> impl Strategy<Value = String> {
    let words = one_of(&["cis", "check-point", "trend-micro", "kertos", "panther", "cyscale", "required", "ignored"]);
    let filters = one_of(&["active", "any", "never-used", "all", "changes"]);
    let numbers = one_of(&["0", "1", "60", "3650", "86400"]);
    let near_words = one_of(&["", " ", "CIS", "Any", "cis ", "true", "aws:", "aws:x", "AWS:x", "xaws:"]);
    let near_numbers = one_of(&["-1", "-0", "+1", "1.0", "1e2", "0x10", "60 ", "007", "٦٠", "６０"]);
    // The last ones are 0 and 60 once 32 or 64 bits are full.
    let too_large =
        one_of(&["3651", "86401", "4294967296", "4294967356", "18446744073709551616", "18446744073709551676"]);
    let tag_key = || vec(select(TAG_KEY_SAMPLES), 1..103).prop_map(String::from_iter);
    prop_oneof![
        2 => words,
        2 => filters,
        2 => numbers,
        1 => near_words,
        1 => near_numbers,
        1 => too_large,
        2 => tag_key(),
        1 => (99..=101_usize, select(TAG_KEY_SAMPLES)).prop_map(|(length, c)| String::from_iter(vec![c; length])),
        1 => (tag_key(), select(NO_TAG_KEY_SAMPLES)).prop_map(|(text, c)| format!("{text}{c}")),
        1 => hostile(),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(vec![-1_i64, 0, 1, 60, 3650, 3651, 86_400, 86_401, 4_294_967_296, 4_294_967_356]).prop_map(Value::from),
        select(vec![i64::MIN, i64::MAX]).prop_map(Value::from),
        select(vec![0.5_f64, 59.999, -0.1, 1e300]).prop_map(Value::from),
        Just(Value::from(u64::MAX)),
    ]
}
