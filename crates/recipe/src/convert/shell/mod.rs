//! Reads the command of a training tool from a shell script.

mod expand;
mod program;
mod statements;
mod words;

pub(super) use program::{Command, Program};
pub(super) use words::commands;
