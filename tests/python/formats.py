"""Validates what `setup-keys audit` writes: formats.py sarif|ocsf, the output on standard input.

Prints each fault on a line, and ends with 1 if there is any.
"""

import json
import pathlib
import sys

import jsonschema
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from pydantic import ValidationError

SCHEMAS = pathlib.Path(__file__).parent.parent / "schemas"


def faults(schema, document):
    schema = json.loads((SCHEMAS / schema).read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    for error in validator(schema).iter_errors(document):
        yield f"{error.json_path}: {error.message}"


def sarif(text):
    yield from faults("sarif-2.1.0.json", json.loads(text))


def ocsf(text):
    for number, line in enumerate(text.splitlines(), 1):
        finding = json.loads(line)
        for fault in faults("ocsf-1.5.0-compliance-finding.json", finding):
            yield f"line {number}: {fault}"
        try:
            ComplianceFinding.model_validate(finding)
        except ValidationError as error:
            yield f"line {number}: {error}"


found = list({"sarif": sarif, "ocsf": ocsf}[sys.argv[1]](sys.stdin.read()))
print("\n".join(found))
sys.exit(1 if found else 0)
