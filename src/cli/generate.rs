//! `setup-keys completions` and `setup-keys man`: what packages and shells want, made from the options themselves.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Failure, Outcome, write_to};

/// Print the completions of a shell
///
/// For bash: setup-keys completions bash > ~/.local/share/bash-completion/completions/setup-keys
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "setup-keys", &mut script);
        // The labels that the script of bash jumps to are misspelt where the name of the tool has a hyphen
        // (clap-rs/clap#6421). Once that is mended, there is nothing to replace.
        let script = String::from_utf8_lossy(&script).replace("setup__subcmd__keys", "setup__keys");
        write_to(None, |output| output.write_all(script.as_bytes()))?;
        Ok(Outcome::Clean)
    }
}

/// Print the manual page, of the tool or of one command
///
/// To read it: setup-keys man audit | man -l -
#[derive(Args)]
pub(super) struct Man {
    /// The command
    command: Option<String>,
}

impl Man {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let mut tool = Cli::command();
        tool.build();
        let page = match self.command {
            None => tool,
            Some(name) => {
                let found = tool.find_subcommand(&name).filter(|command| command.get_name() != "help");
                let problem = || format!("no command is called `{name}`: see setup-keys --help");
                let command = found.ok_or_else(problem)?.clone();
                command.name(format!("setup-keys-{name}"))
            }
        };
        write_to(None, |output| clap_mangen::Man::new(page).render(output))?;
        Ok(Outcome::Clean)
    }
}
