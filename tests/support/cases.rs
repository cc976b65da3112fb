//! Tables of tests: each row becomes a test of its own, named for what it shows.

/// `cases! { check: first_case => (arguments); second_case => (arguments); }`
macro_rules! cases {
    ($check:path: $($name:ident => ($($argument:expr),* $(,)?);)+) => {
        $(#[test] fn $name() { $check($($argument),*); })+
    };
}
