"""CloudFormation templates, read and judged by other implementations than ours. Each command prints one JSON document.

    templates.py read FILE...
        The templates, with intrinsic functions in their long form.
    templates.py lint REGIONS FILE...
        cfn-lint's findings, of every level, for these regions (separated by commas).
    templates.py policies < {NAME: POLICY}
        parliament's findings, of every level.
    templates.py match < [[PATTERN, [VALUE...]]...]
        For each pattern the values that it takes.
    templates.py deploy < {"region": NAME, "buckets": {NAME: [KEY...]}, "stacks": [[FILE, {PARAMETER: VALUE}]...],
                           "rules": [RULE...]}
        Deploys to moto: buckets with objects, then stacks, then rules of AWS Config. {"stacks", "rules"}: of each stack
        "status", "outputs", "exports", and what boto3 says of its "resources", by logical id; and the rules.
"""

import ast
import json
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def read(*files: str) -> Any:
    from cfnlint.decode import cfn_yaml

    return {file: cfn_yaml.load(file) for file in files}


def lint(regions: str, *files: str) -> Any:
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    # `I`: informational findings, which cfn-lint leaves out unless asked for.
    config = ManualArgs(regions=regions.split(","), include_checks=["W", "E", "I"])
    return [f"{file}: {match}" for file in files for match in lint(Path(file).read_text(), config=config)]


def policies() -> Any:
    # parliament imports what setuptools warns of.
    warnings.simplefilter("ignore")
    from parliament import analyze_policy_string, enhance_finding

    findings = []
    for name, document in json.load(sys.stdin).items():
        for finding in map(enhance_finding, analyze_policy_string(json.dumps(document)).findings):
            findings.append(f"{name}: {finding.severity} {finding.issue}: {finding.title} {finding.detail}")
    return findings


def match() -> Any:
    # Knows `\p{L}` as Java does, which CloudFormation's patterns are for; Python's own `re` does not.
    import regex

    return [[value for value in values if regex.search(pattern, value)] for pattern, values in json.load(sys.stdin)]


def deploy() -> Any:
    # moto's CloudFormation imports every service, and that of API Gateway a validator that nothing here calls.
    for name in ["", ".validation", ".validation.exceptions"]:
        module = ModuleType(f"openapi_spec_validator{name}")
        module.validate = module.OpenAPIValidationError = None  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module

    import boto3
    from moto import mock_aws

    wanted = json.load(sys.stdin)
    with mock_aws():
        session = boto3.Session("test", "test", region_name=wanted["region"])
        aws = {name: session.client(name) for name in ("cloudformation", "config", "s3")}
        for bucket, keys in wanted["buckets"].items():
            here = {"LocationConstraint": session.region_name}
            aws["s3"].create_bucket(Bucket=bucket, CreateBucketConfiguration=here)
            for key in keys:
                aws["s3"].put_object(Bucket=bucket, Key=key, Body=b"zip")
        stacks = [deploy_stack(session, *stack) for stack in wanted["stacks"]]
        for rule in wanted["rules"]:
            aws["config"].put_config_rule(ConfigRule=rule)
        return {"stacks": stacks, "rules": aws["config"].describe_config_rules()["ConfigRules"]}


def deploy_stack(session: Any, file: str, parameters: dict[str, str]) -> Any:
    cloudformation = session.client("cloudformation")
    name = re.sub("[^a-z]", "-", Path(file).stem)
    with warnings.catch_warnings():
        # "Tried to parse … but it's not supported": the test knows which.
        warnings.simplefilter("ignore")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=Path(file).read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = stack.get("Outputs", [])
    return {
        "status": stack["StackStatus"],
        "exports": {it["ExportName"]: it["OutputValue"] for it in outputs if "ExportName" in it},
        "outputs": {it["OutputKey"]: it["OutputValue"] for it in outputs},
        "resources": {
            it["LogicalResourceId"]: SEEN_BY_BOTO3[it["ResourceType"]](session.client, it["PhysicalResourceId"])
            for it in resources
            if it.get("ResourceType") in SEEN_BY_BOTO3
        },
    }


Client = Callable[[str], Any]


def see_function(client: Client, name: str) -> Any:
    function = client("lambda").get_function(FunctionName=name)
    try:
        policy = json.loads(client("lambda").get_policy(FunctionName=name)["Policy"])
    except client("lambda").exceptions.ResourceNotFoundException:
        policy = None
    return {**function, "Policy": policy}


def see_role(client: Client, name: str) -> Any:
    iam = client("iam")
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    policies = {it: iam.get_role_policy(RoleName=name, PolicyName=it)["PolicyDocument"] for it in names}
    # moto has a policy from a template as Python prints it.
    policies = {it: ast.literal_eval(policy) for it, policy in policies.items()}
    return {**iam.get_role(RoleName=name)["Role"], "Policies": policies}


def see_document(client: Client, name: str) -> Any:
    document = client("ssm").get_document(Name=name)
    # As that of a policy.
    return {**document, "Content": ast.literal_eval(document["Content"])}


SEEN_BY_BOTO3: dict[str, Callable[[Client, str], Any]] = {
    "AWS::CloudWatch::Dashboard": lambda client, id: client("cloudwatch").get_dashboard(DashboardName=id),
    "AWS::Events::Rule": lambda client, id: {
        **client("events").describe_rule(Name=id),
        "Targets": client("events").list_targets_by_rule(Rule=id)["Targets"],
    },
    "AWS::IAM::Role": see_role,
    "AWS::Lambda::Function": see_function,
    "AWS::Logs::LogGroup": lambda client, id: client("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"],
    "AWS::SSM::Document": see_document,
    "AWS::S3::Bucket": lambda client, id: client("s3").get_bucket_encryption(Bucket=id),
    "AWS::SQS::Queue": lambda client, id: client("sqs").get_queue_attributes(QueueUrl=id, AttributeNames=["All"]),
}


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    commands = {it.__name__: it for it in (read, lint, policies, match, deploy)}
    json.dump(commands[command](*arguments), sys.stdout, default=str)
