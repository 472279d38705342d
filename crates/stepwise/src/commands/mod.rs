//! One file a command.

pub mod ask;
pub mod create;
pub mod data;
pub mod eval;
pub mod export;
pub mod preview;
pub mod train;
