//! Property tests that try the same cases each time.

use proptest::test_runner::{Config, RngSeed};

/// Settings for so many cases, the same each time, unless `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for others.
pub fn seeded(cases: u32) -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if are_by_default() {
        config.cases = cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0x5e7_0b5e);
    }
    config
}

/// Whether there are as many cases as the test says, enough for everything to come up in one of them.
pub fn are_by_default() -> bool {
    std::env::var_os("PROPTEST_CASES").is_none()
}
