"""What is in the accounts of fake_aws.py, and what AWS's commands do to it. State is as in a file of tests/scripts."""

import functools
import pathlib
import re

import yaml

EXPORT = "setup-keys-evaluator-arn"
RULE_TYPES = {"AWS::Config::ConfigRule", "AWS::Config::RemediationConfiguration"}


class Refused(Exception):
    """An error of the service, which the CLI prints and exits with 254."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Wrong(Exception):
    """What the CLI itself says, and exits with another status."""

    def __init__(self, message, status=252):
        super().__init__(message)
        self.status = status


# ---- Templates -------------------------------------------------------------------------------------------------------


class Loader(yaml.CSafeLoader):
    """Reads `!Ref` and the like as what follows them."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))


@functools.cache
def template(body):
    if len(body.encode()) > 51_200:
        raise Wrong("the template is too large to be given in the call")
    return yaml.load(body, Loader)


def check_parameters(sections, given, complete, code):
    """What AWS says to values that a template does not take."""
    declared = sections.get("Parameters", {})
    for name, value in given.items():
        if name not in declared:
            raise Refused(code, f"Parameters: [{name}] do not exist in the template")
        parameter = declared[name]
        values = value.split(",") if parameter["Type"] == "CommaDelimitedList" else [value]
        pattern = parameter.get("AllowedPattern", ".*").replace(r"\p{L}\p{Z}\p{N}", r"\w ")
        if not all(re.fullmatch(pattern, each) for each in values):
            raise Refused(code, f"Parameter '{name}' must match pattern {pattern}")
        if value not in map(str, parameter.get("AllowedValues", [value])):
            raise Refused(code, f"Parameter '{name}' must be one of AllowedValues")
    if complete:
        missing = [name for name, parameter in declared.items() if "Default" not in parameter and name not in given]
        if missing:
            raise Refused(code, f"Parameters: {missing} must have values")


# ---- What is there ---------------------------------------------------------------------------------------------------


class World:
    """Most methods are commands, named for service and command; each takes the members that were given."""

    def __init__(self, state, profile, region):
        self.state = state
        self.region = region or state["region"]
        self.account = state["profiles"][profile] if profile else state["account"]
        self.busy = state.setdefault("busy", 1)
        self.buckets = state.setdefault("buckets", {})
        # Those of the home region are found by their account alone.
        place = self.account if self.region == state["region"] else f"{self.account} {self.region}"
        self.stacks = state.setdefault("stacks", {}).setdefault(place, {})
        self.packs = state.setdefault("packs", {})
        self.organization_packs = state.setdefault("organization_packs", {})

    def look(self, thing):
        """Whether something is still under way; the look counts."""
        if thing["busy"] == 0:
            return False
        thing["busy"] -= 1
        return True

    def accounts(self):
        return self.state["organization"]["accounts"]

    def management(self):
        return self.state["organization"]["management"]

    def exports(self, account):
        """Whether the function is in an account."""
        stacks = self.state["stacks"].get(account, {}).values()
        if any(stack["template"] == "member.yaml" and stack["status"] != "ROLLBACK_COMPLETE" for stack in stacks):
            return True
        instances = self.state.get("stack_set", {}).get("instances", {})
        return instances.get(account, {}).get("Status") == "CURRENT"

    # -- STS

    def sts_get_caller_identity(self, given):
        return {"UserId": "AIDAEXAMPLECALLER0001", "Account": self.account, "Arn": f"arn:aws:iam::{self.account}:user/deployer"}

    # -- Amazon S3

    def bucket(self, given, owner=True):
        bucket = self.buckets.get(given["Bucket"])
        if bucket is None:
            raise Refused("404", "Not Found")
        if owner and given.get("ExpectedBucketOwner", bucket["owner"]) != bucket["owner"]:
            raise Refused("403", "Forbidden")
        return bucket

    def s3_head_bucket(self, given):
        return {"BucketRegion": self.bucket(given)["region"]}

    def s3_create_bucket(self, given):
        name = given["Bucket"]
        if name in self.buckets:
            raise Refused("BucketAlreadyExists", "The requested bucket name is not available.")
        wanted = None if self.region == "us-east-1" else self.region
        if given.get("CreateBucketConfiguration", {}).get("LocationConstraint") != wanted:
            raise Refused("InvalidLocationConstraint", "The specified location-constraint is not valid")
        self.make_bucket(name)
        return {"Location": f"/{name}"}

    def make_bucket(self, name):
        self.buckets[name] = {"owner": self.account, "region": self.region, "objects": []}

    def s3_put_public_access_block(self, given):
        self.bucket(given)["blocked"] = True
        return {}

    def s3_head_object(self, given):
        if given["Key"] not in self.bucket(given)["objects"]:
            raise Refused("404", "Not Found")
        return {"ContentLength": 1}

    def s3_put_object(self, given):
        objects = self.bucket(given)["objects"]
        if given["Key"] not in objects:
            objects.append(given["Key"])
        return {"ETag": '"abc"'}

    def s3_list_object_versions(self, given):
        objects = self.bucket(given)["objects"]
        markers = self.bucket(given).get("markers", [])
        return {
            "Versions": [{"Key": key, "VersionId": f"v-{key}"} for key in objects],
            "DeleteMarkers": [{"Key": key, "VersionId": f"m-{key}"} for key in markers],
        }

    def s3_delete_objects(self, given):
        bucket = self.bucket(given)
        for each in given["Delete"]["Objects"]:
            kind = "objects" if each["VersionId"].startswith("v-") else "markers"
            bucket[kind].remove(each["Key"])
        return {}

    def s3_delete_bucket(self, given):
        bucket = self.bucket(given)
        if bucket["objects"] or bucket.get("markers"):
            raise Refused("BucketNotEmpty", "The bucket you tried to delete is not empty")
        del self.buckets[given["Bucket"]]
        return {}

    def has_object(self, bucket, key):
        return bucket in self.buckets and self.buckets[bucket]["region"] == self.region and key in self.buckets[bucket]["objects"]

    # -- AWS CloudFormation

    def stack(self, name):
        if name not in self.stacks:
            raise Refused("ValidationError", f"Stack with id {name} does not exist")
        return self.stacks[name]

    def cloudformation_describe_stacks(self, given):
        name = given["StackName"]
        stack = self.stack(name)
        status = stack["status"]
        if stack.get("busy") and self.look(stack):
            status = stack["busy_status"]
        described = {
            "StackName": name,
            "CreationTime": "2026-03-02T10:15:01Z",
            "StackStatus": status,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in stack["parameters"].items()],
        }
        if stack.get("outputs"):
            described["Outputs"] = [{"OutputKey": key, "OutputValue": value} for key, value in stack["outputs"].items()]
        return {"Stacks": [described]}

    def deploy(self, options):
        """`aws cloudformation deploy`, which is the CLI's own; returns what it prints."""
        name = options["stack-name"][0]
        path = pathlib.Path(options["template-file"][0])
        sections = template(path.read_text())
        given = dict(pair.split("=", 1) for pair in options["parameter-overrides"])
        code = "ValidationError"
        old = self.stacks.get(name)
        if old and (old["status"] == "ROLLBACK_COMPLETE" or old["status"].endswith("_IN_PROGRESS")):
            raise Refused(code, f"Stack:{name} is in {old['status']} state and can not be updated.")
        check_parameters(sections, given, False, code)
        declared = sections["Parameters"]
        before = old["parameters"] if old else {}
        values = {key: str(declared[key]["Default"]) for key in declared if "Default" in declared[key]} | before | given
        values = {key: value for key, value in values.items() if key in declared}
        check_parameters(sections, values, True, code)
        roles = [resource for resource in sections["Resources"].values() if resource["Type"] == "AWS::IAM::Role"]
        needed = "CAPABILITY_NAMED_IAM" if any("RoleName" in role["Properties"] for role in roles) else "CAPABILITY_IAM"
        if roles and not {needed, "CAPABILITY_NAMED_IAM"} & set(options.get("capabilities", [])):
            raise Refused("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
        if old and old["parameters"] == values:
            if "no-fail-on-empty-changeset" not in options:
                raise Wrong(f"No changes to deploy. Stack {name} is up to date", 255)
            return f"No changes to deploy. Stack {name} is up to date\n"
        stack = {"template": path.name, "parameters": values, "status": "UPDATE_COMPLETE" if old else "CREATE_COMPLETE"}
        self.stacks[name] = stack
        make = {
            "member.yaml": self.make_member,
            "organization.yaml": self.make_organization,
            "forward-iam-events.yaml": lambda stack, old: self.region == "us-east-1",
        }[path.name]
        if not make(stack, old):
            self.stacks[name] = dict(old, status="UPDATE_ROLLBACK_COMPLETE") if old else dict(stack, status="ROLLBACK_COMPLETE")
            raise Wrong(f"Failed to create/update the stack. Run the following command\nto fetch the list of events leading up to the "
                 f"failure\naws cloudformation describe-stack-events --stack-name {name}", 255)
        return f"Waiting for stack create/update to complete\nSuccessfully created/updated stack - {name}\n"

    def make_member(self, stack, old):
        keys = [stack["parameters"].get(name) for name in ("EvaluatorKey", "RemediatorKey")]
        return all(self.has_object(stack["parameters"]["ArtifactBucket"], key) for key in keys if key)

    def make_organization(self, stack, old):
        values = stack["parameters"]
        bucket = values["ArtifactBucket"]
        if not bucket:
            bucket = old["outputs"]["ArtifactBucket"] if old else "setup-keys-organization-artifacts-1a2b3c4d5e6f"
            if bucket not in self.buckets:
                self.make_bucket(bucket)
        stack["outputs"] = {"ArtifactBucket": bucket}
        if not values["TemplateKey"]:
            return True
        needed = [values["TemplateKey"], values["EvaluatorKey"], values["ForwardTemplateKey"]]
        if not all(self.has_object(bucket, key) for key in needed[:2]) or (needed[2] and not self.has_object(bucket, needed[2])):
            return False
        units = values["OrganizationalUnitIds"].split(",")
        instances = {}
        for account, facts in self.accounts().items():
            if account == self.management():
                continue
            if not self.within(facts["unit"], units):
                # The function goes, if nothing imports it any more.
                if any(account in pack["accounts"] for pack in self.organization_packs.values()):
                    return False
            else:
                reason = self.state.get("stack_failures", {}).get(account)
                instances[account] = {"Status": "OUTDATED", "StatusReason": reason} if reason else {"Status": "CURRENT"}
                detail = "FAILED" if reason else "SUCCEEDED"
                if facts.get("State", "ACTIVE") != "ACTIVE":
                    instances[account] = {"Status": "OUTDATED"}
                    detail = "SKIPPED_SUSPENDED_ACCOUNT"
                instances[account]["StackInstanceStatus"] = {"DetailedStatus": detail}
        self.state["stack_set"] = {"instances": instances, "busy": self.busy, "caller": values["CallAs"]}
        return True

    def within(self, unit, units):
        while unit:
            if unit in units:
                return True
            unit = self.state["organization"].get("units", {}).get(unit)
        return False

    def cloudformation_delete_stack(self, given):
        name = given["StackName"]
        if name not in self.stacks:
            return {}
        stack = self.stacks[name]
        used = self.packs if stack["template"] == "member.yaml" else {}
        if stack["template"] != "forward-iam-events.yaml" and (used or self.organization_packs):
            stack["status"] = "DELETE_FAILED"
            return {}
        if stack["template"] == "organization.yaml":
            self.state.pop("stack_set", None)
        del self.stacks[name]
        return {}

    def wait(self, what, options):
        name = options["stack-name"][0]
        if what != "stack-delete-complete":
            raise Wrong(f"there is no waiter {what}")
        if self.stacks.get(name, {}).get("status") == "DELETE_FAILED":
            raise Wrong('Waiter StackDeleteComplete failed: Waiter encountered a terminal failure state: For expression '
                 '"Stacks[].StackStatus" we matched expected path: "DELETE_FAILED" at least once', 255)
        return ""

    def stack_set(self, given):
        stack_set = self.state.get("stack_set")
        if given["StackSetName"] != "setup-keys" or not stack_set or given.get("CallAs", "SELF") != stack_set["caller"]:
            raise Refused("StackSetNotFoundException", f"StackSet {given['StackSetName']} not found")
        return stack_set

    def cloudformation_list_stack_instances(self, given):
        instances = self.stack_set(given)["instances"]
        return {"Summaries": [{"Account": account, "Region": self.region} | facts for account, facts in instances.items()]}

    def cloudformation_list_stack_set_operations(self, given):
        status = "RUNNING" if self.look(self.stack_set(given)) else "SUCCEEDED"
        return {
            "Summaries": [
                {"OperationId": "2", "Action": "UPDATE", "Status": status},
                {"OperationId": "1", "Action": "CREATE", "Status": "SUCCEEDED"},
            ]
        }

    # -- AWS Config

    def config_describe_configuration_recorders(self, given):
        return {"ConfigurationRecorders": self.state["recorders"]}

    def config_describe_configuration_recorder_status(self, given):
        return {"ConfigurationRecordersStatus": self.state["recorder_status"]}

    def check_pack(self, given, code):
        sections = template(given["TemplateBody"])
        types = {resource["Type"] for resource in sections["Resources"].values()}
        if not types <= RULE_TYPES:
            raise Refused(code, f"The template has {types - RULE_TYPES}")
        owner = self.management() if "OrganizationConformancePackName" in given else self.account
        roles = re.findall(r"arn:aws:iam::([0-9]{12}):role", given["TemplateBody"])
        if any(role != owner for role in roles):
            raise Refused(code, f"The role of another account: {roles}")
        pairs = {each["ParameterName"]: each["ParameterValue"] for each in given.get("ConformancePackInputParameters", [])}
        check_parameters(sections, pairs, True, code)

    def described(self, pack, **more):
        parameters = pack["given"].get("ConformancePackInputParameters")
        return more | ({"ConformancePackInputParameters": parameters} if parameters else {})

    def config_put_conformance_pack(self, given):
        self.check_pack(given, "ConformancePackTemplateValidationException")
        name = given["ConformancePackName"]
        old = self.packs.get(name)
        if old and old["busy"]:
            raise Refused("ResourceInUseException", f"The pack {name} is being updated.")
        verb = "UPDATE" if old and old["state"] != "CREATE_FAILED" else "CREATE"
        pack = {"given": given, "busy": self.busy, "state": f"{verb}_COMPLETE"}
        reason = self.state.get("pack_failure")
        if not self.exports(self.account):
            reason = f"No export named {EXPORT} found."
        if reason:
            pack |= {"state": f"{verb}_FAILED", "reason": reason}
        self.packs[name] = pack
        return {"ConformancePackArn": f"arn:aws:config:{self.region}:{self.account}:conformance-pack/{name}/conformance-pack-abc123def"}

    def pack_ids(self, name):
        arn = f"arn:aws:config:{self.region}:{self.account}:conformance-pack/{name}/conformance-pack-abc123def"
        return {"ConformancePackName": name, "ConformancePackArn": arn, "ConformancePackId": "conformance-pack-abc123def"}

    def config_describe_conformance_packs(self, given):
        (name,) = given["ConformancePackNames"]
        if name not in self.packs:
            raise Refused("NoSuchConformancePackException", "One or more conformance packs do not exist.")
        return {"ConformancePackDetails": [self.described(self.packs[name], **self.pack_ids(name))]}

    def config_describe_conformance_pack_status(self, given):
        (name,) = given["ConformancePackNames"]
        state = self.state_of(self.packs, name)
        if state is None:
            return {"ConformancePackStatusDetails": []}
        more = {"ConformancePackState": state, "LastUpdateRequestedTime": "2026-03-02T10:15:01Z"}
        if state.endswith("FAILED"):
            more["ConformancePackStatusReason"] = self.packs[name]["reason"]
        return {"ConformancePackStatusDetails": [self.pack_ids(name) | more]}

    def state_of(self, packs, name):
        """Looks at a pack, one that is being deleted is gone in the end."""
        pack = packs.get(name)
        if pack is None:
            return None
        if self.look(pack):
            return pack["state"].split("_")[0] + "_IN_PROGRESS"
        if pack["state"] == "DELETE":
            del packs[name]
            return None
        return pack["state"]

    def config_delete_conformance_pack(self, given):
        self.delete_pack(self.packs, given["ConformancePackName"], "NoSuchConformancePackException")
        return None

    def delete_pack(self, packs, name, code):
        if name not in packs:
            raise Refused(code, "The pack does not exist.")
        packs[name] |= {"busy": self.busy, "state": "DELETE"}
        if "undeletable" in self.state:
            packs[name] |= {"state": "DELETE_FAILED", "reason": self.state["undeletable"]}

    def config_put_organization_conformance_pack(self, given):
        self.check_pack(given, "OrganizationConformancePackTemplateValidationException")
        name = given["OrganizationConformancePackName"]
        old = self.organization_packs.get(name, {"accounts": {}})
        if old.get("busy"):
            raise Refused("ResourceInUseException", f"The pack {name} is being updated.")
        verb = "UPDATE" if old["accounts"] else "CREATE"
        accounts = {}
        for account, facts in self.accounts().items():
            if account in given.get("ExcludedAccounts", []) or facts.get("State", "ACTIVE") != "ACTIVE":
                continue
            accounts[account] = {"Status": f"{verb}_SUCCESSFUL"}
            if not self.exports(account):
                accounts[account] = {"Status": f"{verb}_FAILED", "ErrorCode": "InvalidParameter",
                                     "ErrorMessage": f"No export named {EXPORT} found.\nRollback requested by user."}
        failed = any("ErrorCode" in facts for facts in accounts.values())
        state = f"{verb}_FAILED" if failed else f"{verb}_SUCCESSFUL"
        self.organization_packs[name] = {"given": given, "busy": self.busy, "state": state, "accounts": accounts,
                                         "reason": "The pack failed in some accounts."}
        return {"OrganizationConformancePackArn": f"arn:aws:config:{self.region}:{self.account}:organization-conformance-pack/{name}-abcd1234"}

    def organization_pack(self, name):
        if name not in self.organization_packs:
            raise Refused("NoSuchOrganizationConformancePackException", f"No organization conformance pack {name}.")
        return self.organization_packs[name]

    def config_describe_organization_conformance_packs(self, given):
        (name,) = given["OrganizationConformancePackNames"]
        pack = self.organization_pack(name)
        described = self.described(
            pack,
            OrganizationConformancePackName=name,
            OrganizationConformancePackArn=f"arn:aws:config:{self.region}:{self.account}:organization-conformance-pack/{name}",
            LastUpdateTime="2026-03-02T10:15:01Z",
            ExcludedAccounts=pack["given"].get("ExcludedAccounts", []),
        )
        return {"OrganizationConformancePacks": [described]}

    def config_describe_organization_conformance_pack_statuses(self, given):
        (name,) = given["OrganizationConformancePackNames"]
        state = self.state_of(self.organization_packs, name)
        if state is None:
            self.organization_pack(name)
        described = {"OrganizationConformancePackName": name, "Status": state}
        if state.endswith("FAILED"):
            described |= {"ErrorCode": "InternalError", "ErrorMessage": self.organization_packs[name]["reason"]}
        return {"OrganizationConformancePackStatuses": [described]}

    def config_get_organization_conformance_pack_detailed_status(self, given):
        name = given["OrganizationConformancePackName"]
        accounts = self.organization_pack(name)["accounts"]
        return {
            "OrganizationConformancePackDetailedStatuses": [
                {"AccountId": account, "ConformancePackName": f"OrgConformsPack-{name}-abcd1234"} | facts
                for account, facts in accounts.items()
            ]
        }

    def config_delete_organization_conformance_pack(self, given):
        name = given["OrganizationConformancePackName"]
        self.delete_pack(self.organization_packs, name, "NoSuchOrganizationConformancePackException")
        return None

    # -- AWS IAM

    def iam_get_role(self, given):
        name = given["RoleName"]
        if name not in self.state.get("roles", {}).get(self.account, []):
            raise Refused("NoSuchEntity", f"The role with name {name} cannot be found.")
        arn = f"arn:aws:iam::{self.account}:role/{name}"
        return {"Role": {"Path": "/", "RoleName": name, "RoleId": "AROAEXAMPLEROLE000001", "Arn": arn,
                         "CreateDate": "2026-03-02T10:15:01Z"}}

    # -- AWS Organizations

    def organization(self):
        organization = self.state.get("organization")
        if not organization:
            raise Refused("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        return organization

    def administered(self):
        """What this account is a delegated administrator of; only such accounts and the management account may ask."""
        services = self.organization().get("delegated", {}).get(self.account, [])
        if not services and self.account != self.management():
            raise Refused("AccessDeniedException", "You don't have permissions to access this resource.")
        return services

    def organizations_describe_organization(self, given):
        organization = self.organization()
        return {
            "Organization": {
                "Id": organization["id"],
                "FeatureSet": organization["features"],
                "MasterAccountId": organization["management"],
            }
        }

    def organizations_list_aws_service_access_for_organization(self, given):
        self.administered()
        return {"EnabledServicePrincipals": [{"ServicePrincipal": name} for name in self.organization()["services"]]}

    def organizations_list_delegated_services_for_account(self, given):
        return {"DelegatedServices": [{"ServicePrincipal": name} for name in self.administered()]}

    def organizations_list_roots(self, given):
        self.administered()
        return {"Roots": [{"Id": self.organization()["root"], "Name": "Root"}]}

    def organizations_list_accounts_for_parent(self, given):
        self.administered()
        return {"Accounts": [{"Id": account} for account, facts in self.accounts().items() if facts["unit"] == given["ParentId"]]}

    def organizations_list_organizational_units_for_parent(self, given):
        self.administered()
        above = self.organization().get("units", {})
        return {"OrganizationalUnits": [{"Id": unit} for unit, parent in above.items() if parent == given["ParentId"]]}

    def organizations_list_accounts(self, given):
        self.administered()
        return {"Accounts": [{"Id": account, "State": facts.get("State", "ACTIVE")} for account, facts in self.accounts().items()]}
