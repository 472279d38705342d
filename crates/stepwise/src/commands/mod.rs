//! One file a command.

pub mod ask;
pub mod check;
pub mod create;
pub mod data;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod preview;
pub mod train;
