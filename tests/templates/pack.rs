//! The conformance pack: the rule as the code expects it, within what AWS Config takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use setup_keys::RULE_NAME;
use setup_keys::event::IAM_USER;
use setup_keys::rule::parameters::{
    ConsolePassword, GivenParameters, KeyStatusFilter, KeyUsage, MaxExceptionDays, ParameterName, Parameters, Profile,
    SetupWindow, SweepReports,
};

use crate::{PACK, REMEDIATION_PACK, members, stack, strings, template, templates_py};

/// The one parameter of the pack that is not the rule's.
const FREQUENCY: &str = "Frequency";

/// The name of a rule parameter as a parameter of the pack: `setupWindowSeconds` is `SetupWindowSeconds`.
fn pack_name(name: ParameterName) -> String {
    let (first, rest) = name.as_str().split_at(1);
    first.to_ascii_uppercase() + rest
}

fn parameter(name: ParameterName) -> &'static Value {
    &template(PACK)["Parameters"][pack_name(name)]
}

/// The rule that a pack with these parameters makes.
fn rule(given: &[(&str, &str)]) -> Value {
    stack(PACK, given).properties("IamUserNoSetupAccessKeys")
}

/// The parameters with which the code sees a rule of a pack with these.
fn seen(given: &[(&str, &str)]) -> Parameters {
    GivenParameters::from_json(&rule(given)["InputParameters"]).unwrap().resolve()
}

/// The value of a parameter where nothing is given for it, which may differ by profile.
fn default_of(name: ParameterName, profile: Profile) -> String {
    let parameters = GivenParameters { profile: Some(profile), ..GivenParameters::default() }.resolve();
    parameters.to_pairs().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// The values of a parameter that has a list of them.
fn values_of(name: ParameterName) -> Option<Vec<&'static str>> {
    Some(match name {
        ParameterName::Profile => Profile::ALL.iter().map(|value| value.as_str()).collect(),
        ParameterName::ConsolePassword => ConsolePassword::ALL.iter().map(|value| value.as_str()).collect(),
        ParameterName::KeyStatus => KeyStatusFilter::ALL.iter().map(|value| value.as_str()).collect(),
        ParameterName::KeyUsage => KeyUsage::ALL.iter().map(|value| value.as_str()).collect(),
        ParameterName::SweepReports => SweepReports::ALL.iter().map(|value| value.as_str()).collect(),
        ParameterName::SetupWindowSeconds | ParameterName::ExceptionTagPrefix | ParameterName::MaxExceptionDays => {
            return None;
        }
    })
}

/// Whether the rule takes a value.
fn takes(name: ParameterName, value: &str) -> bool {
    GivenParameters::default().set(name, value).is_ok()
}

#[test]
fn parameters_are_those_of_the_rule() {
    let mut expected: BTreeSet<_> = ParameterName::ALL.iter().map(|name| pack_name(*name)).collect();
    expected.insert(FREQUENCY.to_owned());
    assert_eq!(members(&template(PACK)["Parameters"]).keys().cloned().collect::<BTreeSet<_>>(), expected);
    for name in ParameterName::ALL {
        let description = parameter(*name)["Description"].as_str().unwrap();
        assert!(description.starts_with(name.summary()), "{description}");
    }
}

#[test]
fn defaults_are_those_of_the_rule() {
    for name in ParameterName::ALL {
        let default = parameter(*name)["Default"].as_str().unwrap();
        let by_profile: BTreeSet<_> = Profile::ALL.iter().map(|profile| default_of(*name, *profile)).collect();
        match name {
            ParameterName::Profile => assert_eq!(default, Parameters::default().profile.as_str()),
            _ if by_profile.len() > 1 => assert_eq!(default, "", "{}", name.as_str()),
            _ => assert_eq!(Vec::from_iter(by_profile), [default], "{}", name.as_str()),
        }
    }
    assert_eq!(seen(&[]), Parameters::default());
    for profile in Profile::ALL {
        let expected = GivenParameters { profile: Some(*profile), ..GivenParameters::default() }.resolve();
        assert_eq!(seen(&[("Profile", profile.as_str())]), expected);
    }
}

#[test]
fn listed_values_are_those_of_the_rule() {
    for name in ParameterName::ALL {
        let Some(values) = values_of(*name) else { continue };
        let definition = parameter(*name);
        let allowed: Vec<_> = strings(&definition["AllowedValues"]).into_iter().filter(|it| !it.is_empty()).collect();
        assert_eq!(allowed, values, "{}", name.as_str());
        for value in values {
            let seen = seen(&[(&pack_name(*name), value)]).to_pairs();
            assert!(seen.contains(&(*name, value.to_owned())), "{}: {value}", name.as_str());
        }
    }
}

#[test]
fn patterns_take_what_the_rule_takes() {
    let numbers = |to: u32| (0..=to).map(|number| number.to_string());
    let others = ["any", "all", "ANY", " 60", "60 ", "6e1", "-1", "+1", "1.5", "60s", "٣"].map(str::to_owned);
    let prefixes = [
        "a",
        " ",
        "x:y/z=+-@_.",
        "Ausnahme-für-",
        "setup-keys:exception-",
        "aws",
        "aws:",
        "aWs:x",
        "xaws:",
        "a*b",
        "a\\b",
        "a#b",
        "a\tb",
        "a\nb",
        "{",
        "'",
        "\"",
    ];
    let long = ["é".repeat(100), "é".repeat(101)];
    let values = BTreeMap::from([
        ("SetupWindowSeconds", numbers(90_000).chain(others.clone()).collect::<Vec<_>>()),
        ("MaxExceptionDays", numbers(10_000).chain(others).collect()),
        ("ExceptionTagPrefix", prefixes.map(str::to_owned).into_iter().chain(long).collect()),
    ]);
    let patterned: Vec<_> = ParameterName::ALL.iter().copied().filter(|name| values_of(*name).is_none()).collect();
    let wanted = patterned.iter().map(|name| {
        let mut values = values[pack_name(*name).as_str()].clone();
        values.push(String::new());
        json!([parameter(*name)["AllowedPattern"], values])
    });
    let taken = templates_py("match", &[], &wanted.collect());
    for (name, taken) in patterned.iter().zip(taken.as_array().unwrap()) {
        let given = &values[pack_name(*name).as_str()];
        let mut expected: Vec<_> = given.iter().map(String::as_str).filter(|value| takes(*name, value)).collect();
        // Empty for what follows the profile: then nothing is passed on.
        expected.extend((*name == ParameterName::SetupWindowSeconds).then_some(""));
        assert_eq!(strings(taken), expected, "{}", name.as_str());
    }
    let seconds = SetupWindow::SECONDS.end() - SetupWindow::SECONDS.start() + 1;
    assert_eq!(taken[0].as_array().unwrap().len(), usize::try_from(seconds).unwrap() + 2);
    assert_eq!(u32::try_from(strings(&taken[2]).len()).unwrap(), *MaxExceptionDays::DAYS.end());
}

#[test]
fn input_parameters_are_those_given() {
    let names = |given: &[(&str, &str)]| members(&rule(given)["InputParameters"]).keys().cloned().collect::<Vec<_>>();
    let fixed = ["exceptionTagPrefix", "maxExceptionDays", "profile", "sweepReports"];
    assert_eq!(names(&[]), fixed);
    assert_eq!(
        names(&[("KeyUsage", "any"), ("SetupWindowSeconds", "0")]),
        ["exceptionTagPrefix", "keyUsage", "maxExceptionDays", "profile", "setupWindowSeconds", "sweepReports"]
    );
    let longest: Vec<_> = ParameterName::ALL
        .iter()
        .map(|name| {
            let value = match name {
                ParameterName::ExceptionTagPrefix => "ü".repeat(100),
                ParameterName::SetupWindowSeconds => "86400".to_owned(),
                ParameterName::MaxExceptionDays => "3650".to_owned(),
                _ => values_of(*name).unwrap().into_iter().max_by_key(|value| value.len()).unwrap().to_owned(),
            };
            (pack_name(*name), value)
        })
        .collect();
    let given: Vec<_> = longest.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut all: Vec<_> = ParameterName::ALL.iter().map(|name| name.as_str()).collect();
    all.sort_unstable();
    assert_eq!(names(&given), all);
    assert!(rule(&given)["InputParameters"].to_string().len() <= 1024);
}

#[test]
fn rule_is_the_one_the_code_answers() {
    let rule = rule(&[(FREQUENCY, "Six_Hours")]);
    assert_eq!(rule["ConfigRuleName"], RULE_NAME);
    assert_eq!(PACK, format!("conformance-pack/{RULE_NAME}.yaml"));
    // A literal in the template, too; and a pack appends 27 characters, where two operations take 64.
    assert_eq!(template(PACK)["Resources"]["IamUserNoSetupAccessKeys"]["Properties"]["ConfigRuleName"], RULE_NAME);
    assert!(RULE_NAME.len() + 27 <= 64);
    assert!(rule["Description"].as_str().unwrap().len() <= 256);
    assert_eq!(rule["Scope"], json!({ "ComplianceResourceTypes": [IAM_USER] }));
    assert_eq!(rule["Source"]["Owner"], "CUSTOM_LAMBDA");
    let triggers = json!([
        { "EventSource": "aws.config", "MessageType": "ConfigurationItemChangeNotification" },
        { "EventSource": "aws.config", "MessageType": "OversizedConfigurationItemChangeNotification" },
        {
            "EventSource": "aws.config",
            "MessageType": "ScheduledNotification",
            "MaximumExecutionFrequency": "Six_Hours",
        },
    ]);
    assert_eq!(rule["Source"]["SourceDetails"], triggers);
    // As AWS Config lists them.
    let frequencies = json!(["One_Hour", "Three_Hours", "Six_Hours", "Twelve_Hours", "TwentyFour_Hours"]);
    assert_eq!(template(PACK)["Parameters"][FREQUENCY]["AllowedValues"], frequencies);
}

#[test]
fn pack_is_one_that_config_takes() {
    let rule = ["AWS::Config::ConfigRule"];
    let with_remediation = ["AWS::Config::ConfigRule", "AWS::Config::RemediationConfiguration"];
    // Those of AWS's own packs, and the one that its guide allows beside.
    let usual = ["Fn::Equals", "Fn::If", "Fn::ImportValue", "Fn::Not"];
    let with_text = ["Fn::Equals", "Fn::If", "Fn::ImportValue", "Fn::Join", "Fn::Not"];
    for (file, expected_kinds, expected_functions) in
        [(PACK, &rule[..], &usual[..]), (REMEDIATION_PACK, &with_remediation, &with_text)]
    {
        let pack = template(file);
        let kinds: Vec<_> = members(&pack["Resources"]).values().map(|resource| &resource["Type"]).collect();
        assert_eq!(kinds, expected_kinds);
        assert!(members(&pack["Parameters"]).len() <= 60);
        assert_eq!(members(pack).keys().collect::<Vec<_>>(), ["Conditions", "Parameters", "Resources"]);
        assert!(members(&pack["Parameters"]).values().all(|parameter| parameter["Type"] == "String"));
        let mut functions = BTreeSet::new();
        collect_functions(pack, &mut functions);
        assert_eq!(Vec::from_iter(functions), expected_functions);
    }
}

fn collect_functions<'a>(value: &'a Value, functions: &mut BTreeSet<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_functions(item, functions)),
        Value::Object(object) => {
            for (name, value) in object {
                functions.extend(name.starts_with("Fn::").then_some(name.as_str()));
                collect_functions(value, functions);
            }
        }
        _ => {}
    }
}
