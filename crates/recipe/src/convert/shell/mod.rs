//! Reads the command of a training tool from a shell script.

mod expand;
mod heredoc;
mod program;
mod statements;
mod windows;
mod words;

pub(super) use heredoc::without_heredocs;
pub(super) use program::{Command, Program};
pub(super) use windows::in_unix_notation;
pub(super) use words::commands;
