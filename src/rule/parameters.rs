//! The rule parameters: what a user may set, within which bounds, and what each profile sets.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::text;

/// A rule parameter that cannot be used. Its text names the parameter, the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The value is not one of those allowed.
    #[error("rule parameter `{name}` must be {allowed}, got {got}")]
    Value {
        /// Name of the parameter.
        name: &'static str,
        /// The value as given, quoted, of bounded length.
        got: String,
        /// What is allowed.
        allowed: String,
    },
    /// No parameter has this name.
    #[error("unknown rule parameter `{name}` (value {value}): the rule has {}", ParameterName::list())]
    Unknown {
        /// The name as given, of bounded length.
        name: String,
        /// The value as given, as JSON of bounded length.
        value: String,
    },
    /// The parameters are not JSON.
    #[error("{problem}")]
    NotJson {
        /// What is wrong, and where in the text.
        problem: String,
    },
    /// The parameters are not a JSON object.
    #[error("rule parameters must be a JSON object of strings, got {got}")]
    NotAnObject {
        /// What was found instead.
        got: String,
    },
}

impl ParameterError {
    fn value(name: ParameterName, got: &str) -> Self {
        let got = if got.is_empty() { "an empty value".to_owned() } else { format!("`{}`", text::excerpt(got, 64)) };
        Self::Value { name: name.as_str(), got, allowed: name.allowed() }
    }
}

/// An enum of named values with the four pieces that every such type has: `ALL`, `as_str`, `FromStr`, `Display`.
macro_rules! named_values {
    ($(#[$meta:meta])* $type:ident for $parameter:ident { $($(#[$variant_meta:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type { $($(#[$variant_meta])* $variant,)+ }

        impl $type {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value as it is written in rule parameters.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            fn allowed() -> String {
                format!("one of {}", quoted(Self::ALL.iter().map(|value| value.as_str())))
            }
        }

        impl FromStr for $type {
            type Err = ParameterError;

            fn from_str(value: &str) -> Result<Self, ParameterError> {
                let found = Self::ALL.iter().copied().find(|known| known.as_str() == value);
                found.ok_or_else(|| ParameterError::value(ParameterName::$parameter, value))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named_values! {
    /// A published rule whose decision is reproduced; sets the defaults of the other parameters.
    Profile for Profile {
        /// CIS AWS Foundations 1.1 (1.23), 1.2 (1.21), 1.3 to 4.0 (1.11), 5.0 (1.10), 6.0 (2.10); retired in 7.0.
        Cis = "cis",
        /// Check Point CloudGuard D9.AWS.IAM.79: date difference below 60 s.
        CheckPoint = "check-point",
        /// Trend Micro Cloud Conformity: created together and never used.
        TrendMicro = "trend-micro",
        /// Kertos: created at setup, console access, never used.
        Kertos = "kertos",
        /// Panther: created less than 7 s after the user, password or not.
        Panther = "panther",
        /// Cyscale: an active key that was never used.
        Cyscale = "cyscale",
    }
}

named_values! {
    /// Whether only users with a console password count.
    ConsolePassword for ConsolePassword {
        /// Only a user with a login profile can be NON_COMPLIANT.
        Required = "required",
        /// Every user can be.
        Ignored = "ignored",
    }
}

named_values! {
    /// Which key statuses count.
    KeyStatusFilter for KeyStatus {
        /// Only `Active`.
        Active = "active",
        /// Every status, also ones that AWS adds later.
        Any = "any",
    }
}

named_values! {
    /// Which keys count by their use.
    KeyUsage for KeyUsage {
        /// Used or not.
        Any = "any",
        /// Only keys without a last-used date.
        NeverUsed = "never-used",
    }
}

named_values! {
    /// Which verdicts a sweep of the account reports to AWS Config.
    SweepReports for SweepReports {
        /// Every user's.
        All = "all",
        /// Only those that differ from the result that Config holds.
        Changes = "changes",
    }
}

/// How far apart, in whole seconds, a user and a key may be made for the key to be a setup key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupWindow {
    /// At most so many seconds apart, both ends included, before or after.
    Seconds(u32),
    /// However far apart.
    Any,
}

impl SetupWindow {
    /// The seconds that may be asked for.
    pub const SECONDS: RangeInclusive<u32> = 0..=86_400;

    /// Whether a key made so many seconds after its user, or before it, was made at setup.
    #[must_use]
    pub fn admits(self, seconds_after_user: i64) -> bool {
        match self {
            Self::Seconds(window) => seconds_after_user.unsigned_abs() <= window.into(),
            Self::Any => true,
        }
    }

    fn allowed() -> String {
        format!("{}, or `any`", in_range(&Self::SECONDS))
    }
}

impl FromStr for SetupWindow {
    type Err = ParameterError;

    fn from_str(value: &str) -> Result<Self, ParameterError> {
        if value == "any" {
            return Ok(Self::Any);
        }
        whole_number(value, &Self::SECONDS)
            .map(Self::Seconds)
            .ok_or_else(|| ParameterError::value(ParameterName::SetupWindowSeconds, value))
    }
}

impl fmt::Display for SetupWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "{seconds}"),
            Self::Any => f.write_str("any"),
        }
    }
}

/// How many days ahead an exception may expire: `1`..`3650`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxExceptionDays(u32);

impl MaxExceptionDays {
    /// The days that may be asked for.
    pub const DAYS: RangeInclusive<u32> = 1..=3650;

    /// The number of days.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    fn allowed() -> String {
        in_range(&Self::DAYS)
    }
}

impl Default for MaxExceptionDays {
    fn default() -> Self {
        Self(365)
    }
}

impl FromStr for MaxExceptionDays {
    type Err = ParameterError;

    fn from_str(value: &str) -> Result<Self, ParameterError> {
        whole_number(value, &Self::DAYS)
            .map(Self)
            .ok_or_else(|| ParameterError::value(ParameterName::MaxExceptionDays, value))
    }
}

impl fmt::Display for MaxExceptionDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the keys of exception tags begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionTagPrefix(String);

impl ExceptionTagPrefix {
    /// The longest prefix, in characters. IAM allows 128 in a tag key, which leaves room for `owner`, `expires`, `reason`.
    pub const MAX_CHARS: usize = 100;

    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn allowed() -> String {
        format!("1 to {} letters, digits, spaces or any of `_.:/=+-@`, not starting with `aws:`", Self::MAX_CHARS)
    }
}

impl Default for ExceptionTagPrefix {
    fn default() -> Self {
        Self("setup-keys:exception-".to_owned())
    }
}

impl FromStr for ExceptionTagPrefix {
    type Err = ParameterError;

    /// IAM tag keys match `[\p{L}\p{Z}\p{N}_.:/=+\-@]+` (IAM API Reference, `Tag`), and `aws:` in any case is reserved. Some
    /// marks and circled letters that IAM refuses are taken for letters here: no tag has such a key, so nobody is excepted.
    fn from_str(value: &str) -> Result<Self, ParameterError> {
        let separator = |c: char| c.is_whitespace() && !c.is_control(); // `\p{Z}`
        let valid = |c: char| c.is_alphanumeric() || separator(c) || "_.:/=+-@".contains(c);
        let reserved = value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
        let length = value.chars().count();
        if (1..=Self::MAX_CHARS).contains(&length) && value.chars().all(valid) && !reserved {
            return Ok(Self(value.to_owned()));
        }
        Err(ParameterError::value(ParameterName::ExceptionTagPrefix, value))
    }
}

impl fmt::Display for ExceptionTagPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Decimal digits only: no sign, space, fraction or exponent.
fn whole_number(value: &str, range: &RangeInclusive<u32>) -> Option<u32> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    value.parse().ok().filter(|number| range.contains(number))
}

fn in_range(range: &RangeInclusive<u32>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

fn quoted(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Declares the parameters once: name in rule parameters, field, type, and one line on what it sets.
macro_rules! parameters {
    ($($variant:ident $name:literal => $field:ident: $type:ty, $summary:literal;)+) => {
        /// The name of a rule parameter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ParameterName { $(#[doc = $summary] $variant,)+ }

        impl ParameterName {
            /// Every parameter, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name as it is written in `ruleParameters`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the parameter sets, in one line.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)+ }
            }

            /// The values that the parameter takes, in words.
            #[must_use]
            pub fn allowed(self) -> String {
                match self { $(Self::$variant => <$type>::allowed(),)+ }
            }
        }

        /// The parameters that were given; the others follow from the profile.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct GivenParameters { $(#[doc = $summary] pub $field: Option<$type>,)+ }

        impl GivenParameters {
            /// Sets one parameter from its text.
            ///
            /// # Errors
            ///
            /// - [`ParameterError::Value`] if the value is not allowed.
            pub fn set(&mut self, name: ParameterName, value: &str) -> Result<(), ParameterError> {
                match name { $(ParameterName::$variant => self.$field = Some(value.parse()?),)+ }
                Ok(())
            }

            /// These parameters, those of `other` taking precedence.
            #[must_use]
            pub fn overridden_by(self, other: Self) -> Self {
                Self { $($field: other.$field.or(self.$field),)+ }
            }
        }

        /// The parameters of the rule, all known and within their bounds.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Parameters { $(#[doc = $summary] pub $field: $type,)+ }

        impl Parameters {
            /// Every parameter with its value, as `ruleParameters` would have it.
            #[must_use]
            pub fn to_pairs(&self) -> Vec<(ParameterName, String)> {
                vec![$((ParameterName::$variant, self.$field.to_string()),)+]
            }
        }
    };
}

parameters! {
    Profile "profile" => profile: Profile, "Whose published rule to follow where nothing else is given";
    SetupWindowSeconds "setupWindowSeconds" => setup_window: SetupWindow, "How far apart user and key may be made, in seconds";
    ConsolePassword "consolePassword" => console_password: ConsolePassword, "Whether only users with a console password count";
    KeyStatus "keyStatus" => key_status: KeyStatusFilter, "Which key statuses count";
    KeyUsage "keyUsage" => key_usage: KeyUsage, "Which keys count by their use";
    ExceptionTagPrefix "exceptionTagPrefix" => exception_tag_prefix: ExceptionTagPrefix, "What the keys of exception tags begin with";
    MaxExceptionDays "maxExceptionDays" => max_exception_days: MaxExceptionDays, "How many days ahead an exception may expire";
    SweepReports "sweepReports" => sweep_reports: SweepReports, "Which verdicts a sweep of the account reports";
}

impl ParameterName {
    fn list() -> String {
        quoted(Self::ALL.iter().map(|name| name.as_str()))
    }

    /// The name as an option of the command-line tool: `setupWindowSeconds` is `setup-window-seconds`.
    #[must_use]
    pub fn option(self) -> String {
        let mut option = String::new();
        for c in self.as_str().chars() {
            if c.is_ascii_uppercase() {
                option.push('-');
            }
            option.push(c.to_ascii_lowercase());
        }
        option
    }

    /// Whether the value is a whole number, so that a JSON number is accepted too.
    const fn is_number(self) -> bool {
        matches!(self, Self::SetupWindowSeconds | Self::MaxExceptionDays)
    }
}

impl GivenParameters {
    /// Reads the text of a rule's parameters; absent, blank, `null` and `{}` all mean the defaults.
    ///
    /// # Errors
    ///
    /// - [`ParameterError::NotJson`] if the text is not JSON;
    /// - those of [`from_json`](Self::from_json).
    pub fn from_text(json: Option<&str>) -> Result<Self, ParameterError> {
        let Some(json) = json.filter(|json| !json.trim().is_empty()) else { return Ok(Self::default()) };
        let value = serde_json::from_str(json)
            .map_err(|error| ParameterError::NotJson { problem: text::embedded_json_error(&error) })?;
        Self::from_json(&value)
    }

    /// Reads the value of `ruleParameters`: a JSON object whose values are strings; a JSON number is accepted where a whole
    /// number is meant.
    ///
    /// # Errors
    ///
    /// - [`ParameterError::NotAnObject`] if `parameters` is neither an object nor null;
    /// - [`ParameterError::Unknown`] if the rule has no parameter of a name;
    /// - [`ParameterError::Value`] if a value is empty, of another type or not allowed.
    pub fn from_json(parameters: &Value) -> Result<Self, ParameterError> {
        let empty = Map::new();
        let members = match parameters {
            Value::Null => &empty,
            Value::Object(members) => members,
            other => return Err(ParameterError::NotAnObject { got: kind(other).to_owned() }),
        };
        let mut given = Self::default();
        for (member, value) in members {
            let name = ParameterName::ALL.iter().copied().find(|name| name.as_str() == member);
            let name = name.ok_or_else(|| ParameterError::Unknown {
                name: text::excerpt(member, 64),
                value: text::excerpt(&value.to_string(), 64),
            })?;
            match value {
                Value::String(text) => given.set(name, text)?,
                Value::Number(number) if name.is_number() => given.set(name, &number.to_string())?,
                other => {
                    let got = format!("`{}`, {}", text::excerpt(&other.to_string(), 64), kind(other));
                    return Err(ParameterError::Value { name: name.as_str(), got, allowed: name.allowed() });
                }
            }
        }
        Ok(given)
    }

    /// Completes what was given with what the profile sets.
    #[must_use]
    pub fn resolve(self) -> Parameters {
        let profile = self.profile.unwrap_or(Profile::Cis);
        let (setup_window, console_password, key_status, key_usage) = profile.defaults();
        Parameters {
            profile,
            setup_window: self.setup_window.unwrap_or(setup_window),
            console_password: self.console_password.unwrap_or(console_password),
            key_status: self.key_status.unwrap_or(key_status),
            key_usage: self.key_usage.unwrap_or(key_usage),
            exception_tag_prefix: self.exception_tag_prefix.unwrap_or_default(),
            max_exception_days: self.max_exception_days.unwrap_or_default(),
            sweep_reports: self.sweep_reports.unwrap_or(SweepReports::All),
        }
    }
}

impl Profile {
    /// What the profile sets: window, console password, key status, key usage.
    const fn defaults(self) -> (SetupWindow, ConsolePassword, KeyStatusFilter, KeyUsage) {
        use ConsolePassword::{Ignored, Required};
        use SetupWindow::Seconds;
        match self {
            Self::Cis => (Seconds(60), Required, KeyStatusFilter::Active, KeyUsage::Any),
            Self::CheckPoint => (Seconds(59), Required, KeyStatusFilter::Any, KeyUsage::Any),
            Self::TrendMicro => (Seconds(60), Required, KeyStatusFilter::Active, KeyUsage::NeverUsed),
            Self::Kertos => (Seconds(60), Required, KeyStatusFilter::Any, KeyUsage::NeverUsed),
            Self::Panther => (Seconds(6), Ignored, KeyStatusFilter::Any, KeyUsage::Any),
            Self::Cyscale => (SetupWindow::Any, Required, KeyStatusFilter::Active, KeyUsage::NeverUsed),
        }
    }
}

/// Who published the rule that a profile reproduces, and under which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The benchmark or the product.
    pub name: &'static str,
    /// The rule's number in it, release by release, the oldest first; empty where it is published without a number.
    pub controls: &'static [Control],
    /// The release that no longer has the rule.
    pub retired_in: Option<&'static str>,
}

/// The number of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// The release of the benchmark, where releases number differently.
    pub version: Option<&'static str>,
    /// The number there.
    pub id: &'static str,
}

impl Origin {
    /// Each control in words, `CIS AWS Foundations 1.1: 1.23`; the name alone where there is no number.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        let reference = |control: &Control| match control.version {
            Some(version) => format!("{} {version}: {}", self.name, control.id),
            None => format!("{}: {}", self.name, control.id),
        };
        if self.controls.is_empty() {
            vec![self.name.to_owned()]
        } else {
            self.controls.iter().map(reference).collect()
        }
    }
}

/// `CIS AWS Foundations 1.1 (1.23), 1.3 to 4.0 (1.11); retired in 7.0`
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (place, run) in self.controls.chunk_by(|a, b| a.id == b.id).enumerate() {
            f.write_str(if place == 0 { " " } else { ", " })?;
            match run {
                [Control { version: None, id }, ..] => f.write_str(id)?,
                [Control { version: Some(only), id }] => write!(f, "{only} ({id})")?,
                [Control { version: Some(first), id }, .., last] => {
                    write!(f, "{first} to {} ({id})", last.version.unwrap_or_default())?;
                }
                [] => {}
            }
        }
        self.retired_in.map_or(Ok(()), |version| write!(f, "; retired in {version}"))
    }
}

impl Profile {
    /// Whose rule the profile reproduces. What prints or writes this asks here: there is no other table.
    ///
    /// Sources: the CIS Amazon Web Services Foundations Benchmark in the releases named, and the vendors' published rules.
    #[must_use]
    pub const fn origin(self) -> Origin {
        const fn cis(version: &'static str, id: &'static str) -> Control {
            Control { version: Some(version), id }
        }
        const CIS: &[Control] = &[
            cis("1.1", "1.23"),
            cis("1.2", "1.21"),
            cis("1.3", "1.11"),
            cis("1.4", "1.11"),
            cis("1.5", "1.11"),
            cis("2.0", "1.11"),
            cis("3.0", "1.11"),
            cis("4.0", "1.11"),
            cis("5.0", "1.10"),
            cis("6.0", "2.10"),
        ];
        const CHECK_POINT: &[Control] = &[Control { version: None, id: "D9.AWS.IAM.79" }];
        let (name, controls, retired_in) = match self {
            Self::Cis => ("CIS AWS Foundations", CIS, Some("7.0")),
            Self::CheckPoint => ("Check Point CloudGuard", CHECK_POINT, None),
            Self::TrendMicro => ("Trend Micro Cloud Conformity", &[] as &[_], None),
            Self::Kertos => ("Kertos", &[] as &[_], None),
            Self::Panther => ("Panther", &[] as &[_], None),
            Self::Cyscale => ("Cyscale", &[] as &[_], None),
        };
        Origin { name, controls, retired_in }
    }
}

impl Default for Parameters {
    fn default() -> Self {
        GivenParameters::default().resolve()
    }
}

/// What a JSON value is, for a message.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
