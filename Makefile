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
