//! The options `--split` and `--allow-leaks`.

use clap::ValueEnum;
use stepwise_data::case::Split;
use stepwise_data::problem::{Problem, Problems};
use stepwise_trainer::cases::LeakRule;

/// Split of the cases, as written on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub enum SplitChoice {
    Train,
    Validation,
    Test,
}

impl From<SplitChoice> for Split {
    fn from(choice: SplitChoice) -> Self {
        match choice {
            SplitChoice::Train => Self::Train,
            SplitChoice::Validation => Self::Validation,
            SplitChoice::Test => Self::Test,
        }
    }
}

/// Returns the rule that the option `--allow-leaks` sets.
pub fn leak_rule(allow_leaks: bool) -> LeakRule {
    if allow_leaks { LeakRule::Allow } else { LeakRule::Refuse }
}

/// Prints leaks between the sides of the split, which are allowed, as warnings on stderr; those of one kind share lines.
pub fn warn(leaks: Vec<Problem>) {
    if !leaks.is_empty() {
        Problems(leaks).to_string().lines().for_each(|line| tell!("warning: {line}"));
    }
}
