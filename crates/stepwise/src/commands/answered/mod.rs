//! Results of a model that answered elsewhere, from a server or from a pack of questions: files, tables and report.

mod readings;
mod results;

pub use results::{AnsweredModel, Results};
