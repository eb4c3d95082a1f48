//! `headcount completions`: what a shell reads to complete a command line.

use std::io::{self, Write};

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;

use super::Failure;
use crate::adapters::REGISTRY;
use crate::env::Env;
use crate::rpc::{self, App};

pub(super) fn run(env: Env, shell: Shell, cli: &Command) -> Result<u8, Failure> {
    let router = rpc::router(App::new(env, REGISTRY));
    let methods: Vec<&str> = router.cards().iter().map(|it| it.name).collect();
    io::stdout().write_all(&script(shell, cli, &methods))?;
    Ok(0)
}

fn script(shell: Shell, cli: &Command, methods: &[&'static str]) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut offered(cli, methods), cli.get_name(), &mut script);
    script
}

/// The command line without what its help hides, which a script would offer, and with the names of the methods, on which
/// `call` does not insist.
fn offered(command: &Command, methods: &[&'static str]) -> Command {
    let named = |arg: &Arg| match arg.get_id().as_str() {
        "method" => arg.clone().value_parser(PossibleValuesParser::new(methods)),
        _ => arg.clone(),
    };
    let args = command.get_arguments().filter(|it| !it.is_hide_set()).map(named);
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set());
    let about = command.get_about().cloned().unwrap_or_default();
    let offered = Command::new(command.get_name().to_owned()).about(about).args(args);
    offered.subcommands(commands.map(|it| self::offered(it, methods)))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_shell_is_offered_what_the_help_tells_and_nothing_that_it_hides() {
        for shell in Shell::value_variants() {
            let script = script(*shell, &Cli::command(), &["session.list"]);
            let script = String::from_utf8(script).unwrap();
            // Not every shell's script offers the values of options, and fewer those of other arguments.
            let words: &[&str] = match shell {
                Shell::Bash | Shell::Zsh => {
                    &["doctor", "status", "waiting", "pi-rust", "session.list"]
                }
                Shell::Fish => &["doctor", "status", "waiting", "pi-rust"],
                _ => &["doctor", "status"],
            };
            for word in words {
                assert!(script.contains(word), "{shell}: {word}");
            }
            for hidden in ["supervise", "--proc", "-l proc"] {
                assert!(!script.contains(hidden), "{shell}: {hidden}");
            }
        }
    }
}
