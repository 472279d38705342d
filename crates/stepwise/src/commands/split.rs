//! The option `--split`.

use clap::ValueEnum;
use stepwise_data::case::Split;

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
