//! Property tests that try the same cases each time.

use proptest::test_runner::{Config, RngSeed};

/// Settings for so many cases, the same each time, unless `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for others.
pub fn seeded(cases: u32) -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0x5e7_0b5e);
    }
    config
}

/// Whether the cases are those of the test, among which everything comes up.
pub fn has_default_cases() -> bool {
    ["PROPTEST_CASES", "PROPTEST_RNG_SEED"].iter().all(|name| std::env::var_os(name).is_none())
}
