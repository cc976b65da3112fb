//! Who may do what: every policy in the templates.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    ACCOUNT, CENTRAL, EVERYTHING, FORWARD, MEMBER, MEMBER_READ_ROLE, ORGANIZATION, REGION, SECOND_STEP, TEMPLATES,
    members, sources, stack, strings, templates_py,
};

/// What the evaluator calls to judge users, and its role allows.
const ACTIONS: [&str; 10] = [
    "config:GetComplianceDetailsByConfigRule",
    "config:GetResourceConfigHistory",
    "config:PutEvaluations",
    "iam:GenerateCredentialReport",
    "iam:GetAccessKeyLastUsed",
    "iam:GetCredentialReport",
    "iam:GetLoginProfile",
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:ListUsers",
];

/// What it calls beside in the central mode.
const CENTRAL_ACTION: &str = "sts:AssumeRole";

/// What only the command-line tool calls, with its user's own permissions.
const TOOL_ACTION: &str = "sts:GetCallerIdentity";

/// What the evaluator calls beside to have a user judged as soon as its keys change.
const PROMPT_ACTIONS: [&str; 3] =
    ["config:DescribeConfigRules", "config:GetComplianceDetailsByResource", "config:StartConfigRulesEvaluation"];

/// What the remediator calls about one user.
const REMEDIATOR_ACTIONS: [&str; 8] = [
    "config:ListDiscoveredResources",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
    "iam:GetLoginProfile",
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:ListUsers",
    "iam:UpdateAccessKey",
];

/// What it calls beside to judge all users.
const REPORT_ACTIONS: [&str; 2] = ["iam:GenerateCredentialReport", "iam:GetCredentialReport"];

/// What AWS Lambda does for a function with the function's role: write its log, and queue what failed.
const FUNCTION_ACTIONS: [&str; 3] = ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"];

/// Every policy of every template, by where it stands.
fn policies() -> BTreeMap<String, Value> {
    policies_with(&EVERYTHING)
}

/// The same with these parameters of the member stack.
fn policies_with(given_to_member: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let mut policies = BTreeMap::new();
    for file in TEMPLATES {
        let given = match file {
            ORGANIZATION => &SECOND_STEP,
            MEMBER => given_to_member,
            _ => &[],
        };
        for (id, (kind, properties)) in stack(file, given).resources() {
            let mut add = |name: &str, policy: &Value| policies.insert(format!("{file} {id} {name}"), policy.clone());
            match kind {
                "AWS::IAM::Role" => {
                    add("trust", &properties["AssumeRolePolicyDocument"]);
                    for policy in properties["Policies"].as_array().into_iter().flatten() {
                        add(policy["PolicyName"].as_str().unwrap(), &policy["PolicyDocument"]);
                    }
                }
                _ if properties.get("PolicyDocument").is_some() => {
                    add("policy", &properties["PolicyDocument"]);
                }
                _ => assert!(!properties.to_string().contains("Statement"), "{file} {id}: a policy of an unknown kind"),
            }
        }
    }
    policies
}

fn statements(policy: &Value) -> &[Value] {
    policy["Statement"].as_array().unwrap()
}

/// What the policies of a role allow.
fn allowed_by(file: &str, role: &str) -> BTreeSet<String> {
    allowed_in(policies(), file, role)
}

fn allowed_in(policies: BTreeMap<String, Value>, file: &str, role: &str) -> BTreeSet<String> {
    let prefix = format!("{file} {role} ");
    let granted = policies.into_iter().filter(|(name, _)| name.starts_with(&prefix) && !name.ends_with(" trust"));
    let actions = |(_, policy): (_, Value)| {
        let actions = statements(&policy).iter().flat_map(|it| strings(&it["Action"])).map(str::to_owned);
        actions.collect::<Vec<_>>()
    };
    granted.flat_map(actions).collect()
}

fn set<'a>(actions: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    actions.into_iter().map(str::to_owned).collect()
}

#[test]
fn parliament_finds_nothing() {
    let mut policies = policies();
    assert_eq!(policies.len(), 15, "{:?}", policies.keys());
    for (name, policy) in &mut policies {
        if name.ends_with(" trust") {
            // It asks every statement for a resource, which is the role itself here.
            for statement in policy["Statement"].as_array_mut().unwrap() {
                statement["Resource"] = json!(format!("arn:aws:iam::{ACCOUNT}:role/it"));
            }
        }
    }
    // Finds it where a resource could be narrower, and where it is none of the action's.
    let statement =
        |action, resource| json!([{ "Sid": "S", "Effect": "Allow", "Action": action, "Resource": resource }]);
    let wide = json!({ "Version": "2012-10-17", "Statement": statement("iam:GetUser", "*") });
    policies.insert("wide".to_owned(), wide);
    let wrong = json!({ "Version": "2012-10-17", "Statement": statement("iam:ListUsers", "arn:aws:s3:::bucket") });
    policies.insert("wrong".to_owned(), wrong);

    let findings = templates_py("policies", &[], &json!(policies));
    let findings = strings(&findings);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(findings[0].starts_with("wide: LOW RESOURCE_STAR: "), "{findings:#?}");
    assert!(findings[1].starts_with("wrong: MEDIUM RESOURCE_MISMATCH: "), "{findings:#?}");
}

#[test]
fn statements_have_an_id_and_name_what_they_allow() {
    for (name, policy) in policies() {
        assert_eq!(policy["Version"], "2012-10-17", "{name}");
        let mut ids = BTreeSet::new();
        for statement in statements(&policy) {
            let id = statement["Sid"].as_str().unwrap_or_else(|| panic!("{name}: {statement}"));
            assert!(ids.insert(id) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}: {id}");
            for member in ["NotAction", "NotResource", "NotPrincipal"] {
                assert_eq!(statement.get(member), None, "{name}: {id}");
            }
            if statement["Effect"] == "Allow" {
                assert!(strings(&statement["Action"]).iter().all(|action| !action.contains('*')), "{name}: {id}");
            }
        }
    }
}

#[test]
fn roles_allow_what_the_code_calls_and_no_more() {
    let without = |given: &[(&str, &str)]| allowed_in(policies_with(given), MEMBER, "EvaluatorRole");
    assert_eq!(without(&[]), set(ACTIONS.into_iter().chain(FUNCTION_ACTIONS)));
    assert_eq!(without(&EVERYTHING[..1]), without(&[]));
    let with_prompt = ACTIONS.into_iter().chain(PROMPT_ACTIONS).chain(FUNCTION_ACTIONS);
    assert_eq!(allowed_by(MEMBER, "EvaluatorRole"), set(with_prompt));
    // Invoked by who waits for the answer, the remediator queues nothing.
    let log = FUNCTION_ACTIONS.into_iter().filter(|action| action.starts_with("logs:"));
    let of_one_user = REMEDIATOR_ACTIONS.into_iter().chain(log);
    let for_one_user = allowed_in(policies_with(&EVERYTHING[..1]), MEMBER, "RemediatorRole");
    assert_eq!(for_one_user, set(of_one_user.clone()));
    assert_eq!(allowed_by(MEMBER, "RemediatorRole"), set(of_one_user.chain(REPORT_ACTIONS)));
    assert_eq!(allowed_by(FORWARD, "ForwardRole"), set(["events:PutEvents"]));
    assert_eq!(allowed_by(MEMBER, "AutomationRole"), set(["lambda:InvokeFunction"]));
    assert_eq!(allowed_by(CENTRAL, "EvaluatorRole"), set([CENTRAL_ACTION].into_iter().chain(FUNCTION_ACTIONS)));
    assert_eq!(allowed_by(MEMBER_READ_ROLE, "ReadRole"), set(ACTIONS));
}

#[test]
fn code_calls_what_is_listed_and_no_more() {
    let mut calls = BTreeSet::new();
    for source in sources("src") {
        for service in ["\"iam:", "\"config:", "\"sts:"] {
            let literals = source.match_indices(service).map(|(at, _)| source[at + 1..].split('"').next().unwrap());
            calls.extend(literals.map(str::to_owned));
        }
    }
    let deployed = ACTIONS.into_iter().chain(PROMPT_ACTIONS).chain(REMEDIATOR_ACTIONS).chain([CENTRAL_ACTION]);
    assert_eq!(calls, set(deployed.chain([TOOL_ACTION])));
}

#[test]
fn both_modes_give_the_same_rights_in_an_account() {
    let granted = |file, role| {
        // Prompt verdicts are for the member stack only.
        let policies = policies_with(&[]).remove(&format!("{file} {role} evaluator")).unwrap();
        let own = |it: &&Value| !strings(&it["Action"]).iter().any(|action| FUNCTION_ACTIONS.contains(action));
        statements(&policies).iter().filter(own).cloned().collect::<Vec<_>>()
    };
    assert_eq!(granted(MEMBER, "EvaluatorRole"), granted(MEMBER_READ_ROLE, "ReadRole"));
}

#[test]
fn roles_trust_their_service_or_the_central_function_only() {
    let trust = |sid, principal, condition: Option<Value>| {
        let mut statement =
            json!({ "Sid": sid, "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" });
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    };
    let function = trust("RunAsFunction", json!({ "Service": "lambda.amazonaws.com" }), None);
    let expected = [
        (CENTRAL, "EvaluatorRole", function.clone()),
        (
            MEMBER_READ_ROLE,
            "ReadRole",
            trust(
                "CentralFunctionOnly",
                json!({ "AWS": "arn:aws:iam::444455556666:role/central" }),
                Some(json!({ "StringEquals": { "sts:ExternalId": "external-id" } })),
            ),
        ),
        (MEMBER, "EvaluatorRole", function.clone()),
        (MEMBER, "RemediatorRole", function),
        (
            MEMBER,
            "AutomationRole",
            trust(
                "RunAsAutomation",
                json!({ "Service": "ssm.amazonaws.com" }),
                Some(json!({
                    "StringEquals": { "aws:SourceAccount": ACCOUNT },
                    "ArnLike": { "aws:SourceArn": format!("arn:aws:ssm:{REGION}:{ACCOUNT}:automation-execution/*") },
                })),
            ),
        ),
        (
            FORWARD,
            "ForwardRole",
            trust(
                "RunAsEventBridge",
                json!({ "Service": "events.amazonaws.com" }),
                Some(json!({ "StringEquals": { "aws:SourceAccount": ACCOUNT } })),
            ),
        ),
        (ORGANIZATION, "AggregatorRole", trust("RunAsAggregator", json!({ "Service": "config.amazonaws.com" }), None)),
    ];
    let expected = expected.map(|(file, role, trust)| (format!("{file} {role} trust"), trust));
    let trusts: BTreeMap<_, _> = policies().into_iter().filter(|(name, _)| name.ends_with(" trust")).collect();
    assert_eq!(trusts, BTreeMap::from(expected));
}

#[test]
fn config_invokes_the_function_for_the_accounts_it_serves_only() {
    let permission = json!({
        "FunctionName": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:setup-keys-evaluator"),
        "Action": "lambda:InvokeFunction",
        "Principal": "config.amazonaws.com",
        "SourceAccount": ACCOUNT,
    });
    assert_eq!(stack(MEMBER, &[]).properties("InvokeFromConfig"), permission);

    let policy = &policies()[&format!("{CENTRAL} InvokeFromConfig policy")];
    let [statement] = statements(policy) else { panic!("{policy}") };
    assert_eq!(statement["Principal"], json!({ "Service": "config.amazonaws.com" }));
    assert_eq!(statement["Action"], "lambda:InvokeFunction");
    assert_eq!(statement["Resource"], permission["FunctionName"]);
    let accounts = json!(["111122223333", "444455556666"]);
    assert_eq!(statement["Condition"], json!({ "StringEquals": { "aws:SourceAccount": accounts } }));

    // One overwrites the other.
    let kinds = |file| stack(file, &[]).resources().into_values().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert!(!kinds(MEMBER).contains(&"AWS::Lambda::ResourcePolicy"));
    assert!(!kinds(CENTRAL).contains(&"AWS::Lambda::Permission"));
}

#[test]
fn only_the_remediator_changes_keys_and_only_automation_invokes_it() {
    let changes = |action: &str| {
        ["Update", "Delete", "Create", "Put"].iter().any(|verb| action.starts_with(&format!("iam:{verb}")))
    };
    for (name, policy) in policies() {
        for statement in statements(&policy).iter().filter(|it| it["Effect"] == "Allow") {
            let actions = strings(&statement["Action"]);
            if actions.iter().any(|action| changes(action)) {
                assert_eq!(name, format!("{MEMBER} RemediatorRole remediator"));
                assert_eq!(statement["Resource"], format!("arn:aws:iam::{ACCOUNT}:user/*"));
            }
            if actions.contains(&"lambda:InvokeFunction") && !name.starts_with(CENTRAL) {
                assert_eq!(name, format!("{MEMBER} AutomationRole automation"));
                let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:setup-keys-remediator");
                assert_eq!(statement["Resource"], function);
            }
        }
    }
    // No permission to invoke it from elsewhere.
    for (id, (kind, properties)) in stack(MEMBER, &EVERYTHING).resources() {
        if kind == "AWS::Lambda::Permission" {
            assert!(properties["FunctionName"].as_str().unwrap().ends_with(":setup-keys-evaluator"), "{id}");
        }
    }
}

#[test]
fn central_function_assumes_one_role_of_its_organization() {
    let policy = &policies()[&format!("{CENTRAL} EvaluatorRole evaluator")];
    let statement = statements(policy).iter().find(|it| it["Action"] == CENTRAL_ACTION).unwrap();
    let role = stack(MEMBER_READ_ROLE, &[]).properties("ReadRole");
    assert_eq!(statement["Resource"], format!("arn:aws:iam::*:role/{}", role["RoleName"].as_str().unwrap()));
    assert_eq!(statement["Condition"], json!({ "StringEquals": { "aws:ResourceOrgID": "o-a1b2c3d4e5" } }));
}

#[test]
fn bucket_is_read_by_the_organization_and_over_tls_only() {
    let policy = &policies()[&format!("{ORGANIZATION} ArtifactsPolicy policy")];
    let [read, deny] = statements(policy) else { panic!("{policy}") };
    assert_eq!(read["Action"], "s3:GetObject");
    assert_eq!(read["Condition"], json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }));
    assert_eq!(deny["Effect"], "Deny");
    assert_eq!(deny["Condition"], json!({ "Bool": { "aws:SecureTransport": "false" } }));

    let bucket = stack(ORGANIZATION, &[]).properties("Artifacts");
    assert!(members(&bucket["PublicAccessBlockConfiguration"]).values().all(|blocked| *blocked == true));
    assert_eq!(members(&bucket["PublicAccessBlockConfiguration"]).len(), 4);
    assert_eq!(bucket["OwnershipControls"]["Rules"], json!([{ "ObjectOwnership": "BucketOwnerEnforced" }]));
    assert_eq!(bucket["VersioningConfiguration"], json!({ "Status": "Enabled" }));
}
