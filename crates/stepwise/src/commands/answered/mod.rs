//! Results of a model that answered elsewhere, from a server or from a pack of questions: files, tables and report.

pub mod not_asked;
mod readings;
mod results;

pub use results::{ANSWERED, AnsweredModel, Results};
