//! `stepwise man`: prints the manual page, or writes one page for every command.

use std::path::PathBuf;

use clap::Command;

use crate::exit::{CommandResult, Failure};

/// Arguments of `man`.
#[derive(clap::Args)]
pub struct Args {
    /// Existing folder for the pages of all commands, `stepwise.1`, `stepwise-train.1` and so on; by default the page of
    /// `stepwise` is printed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the manual page of `program`, or writes the pages of all its commands, in the format of `man`.
///
/// # Errors
///
/// [`Failure::Run`] when a page cannot be written.
pub fn run(args: &Args, program: Command) -> CommandResult {
    if let Some(folder) = &args.out {
        return clap_mangen::generate_to(program, folder).map_err(|error| {
            let folder = folder.display();
            Failure::run(format!("{folder}: {error} -> check that the folder exists and is writable"))
        });
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(program).render(&mut page).map_err(Failure::run)?;
    say!("{}", String::from_utf8_lossy(&page).trim_end());
    Ok(())
}
