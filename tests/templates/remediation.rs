//! Remediation: the conformance pack that asks for it, the document that it names, and the function that the document
//! invokes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use setup_keys::RULE_NAME;
use setup_keys::event::IAM_USER;
use setup_keys::remediator::{Action, Mode, Remedy, Request, UsedKeys, Whom};
use setup_keys::rule::parameters::{GivenParameters, Parameters};

use crate::{ACCOUNT, EVERYTHING, MEMBER, PACK, REMEDIATION_PACK, members, stack, strings, template, templates_py};

/// The account id that stands for the one that puts the pack, and the role of that account.
pub(crate) const PLACEHOLDER: &str = "000000000000";
pub(crate) const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/SetupKeysRemediation";

const REMEDIATION: &str = "IamUserNoSetupAccessKeysRemediation";
const USER_ID: &str = "AIDACKCEVSQ6C2EXAMPLE";

/// The types of parameters of an Automation document (Systems Manager User Guide, "Schema version 0.3").
const TYPES: [&str; 6] = ["String", "StringList", "Integer", "Boolean", "MapList", "StringMap"];

fn remediation(given: &[(&str, &str)]) -> Value {
    stack(REMEDIATION_PACK, given).properties(REMEDIATION)
}

/// The documents: for one user, and for all.
const DOCUMENTS: [&str; 2] = ["RemediateUser", "DeleteInactiveKeys"];

fn document_called(id: &str) -> Value {
    stack(MEMBER, &EVERYTHING).properties(id)
}

fn document() -> Value {
    document_called("RemediateUser")
}

/// The one step of a document.
fn step_of(document: &Value) -> Value {
    let [step] = document["Content"]["mainSteps"].as_array().unwrap().as_slice() else { panic!("{document}") };
    step.clone()
}

/// A value of a parameter as a document has it, from the text that AWS Config or State Manager passes.
#[track_caller]
fn typed(document: &Value, name: &str, text: &str) -> Value {
    let definition = &document["Content"]["parameters"][name];
    let value = match definition["type"].as_str() {
        Some("String" | "AWS::IAM::Role::Arn") => json!(text),
        Some("Boolean" | "StringMap") => {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"))
        }
        other => panic!("{name}: {other:?}"),
    };
    if let Some(allowed) = definition.get("allowedValues") {
        assert!(allowed.as_array().unwrap().contains(&value), "{name}: {value}");
    }
    value
}

/// The request that the document makes of these parameters, those left out being at their defaults.
fn request(given: &BTreeMap<&str, Value>) -> String {
    request_of(&document(), given)
}

fn request_of(document: &Value, given: &BTreeMap<&str, Value>) -> String {
    let parameters = &document["Content"]["parameters"];
    let payload = &step_of(document)["inputs"]["InputPayload"];
    let value = |written: &Value| match written.as_str().and_then(declared) {
        Some(name) => given.get(name.as_str()).unwrap_or_else(|| &parameters[name]["default"]).clone(),
        None => written.clone(),
    };
    json!(members(payload).iter().map(|(member, it)| (member.clone(), value(it))).collect::<Map<_, _>>()).to_string()
}

/// The name in a text that is one `{{ X }}`.
fn declared(text: &str) -> Option<String> {
    Some(text.strip_prefix("{{ ")?.strip_suffix(" }}")?.to_owned())
}

/// What a pack with these parameters has the document passed, for a user.
fn passed(given: &[(&str, &str)]) -> BTreeMap<&'static str, Value> {
    let parameters = remediation(given)["Parameters"].clone();
    let names = members(&template(REMEDIATION_PACK)["Resources"][REMEDIATION]["Properties"]["Parameters"]).keys();
    let value = |name: &'static String| match &parameters[name] {
        it if *it == json!({ "ResourceValue": { "Value": "RESOURCE_ID" } }) => (name.as_str(), json!(USER_ID)),
        it => {
            let [text] = strings(&it["StaticValue"]["Values"])[..] else { panic!("{name}: {it}") };
            (name.as_str(), typed(&document(), name, text))
        }
    };
    names.map(value).collect()
}

#[test]
fn packs_differ_in_remediation_only() {
    let mut pack = template(REMEDIATION_PACK).clone();
    for (section, name) in [("Parameters", "Automatic"), ("Conditions", "IsAutomatic"), ("Resources", REMEDIATION)] {
        assert!(pack[section].as_object_mut().unwrap().remove(name).is_some(), "{section} {name}");
    }
    assert_eq!(pack, *template(PACK));
}

#[test]
fn remediation_is_one_that_config_takes() {
    let resource = &template(REMEDIATION_PACK)["Resources"][REMEDIATION];
    let raw = &resource["Properties"];
    // Literals, in the template, too.
    assert_eq!(raw["ConfigRuleName"], RULE_NAME);
    assert_eq!(raw["Parameters"]["AutomationAssumeRole"], json!({ "StaticValue": { "Values": [ROLE_ARN] } }));
    assert_eq!(resource["DependsOn"], "IamUserNoSetupAccessKeys");

    let remediation = remediation(&[]);
    assert_eq!(remediation["ResourceType"], IAM_USER);
    assert_eq!(remediation["TargetType"], "SSM_DOCUMENT");
    assert!((1..=25).contains(&remediation["MaximumAutomaticAttempts"].as_u64().unwrap()));
    assert!((1..=2_678_000).contains(&remediation["RetryAttemptSeconds"].as_u64().unwrap()));
    let controls = members(&remediation["ExecutionControls"]["SsmControls"]);
    assert_eq!(controls.keys().collect::<Vec<_>>(), ["ConcurrentExecutionRatePercentage", "ErrorPercentage"]);
    assert!(controls.values().all(|it| (1..=100).contains(&it.as_u64().unwrap())));
    let parameters = members(&remediation["Parameters"]);
    assert!(parameters.len() <= 25);
    for (name, value) in parameters {
        let values = value["StaticValue"]["Values"].as_array();
        assert!(values.is_some_and(|it| it.len() == 1) || value.get("ResourceValue").is_some(), "{name}");
    }
}

#[test]
fn nothing_is_remediated_unasked() {
    assert_eq!(remediation(&[])["Automatic"], false);
    assert_eq!(remediation(&[("Automatic", "false")])["Automatic"], false);
    assert_eq!(remediation(&[("Automatic", "true")])["Automatic"], true);

    let made = |given: &[(&str, &str)]| stack(MEMBER, given).resources().into_keys().collect::<BTreeSet<_>>();
    let (without, with) = (made(&[]), made(&EVERYTHING[..1]));
    let added: Vec<_> = with.difference(&without).copied().collect();
    assert_eq!(added, ["AutomationRole", "RemediateUser", "Remediator", "RemediatorLog", "RemediatorRole"]);
    assert!(without.is_subset(&with));

    let deleting = made(&EVERYTHING[..2]);
    let added: Vec<_> = deleting.difference(&with).copied().collect();
    assert_eq!(added, ["DeleteInactiveKeys", "DeleteInactiveOnSchedule"]);
    // Without the remediator there is nothing to do it.
    assert_eq!(made(&EVERYTHING[1..2]), without);
}

#[test]
fn keys_that_stayed_inactive_are_deleted_on_schedule_by_the_parameters_of_the_rule() {
    let rule = json!({ "profile": "kertos", "exceptionTagPrefix": "Ausnahme für: " });
    let text = rule.to_string();
    let given = [&EVERYTHING[..], &[("DeleteInactiveRuleParameters", &text)]].concat();
    let stack = stack(MEMBER, &given);
    let association = stack.properties("DeleteInactiveOnSchedule");
    let document = stack.properties("DeleteInactiveKeys");
    assert_eq!(association["Name"], document["Name"]);
    assert_eq!(association["ScheduleExpression"], EVERYTHING[1].1);
    // Not as soon as it is made. State Manager takes that for cron expressions only.
    assert_eq!(association["ApplyOnlyAtCronInterval"], true);

    let given = members(&association["Parameters"]);
    let declared = members(&document["Content"]["parameters"]);
    assert_eq!(given.keys().collect::<Vec<_>>(), declared.keys().collect::<Vec<_>>());
    assert_eq!(given["AutomationAssumeRole"], json!([format!("arn:aws:iam::{ACCOUNT}:role/SetupKeysRemediation")]));
    let typed = given.iter().map(|(name, values)| (name.as_str(), typed(&document, name, strings(values)[0])));
    let request = Request::parse(&request_of(&document, &typed.collect())).unwrap();
    let remedy = Remedy {
        action: Action::DeleteInactive,
        used_keys: UsedKeys::Keep,
        mode: Mode::Act,
        parameters: GivenParameters::from_json(&rule).unwrap().resolve(),
    };
    assert_eq!(request, Request { whom: Whom::AllUsers, remedy });

    // Whoever starts the document by hand changes nothing at first.
    let by_default = Request::parse(&request_of(&document, &BTreeMap::new())).unwrap();
    assert_eq!((by_default.whom, by_default.remedy.mode), (Whom::AllUsers, Mode::DryRun));
}

#[test]
fn schedules_are_those_of_state_manager_that_run_at_their_time_only() {
    let pattern = template(MEMBER)["Parameters"]["DeleteInactiveSchedule"]["AllowedPattern"].clone();
    let (taken, refused) =
        (["", "cron(0 3 ? * SUN#1 *)", "cron(0 0 3 ? * SUN *)"], ["rate(30 days)", "at(2027-01-01)", "daily"]);
    let values = [&taken[..], &refused].concat();
    let matched = templates_py("match", &[], &json!([[pattern, values]]));
    assert_eq!(strings(&matched[0]), taken);
}

#[test]
fn pack_names_the_document_and_the_role_of_the_stack() {
    let document = document();
    assert_eq!(remediation(&[])["TargetId"], document["Name"]);
    let role = stack(MEMBER, &EVERYTHING).properties("AutomationRole");
    let (account, name) = ROLE_ARN.strip_prefix("arn:aws:iam::").unwrap().split_once(":role/").unwrap();
    assert_eq!((account, &json!(name)), (PLACEHOLDER, &role["RoleName"]));

    let declared = members(&document["Content"]["parameters"]);
    let given: Vec<_> = passed(&[]).into_keys().collect();
    assert_eq!(given, declared.keys().collect::<Vec<_>>());
}

#[test]
fn remediator_judges_by_the_parameters_of_the_rule() {
    let all = [
        ("Profile", "panther"),
        ("SetupWindowSeconds", "86400"),
        ("ConsolePassword", "required"),
        ("KeyStatus", "any"),
        ("KeyUsage", "never-used"),
        ("ExceptionTagPrefix", "Ausnahme für/=+-@_.:"),
        ("MaxExceptionDays", "30"),
        ("SweepReports", "changes"),
    ];
    let mut cases = vec![Vec::new(), all.to_vec()];
    cases.extend(all.map(|one| vec![one]));
    for given in cases {
        let rule = stack(REMEDIATION_PACK, &given).properties("IamUserNoSetupAccessKeys");
        assert_eq!(passed(&given)["RuleParameters"], rule["InputParameters"], "{given:?}");
        let request = Request::parse(&request(&passed(&given))).unwrap();
        let remedy = Remedy {
            action: Action::Deactivate,
            used_keys: UsedKeys::Keep,
            mode: Mode::Act,
            parameters: GivenParameters::from_json(&rule["InputParameters"]).unwrap().resolve(),
        };
        assert_eq!(request, Request { whom: Whom::User(USER_ID.to_owned()), remedy }, "{given:?}");
    }
}

#[test]
fn documents_are_those_that_automation_takes() {
    for id in DOCUMENTS {
        is_one_that_automation_takes(&document_called(id));
    }
}

#[track_caller]
fn is_one_that_automation_takes(document: &Value) {
    assert_eq!((&document["DocumentType"], &document["UpdateMethod"]), (&json!("Automation"), &json!("NewVersion")));
    let content = &document["Content"];
    assert!(content.to_string().len() <= 64 * 1024);
    let name = document["Name"].as_str().unwrap();
    assert!((3..=128).contains(&name.len()));
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)), "{name}");

    assert_eq!(content["schemaVersion"], "0.3");
    let sections = ["assumeRole", "description", "mainSteps", "outputs", "parameters", "schemaVersion"];
    assert_eq!(members(content).keys().collect::<Vec<_>>(), sections);
    for (name, parameter) in members(&content["parameters"]) {
        let kind = parameter["type"].as_str().unwrap();
        assert!(TYPES.contains(&kind) || kind == "AWS::IAM::Role::Arn", "{name}: {kind}");
        assert!(!parameter["description"].as_str().unwrap().is_empty(), "{name}");
        let fields = ["allowedPattern", "allowedValues", "default", "description", "type"];
        assert!(members(parameter).keys().all(|field| fields.contains(&field.as_str())), "{name}");
        // What has no default is marked as AWS marks it.
        let mark = if parameter.get("default").is_some() { "(Optional) " } else { "(Required) " };
        assert!(parameter["description"].as_str().unwrap().starts_with(mark), "{name}");
        if let Some(default) = parameter.get("default").filter(|_| parameter.get("allowedValues").is_some()) {
            assert!(parameter["allowedValues"].as_array().unwrap().contains(default), "{name}");
        }
    }

    let step = step_of(document);
    assert_eq!(step["action"], "aws:invokeLambdaFunction");
    let fields = ["action", "inputs", "isEnd", "maxAttempts", "name", "onFailure", "timeoutSeconds"];
    assert_eq!(members(&step).keys().collect::<Vec<_>>(), fields);
    assert!(step["name"].as_str().unwrap().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    let inputs = &step["inputs"];
    assert_eq!(members(inputs).keys().collect::<Vec<_>>(), ["FunctionName", "InputPayload", "InvocationType"]);
    assert_eq!(inputs["InvocationType"], "RequestResponse");
    assert_eq!(content["outputs"], json!([format!("{}.Payload", step["name"].as_str().unwrap())]));

    // The function ends first, so that its error is the step's.
    let function = stack(MEMBER, &EVERYTHING).properties("Remediator");
    assert_eq!(inputs["FunctionName"], function["FunctionName"]);
    assert_eq!(step["timeoutSeconds"], 300);
    assert!(function["Timeout"].as_u64().unwrap() < 300);
}

#[test]
fn documents_use_what_they_declare_and_declare_what_they_use() {
    for id in DOCUMENTS {
        uses_what_it_declares(&document_called(id));
    }
}

#[track_caller]
fn uses_what_it_declares(document: &Value) {
    let content = document["Content"].clone();
    let text = content.to_string();
    let used: BTreeSet<_> =
        text.split("{{").skip(1).map(|part| part.split("}}").next().unwrap().trim().to_owned()).collect();
    assert_eq!(used, members(&content["parameters"]).keys().cloned().collect());
    // Nothing is put together: a whole value stays of its type, and cannot be more than a value.
    let inputs = &step_of(document)["inputs"]["InputPayload"];
    for value in members(inputs).values() {
        let fixed = !value.to_string().contains("{{");
        assert!(fixed || declared(value.as_str().unwrap()).is_some(), "{inputs}");
    }
    assert_eq!(declared(content["assumeRole"].as_str().unwrap()).as_deref(), Some("AutomationAssumeRole"));
}

#[test]
fn document_asks_what_the_function_answers() {
    // The function names its members where it refuses another.
    let refused = Request::parse(r#"{"other": 1}"#).unwrap_err().to_string();
    let (_, expected) = refused.split_once("expected one of ").unwrap();
    let expected: BTreeSet<_> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    // Each member is in a document; whose keys it is about is said in one way only.
    let asked = DOCUMENTS.map(|id| members(&step_of(&document_called(id))["inputs"]["InputPayload"]).clone());
    assert_eq!(asked.iter().flat_map(Map::keys).cloned().collect::<BTreeSet<_>>(), expected);
    assert!(asked.iter().all(|asked| asked.contains_key("userId") != asked.contains_key("allUsers")));

    // By default the function's own defaults: nothing is changed.
    let user = BTreeMap::from([("UserId", json!(USER_ID))]);
    let by_default = Request::parse(&request(&user)).unwrap();
    assert_eq!(by_default, Request::parse(&json!({ "userId": USER_ID }).to_string()).unwrap());
    assert_eq!((by_default.remedy.mode, by_default.remedy.parameters), (Mode::DryRun, Parameters::default()));

    // Every value that the document allows, and none that the function would take beside.
    let parameters = document()["Content"]["parameters"].clone();
    for (name, known) in [
        ("Action", json!(["Deactivate", "DeleteInactive"])),
        ("UsedKeys", json!(["Keep", "Deactivate"])),
        ("DryRun", json!([true, false])),
    ] {
        assert_eq!(parameters[name]["allowedValues"], known);
        for value in known.as_array().unwrap() {
            let mut given = user.clone();
            given.insert(name, value.clone());
            Request::parse(&request(&given)).unwrap_or_else(|error| panic!("{name} {value}: {error}"));
        }
    }
}

#[test]
fn user_ids_are_those_of_users() {
    let pattern = document()["Content"]["parameters"]["UserId"]["allowedPattern"].clone();
    let (shortest, longest) = (format!("AIDA{}", "A".repeat(12)), format!("AIDA{}", "Z".repeat(124)));
    let taken = [USER_ID, &shortest, &longest];
    let (too_short, too_long) = (&shortest[1..], format!("{longest}9"));
    let refused = [
        "",
        "alice",
        "AROACKCEVSQ6C2EXAMPLE",
        "aidackcevsq6c2example",
        too_short,
        &too_long,
        "AIDACKCEVSQ6C2EXAMPLE\"}",
    ];
    let values = [&taken[..], &refused].concat();
    let matched = templates_py("match", &[], &json!([[pattern, values]]));
    assert_eq!(strings(&matched[0]), taken);
    for id in taken {
        Request::parse(&json!({ "userId": id }).to_string()).unwrap();
    }
}
