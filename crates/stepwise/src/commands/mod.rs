//! One file a command.

pub mod create;
pub mod train;
