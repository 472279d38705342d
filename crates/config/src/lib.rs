//! TOML files that are checked, documented and described by a JSON Schema from one set of calls.
//!
//! A reader asks a [`section::Section`] for each key with its name, default, range and meaning. The same calls check a file,
//! report all problems at once with file, line and advice, and fill a [`reference::Reference`], from which the reference page
//! and the JSON Schema are made.

pub mod document;
pub mod foreign_keys;
mod json_schema;
pub mod kind;
pub mod nearest;
pub mod problem;
pub mod reference;
pub mod reference_page;
pub mod section;
