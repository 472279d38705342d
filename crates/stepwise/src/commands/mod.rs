//! Commands of the program; each has a file or folder of its own.

pub mod convert;
pub mod new_model;

pub mod ask;
pub mod check;
pub mod compare;
pub mod data;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod init;
mod plan;
pub mod preview;
pub mod schema;
pub mod study;
pub mod train;
