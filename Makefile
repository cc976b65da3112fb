# `make test` is the one command: on a machine with Rust, Python 3 and a C compiler it sets up what it needs and runs
# everything. CI calls it.

CARGO ?= cargo
export RUSTDOCFLAGS = -D warnings

.PHONY: test fmt python tests clippy doc

test: fmt python tests clippy doc

fmt:
	$(CARGO) fmt --check

# Independent implementations to test against, in a virtual environment under target/.
python:
	bash tests/python/setup.sh

tests:
	$(CARGO) test --locked

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc:
	$(CARGO) doc --locked --no-deps --document-private-items

# The Lambda functions as they are deployed: target/package/*.zip, with their sizes.
.PHONY: package
package:
	bash scripts/package.sh
