//! What the templates set: parameters, environment, and what they hand to each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use setup_keys::aws::session::MemberRole;
use setup_keys::evaluator::Accounts;

use crate::{
    CENTRAL, EVERYTHING, MEMBER, MEMBER_READ_ROLE, ORGANIZATION, PACK, REMEDIATION_PACK, SECOND_STEP, TEMPLATES,
    members, sources, stack, template,
};

#[test]
fn parameters_are_described_and_need_a_value_only_where_no_default_is_safe() {
    for file in TEMPLATES {
        let parameters = members(&template(file)["Parameters"]);
        for (name, parameter) in parameters {
            let description = parameter["Description"].as_str().unwrap_or_default();
            assert!(!description.is_empty() && description.len() <= 4000, "{file} {name}");
            let bounds = ["AllowedValues", "AllowedPattern", "MinValue"];
            assert!(bounds.iter().any(|bound| parameter.get(*bound).is_some()), "{file} {name}");
        }
        let required: BTreeSet<_> = crate::required(file).into_iter().map(|(name, _)| name).collect();
        let undefaulted = parameters.iter().filter(|(_, parameter)| parameter.get("Default").is_none());
        assert_eq!(undefaulted.map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), required, "{file}");
    }
}

/// Scripts give a parameter to whichever template has one of that name.
#[test]
fn pack_and_stacks_have_no_parameter_in_common() {
    for file in [MEMBER, ORGANIZATION] {
        let parameters = members(&template(file)["Parameters"]);
        let pack = members(&template(REMEDIATION_PACK)["Parameters"]);
        assert_eq!(parameters.keys().find(|name| pack.contains_key(*name)), None);
    }
}

#[test]
fn stack_set_passes_every_parameter_of_the_member_stack() {
    let set = stack(ORGANIZATION, &SECOND_STEP).properties("Members");
    let passed = set["Parameters"].as_array().unwrap();
    let passed: BTreeMap<_, _> =
        passed.iter().map(|it| (it["ParameterKey"].as_str().unwrap(), it["ParameterValue"].clone())).collect();
    let mut expected: BTreeMap<_, _> = members(&template(MEMBER)["Parameters"])
        .iter()
        .map(|(name, parameter)| (name.as_str(), parameter.get("Default").cloned().unwrap_or_default()))
        .collect();
    expected.insert("ArtifactBucket", json!("stack-artifacts"));
    expected.insert("EvaluatorKey", json!("evaluator-0123.zip"));
    assert_eq!(passed, expected);

    // Each follows the parameter of its name.
    let changed: Vec<_> = expected.keys().map(|name| (*name, "changed")).collect();
    let set = stack(ORGANIZATION, &[&SECOND_STEP[..1], &changed].concat()).properties("Members");
    let values: Vec<_> = set["Parameters"].as_array().unwrap().iter().map(|it| &it["ParameterValue"]).collect();
    assert_eq!(values, vec!["changed"; expected.len()]);
}

#[test]
fn parameter_of_one_name_is_the_same_everywhere() {
    // In the organization's stack these are empty at first; and the read role is told what the central stack was told.
    let differ = [
        (ORGANIZATION, "ArtifactBucket"),
        (ORGANIZATION, "EvaluatorKey"),
        (ORGANIZATION, "OrganizationId"),
        (CENTRAL, "MemberRoleName"),
        (CENTRAL, "MemberRoleExternalId"),
    ];
    let mut known: BTreeMap<&str, &Value> = BTreeMap::new();
    let all = [MEMBER, CENTRAL, MEMBER_READ_ROLE, ORGANIZATION];
    let all = all.iter().flat_map(|file| members(&template(file)["Parameters"]).iter().map(move |it| (*file, it)));
    for (file, (name, parameter)) in all.filter(|(file, (name, _))| !differ.contains(&(file, name))) {
        assert_eq!(*known.entry(name).or_insert(parameter), parameter, "{file} {name}");
    }
    for (_, name) in &differ[3..] {
        let without_description = |file: &str| {
            let mut parameter = template(file)["Parameters"][name].clone();
            parameter.as_object_mut().unwrap().remove("Description");
            parameter
        };
        assert_eq!(without_description(CENTRAL), without_description(MEMBER_READ_ROLE), "{name}");
    }
}

#[test]
fn stack_set_deploys_the_uploaded_template_in_this_region() {
    let set = |given: &[(&str, &str)]| stack(ORGANIZATION, &[&SECOND_STEP, given].concat()).properties("Members");
    let made = set(&[]);
    assert_eq!(made["PermissionModel"], "SERVICE_MANAGED");
    assert_eq!(made["TemplateURL"], "https://stack-artifacts.s3.eu-central-1.amazonaws.com/member-4567.yaml");
    let group = json!([{
        "DeploymentTargets": { "OrganizationalUnitIds": ["ou-a1b2-c3d4e5f6", "r-a1b2"] },
        "Regions": ["eu-central-1"],
    }]);
    assert_eq!(made["StackInstancesGroup"], group);
    assert_eq!(made["CallAs"], "SELF");
    assert_eq!(set(&[("CallAs", "DELEGATED_ADMIN")])["CallAs"], "DELEGATED_ADMIN");
    // The role of remediation has a name, since the pack must name it.
    assert_eq!(made["Capabilities"], json!(["CAPABILITY_NAMED_IAM"]));

    let own = set(&[("ArtifactBucket", "our-artifacts")]);
    assert_eq!(own["TemplateURL"], "https://our-artifacts.s3.eu-central-1.amazonaws.com/member-4567.yaml");
}

#[test]
fn organization_stack_makes_what_is_asked_for() {
    let made = |given: &[(&str, &str)]| {
        let stack = stack(ORGANIZATION, given);
        stack.resources().into_keys().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = ["Aggregator", "AggregatorRole", "Artifacts", "ArtifactsPolicy", "Dashboard"];
    assert_eq!(made(&[]), first);
    assert_eq!(made(&SECOND_STEP), [&first[..], &["Members"]].concat());
    let none = [("ArtifactBucket", "our-artifacts"), ("CreateAggregator", "false"), ("CreateDashboard", "false")];
    assert_eq!(made(&none), [""; 0]);
    assert_eq!(made(&[&none[..], &SECOND_STEP].concat()), ["Members"]);

    let rule = &template(ORGANIZATION)["Rules"]["EvaluatorWithTemplate"];
    let given = |name: &str| json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": name }, ""] }] });
    assert_eq!(rule["RuleCondition"], given("TemplateKey"));
    assert_eq!(rule["Assertions"][0]["Assert"], given("EvaluatorKey"));
}

#[test]
fn both_modes_export_what_the_pack_imports() {
    let source = stack(PACK, &[]).properties("IamUserNoSetupAccessKeys")["Source"]["SourceIdentifier"].clone();
    let name = source.as_str().unwrap().strip_prefix("imported:").unwrap();
    let central = &crate::required(MEMBER_READ_ROLE)[0];
    assert_eq!(central.0, "EvaluatorArn");
    for (file, arn) in [
        (MEMBER, "arn:aws:lambda:eu-central-1:123456789012:function:setup-keys-evaluator"),
        (MEMBER_READ_ROLE, central.1),
    ] {
        assert_eq!(stack(file, &[]).exports(), BTreeMap::from([(name.to_owned(), json!(arn))]), "{file}");
    }
    assert_eq!(stack(CENTRAL, &[]).exports(), BTreeMap::new());
}

#[test]
fn environment_is_what_the_code_reads() {
    // By a constant that has its own name as its value.
    let mut read = BTreeSet::new();
    for source in sources("src") {
        let constants =
            source.lines().filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(": &str = "));
        read.extend(
            constants.filter(|(name, value)| *value == format!("\"{name}\";")).map(|(name, _)| name.to_owned()),
        );
    }
    let variables = |file| stack(file, &[]).properties("Evaluator")["Environment"]["Variables"].clone();
    let (member, central) = (variables(MEMBER), variables(CENTRAL));
    assert_eq!(members(&central).keys().cloned().collect::<BTreeSet<_>>(), read);
    assert_eq!(member, json!({ "ALLOWED_ACCOUNTS": "123456789012" }));

    let text = |name: &str| central[name].as_str();
    let served = Accounts::served(text("ALLOWED_ACCOUNTS"), true, "").unwrap();
    let accounts = ["111122223333", "444455556666"].map(str::to_owned);
    assert_eq!(served, Accounts::Listed(BTreeSet::from(accounts)));
    assert!(MemberRole::from_settings(text("MEMBER_ROLE_NAME"), text("MEMBER_ROLE_EXTERNAL_ID")).unwrap().is_some());
}

#[test]
fn as_many_accounts_as_promised_fit_into_the_environment() {
    let description = template(CENTRAL)["Parameters"]["SourceAccounts"]["Description"].as_str().unwrap();
    let accounts = vec!["111122223333"; 300].join(",");
    assert!(description.contains("at most 300"));
    // Of a parameter's value, and of all variables of a function, names included.
    assert!(accounts.len() <= 4096);
    let longest = "x".repeat(64);
    let given = [
        ("SourceAccounts", accounts.as_str()),
        ("MemberRoleName", longest.as_str()),
        ("MemberRoleExternalId", longest.as_str()),
    ];
    let function = stack(CENTRAL, &given).properties("Evaluator");
    let variables = members(&function["Environment"]["Variables"]);
    assert!(variables.iter().map(|(name, value)| name.len() + value.as_str().unwrap().len()).sum::<usize>() <= 4096);
}

#[test]
fn optional_settings_are_left_out_or_set() {
    let stack = |given: &[(&str, &str)]| stack(MEMBER, given);
    assert_eq!(stack(&[]).properties("Evaluator").get("ReservedConcurrentExecutions"), None);
    assert_eq!(stack(&[]).properties("EvaluatorRole").get("PermissionsBoundary"), None);
    let set = stack(&[("ReservedConcurrency", "5"), ("PermissionsBoundary", "team/boundary")]);
    assert_eq!(set.properties("Evaluator")["ReservedConcurrentExecutions"], "5");
    let boundary = "arn:aws:iam::123456789012:policy/team/boundary";
    assert_eq!(set.properties("EvaluatorRole")["PermissionsBoundary"], boundary);
    let all = stack(&[&EVERYTHING[..], &[("PermissionsBoundary", "team/boundary")]].concat());
    let roles: Vec<_> = all.resources().into_values().filter(|(kind, _)| *kind == "AWS::IAM::Role").collect();
    assert_eq!(roles.len(), 3);
    assert!(roles.iter().all(|(_, role)| role["PermissionsBoundary"] == boundary));
}
