//! `stepwise completions SHELL`: prints the completion script of a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Cli;
use crate::exit::CommandResult;

/// Arguments of `completions`.
#[derive(clap::Args)]
pub struct Args {
    /// Shell that completes commands and options.
    shell: Shell,
}

/// Prints the completion script.
///
/// # Errors
///
/// None; a write error ends the program as for every result.
pub fn run(args: &Args) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stepwise", &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
