# `make test` is the one command: on a machine with Rust, Python 3 and a C compiler it sets up what it needs and runs
# everything (a browser with apt-get, where there is none). CI calls it.

CARGO ?= cargo
export RUSTDOCFLAGS = -D warnings

.PHONY: test fmt python browser tests clippy doc deny

test: fmt python browser tests clippy doc deny

fmt:
	$(CARGO) fmt --check

# Independent implementations to test against, in a virtual environment under target/.
python:
	bash tests/python/setup.sh

# A browser for the tests of the HTML report, from the packages of Debian.
browser:
	bash tests/browser/setup.sh

tests:
	$(CARGO) test --locked

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc:
	$(CARGO) doc --locked --no-deps --document-private-items

# Licences and sources of what a build is made of, as deny.toml allows them.
DENY_VERSION = 0.20.2
DENY = target/tools/cargo-deny-$(DENY_VERSION)

deny: $(DENY)/bin/cargo-deny
	$(DENY)/bin/cargo-deny --log-level error check licenses bans sources

$(DENY)/bin/cargo-deny:
	$(CARGO) install --quiet --locked --root $(DENY) cargo-deny@$(DENY_VERSION)

# Mutants: one small fault after another is planted in a copy of the decision, the event, the credential report and the
# remediator, and a test must fail for each; .cargo/mutants.toml has those that no test could tell from the code. About three
# hours on two cores. What no test caught is listed at the end, and in target/mutants/*/mutants.out/missed.txt.
.PHONY: mutants mutants-decision mutants-remediator
MUTANTS_VERSION = 27.1.0
MUTANTS = target/tools/cargo-mutants-$(MUTANTS_VERSION)
PLANT = $(MUTANTS)/bin/cargo-mutants mutants --cargo-arg=--locked --timeout 120 --no-shuffle

mutants:
	$(MAKE) --keep-going mutants-decision mutants-remediator

# Only tests that start no process: they end at once.
mutants-decision: $(MUTANTS)/bin/cargo-mutants
	mkdir -p target/mutants/decision
	PROPTEST_CASES=100 $(PLANT) --output target/mutants/decision --no-default-features \
	    --file src/rule.rs --file 'src/rule/*.rs' --file src/event.rs --file src/credential_report.rs \
	    --file src/evaluation.rs --file src/json.rs --file src/text.rs \
	    $(addprefix --cargo-arg=--test=,credential_report decision event fuzz properties)

# Without the tables of all faults, which take a minute each time.
mutants-remediator: $(MUTANTS)/bin/cargo-mutants
	mkdir -p target/mutants/remediator
	$(PLANT) --output target/mutants/remediator --file src/remediator.rs --file 'src/remediator/*.rs' \
	    $(addprefix --cargo-arg=--test=,remediate remediator) -- -- --skip faults:: --skip safety::

$(MUTANTS)/bin/cargo-mutants:
	$(CARGO) install --quiet --locked --root $(MUTANTS) cargo-mutants@$(MUTANTS_VERSION)

# The pictures that the README shows: docs/audit-report.png and docs/audit-table.png.
.PHONY: pictures
pictures: browser python
	$(CARGO) test --locked --test html -- --ignored --exact the_pictures_of_the_readme

# The Lambda functions as they are deployed: target/package/*.zip, with their sizes.
.PHONY: package
package:
	bash scripts/package.sh

# How fast the evaluator of `make package` is, as ratios: its start to that of the least Lambda function, its answers and sweeps to
# what their calls take at least (about three minutes); and the audit of a million rows of credential reports, to a bare scan
# of them (half a minute, once it is built). `make soak` sends one process 100,000 events.
.PHONY: bench bench-events bench-sweep bench-audit soak
bench: bench-events bench-sweep bench-audit

AS_DEPLOYED = EVALUATOR_BINARY=$(CURDIR)/target/bench/bootstrap HELLO_BINARY=$(CURDIR)/target/bench/hello $(CARGO) bench --locked --profile dev

.PHONY: as-deployed
as-deployed:
	bash scripts/package.sh --hello
	python3 -m zipfile -e target/package/evaluator.zip target/bench && chmod +x target/bench/bootstrap

bench-events: as-deployed
	$(AS_DEPLOYED) --bench events

bench-sweep: as-deployed
	$(AS_DEPLOYED) --bench sweep

bench-audit:
	$(CARGO) bench --locked --bench credential_report

soak: as-deployed
	$(AS_DEPLOYED) --bench soak

# Beside what one would use instead: the same check as a rule in Python with AWS's rdklib, and Prowler's nearest check. About ten
# minutes, and as many more the first time, to install Prowler.
.PHONY: bench-compare
bench-compare: as-deployed python
	bash benches/compare/setup.sh
	$(CARGO) build --locked --release --bin setup-keys
	SETUP_KEYS_BINARY=$(CURDIR)/target/release/setup-keys $(AS_DEPLOYED) --bench compare

# Deployment: `PARAMETERS="Name=Value …"` for the rule and the stack; settings are environment variables (see --help of the
# scripts). DRY_RUN=1 shows the commands only.
.PHONY: deploy-account deploy-organization status

deploy-account:
	bash scripts/deploy-account.sh $(PARAMETERS)

deploy-organization:
	bash scripts/deploy-organization.sh $(PARAMETERS)

# `SCOPE=organization` for the accounts of the organization.
SCOPE ?= account
status:
	bash scripts/status.sh $(SCOPE)
