//! The rule parameters as options, each of the same name in kebab case.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::rule::parameters::{GivenParameters, ParameterName, Profile};

/// The rule parameters given on the command line. Made from the rule's own list: there is no other.
#[derive(Default, Clone)]
pub(super) struct RuleOptions(pub(super) GivenParameters);

/// The value that a parameter has where it is not given; `by profile` where the profiles differ.
fn default_of(name: ParameterName) -> String {
    let value = |profile| {
        let parameters = GivenParameters { profile, ..GivenParameters::default() }.resolve();
        parameters.to_pairs().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
    };
    let default = value(None);
    let same = |profile: &Profile| value(Some(*profile)) == default;
    if name == ParameterName::Profile || Profile::ALL.iter().all(same) { default } else { "by profile".to_owned() }
}

impl Args for RuleOptions {
    fn augment_args(command: Command) -> Command {
        ParameterName::ALL.iter().fold(command, |command, name| {
            let (summary, allowed, default) = (name.summary(), name.allowed().replace('`', ""), default_of(*name));
            let help = format!("{summary}: {allowed} [default: {default}]");
            let option = Arg::new(name.as_str()).long(name.option()).value_name("VALUE").help(help);
            command.arg(option.allow_hyphen_values(true).help_heading("Rule parameters"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RuleOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for name in ParameterName::ALL {
            if let Some(value) = matches.get_one::<String>(name.as_str()) {
                let set = self.0.set(*name, value);
                set.map_err(|error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")))?;
            }
        }
        Ok(())
    }
}
