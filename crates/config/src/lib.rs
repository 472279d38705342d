#![doc = include_str!("../README.md")]

pub mod document;
mod json_schema;
pub mod kind;
pub mod nearest;
pub mod path;
pub mod problem;
pub mod reference;
pub mod reference_page;
pub mod section;
pub mod unknown_keys;
