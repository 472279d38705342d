//! How a command ends: its exit code, and the one report of what went wrong.

use std::fmt::Display;
use std::process::ExitCode;

use stepwise_study::jobs::HELD_EXIT_CODE;
use stepwise_trainer::interrupt;

/// Why a command did not do what it was asked.
pub enum Failure {
    /// The input is wrong: recipe, data, folders, arguments.
    Input(String),
    /// The work failed.
    Run(String),
    /// Another process does it, or some of it.
    Held(String),
    /// Interrupted, with everything saved.
    Interrupted,
}

/// What a command returns.
pub type CommandResult = Result<(), Failure>;

impl Failure {
    /// The input is wrong.
    pub fn input(error: impl Display) -> Self {
        Self::Input(error.to_string())
    }

    /// The work failed.
    pub fn run(error: impl Display) -> Self {
        Self::Run(error.to_string())
    }
}

/// Reports a failure on stderr and gives the exit code.
pub fn code(outcome: CommandResult) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Run(text)) => {
            report(&text);
            ExitCode::from(1)
        }
        Err(Failure::Input(text)) => {
            report(&text);
            ExitCode::from(2)
        }
        Err(Failure::Held(text)) => {
            report(&text);
            ExitCode::from(HELD_EXIT_CODE)
        }
        Err(Failure::Interrupted) => ExitCode::from(interrupt::EXIT_CODE as u8),
    }
}

/// The problems of a recipe, each with its excerpt, say `error:` themselves.
fn report(text: &str) {
    let prefix = if text.starts_with("error: ") { "" } else { "error: " };
    tell!("{prefix}{}", text.trim_end());
}
