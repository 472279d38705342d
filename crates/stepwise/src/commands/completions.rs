//! `stepwise completions SHELL`: prints the completion script of a shell.

use clap::Command;
use clap_complete::Shell;

use crate::exit::CommandResult;

/// Arguments of `completions`.
#[derive(clap::Args)]
pub struct Args {
    /// Shell that completes commands and options.
    shell: Shell,
}

/// Prints the script with which the given shell completes the commands and options of `program` to stdout.
///
/// # Errors
///
/// None; a write error ends the program as for every result.
pub fn run(args: &Args, mut program: Command) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "stepwise", &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
