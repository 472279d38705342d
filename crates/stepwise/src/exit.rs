//! Results and exit codes of commands, and the report of an error on stderr.

use std::fmt::Display;

use stepwise_study::jobs::HELD_EXIT_CODE;
use stepwise_trainer::interrupt;
use stepwise_vlm::exit_process;

/// Reason why a command failed.
pub enum Failure {
    /// The recipe, data, folders or arguments are wrong; exit code 2.
    Input(String),
    /// The command failed while it ran; exit code 1.
    Run(String),
    /// Another process trains in the folder, or runs part of the study; exit code [`HELD_EXIT_CODE`].
    Held(String),
    /// The command was interrupted and has already reported that itself; exit code 130 and no error line.
    Interrupted,
}

/// Result of a command.
pub type CommandResult = Result<(), Failure>;

impl Failure {
    /// Makes a [`Failure::Input`] with the text of `error`.
    pub fn input(error: impl Display) -> Self {
        Self::Input(error.to_string())
    }

    /// Makes a [`Failure::Run`] with the text of `error`.
    pub fn run(error: impl Display) -> Self {
        Self::Run(error.to_string())
    }
}

/// Writes a failure to stderr, except an interrupt, and ends the program with its exit code: 0 for success, and else the
/// code of the [`Failure`].
pub fn end(outcome: CommandResult) -> ! {
    let code = match outcome {
        Ok(()) => 0,
        Err(Failure::Run(text)) => {
            print_error(&text);
            1
        }
        Err(Failure::Input(text)) => {
            print_error(&text);
            2
        }
        Err(Failure::Held(text)) => {
            print_error(&text);
            HELD_EXIT_CODE.into()
        }
        Err(Failure::Interrupted) => interrupt::EXIT_CODE,
    };
    exit_process(code)
}

/// Writes an error to stderr. Recipe problems already start with `error:`, so the prefix is not repeated.
fn print_error(text: &str) {
    let prefix = if text.starts_with("error: ") { "" } else { "error: " };
    tell!("{prefix}{}", text.trim_end());
}
