"""What one would write with AWS's library for custom rules: the default profile in its plain case, with the calls in the
order in which the evaluator makes them.

No parameters, no exceptions, no sweep, no remediation: benches/compare.rs measures it beside the evaluator on one event.
"""

from dateutil.parser import isoparse
from rdklib import ComplianceType, ConfigRule, Evaluation, Evaluator

APPLICABLE_RESOURCES = ["AWS::IAM::User"]
SETUP_WINDOW_SECONDS = 60


class UserHasNoSetupKeys(ConfigRule):
    iam = None

    def get_assume_role_mode(self, event):
        # The function's own role, as the evaluator has it: otherwise each event would assume a role first.
        return False

    def evaluate_change(self, event, client_factory, configuration_item, valid_rule_parameters):
        # Kept for later events; for PutEvaluations rdklib makes a client each time.
        self.iam = self.iam or client_factory.build_client("iam")
        name = configuration_item["resourceName"]
        keys = self.setup_keys(name, isoparse(configuration_item["resourceCreationTime"]))
        if not keys or not self.has_password(name):
            return [Evaluation(ComplianceType.COMPLIANT)]
        if self.iam.get_user(UserName=name)["User"]["UserId"] != configuration_item["resourceId"]:
            return [Evaluation(ComplianceType.NOT_APPLICABLE)]
        annotation = ", ".join(self.advice(key) for key in keys)
        return [Evaluation(ComplianceType.NON_COMPLIANT, annotation=annotation)]

    def setup_keys(self, name, created):
        pages = self.iam.get_paginator("list_access_keys").paginate(UserName=name)
        keys = [key for page in pages for key in page["AccessKeyMetadata"] if key["Status"] == "Active"]
        return [key for key in keys if abs((key["CreateDate"] - created).total_seconds()) <= SETUP_WINDOW_SECONDS]

    def has_password(self, name):
        try:
            self.iam.get_login_profile(UserName=name)
        except self.iam.exceptions.NoSuchEntityException:
            return False
        return True

    def advice(self, key):
        last_used = self.iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
        advice = "used: rotate" if "LastUsedDate" in last_used else "never used: deactivate, then delete"
        return f"...{key['AccessKeyId'][-4:]}, {advice}"


EVALUATOR = Evaluator(UserHasNoSetupKeys(), APPLICABLE_RESOURCES)


def lambda_handler(event, context):
    return EVALUATOR.handle(event, context)
