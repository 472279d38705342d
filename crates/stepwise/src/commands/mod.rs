//! Commands, one file or folder each, and what several of them share.

mod answered;
pub mod ask;
pub mod check;
pub mod compare;
pub mod completions;
pub mod convert;
pub mod data;
mod data_import;
mod details;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod init;
pub mod man;
pub mod new_model;
mod plan;
pub mod preview;
pub mod questions;
pub mod schema;
pub mod score;
mod split;
pub mod study;
pub mod table;
pub mod train;
