#![doc = include_str!("../README.md")]

pub mod io;

pub mod abstain_option;
pub mod answer_text;
pub mod box_format;
pub mod box_grid;
pub mod case;
pub mod case_schema;
pub mod changing_priors;
pub mod check;
pub mod conversation;
pub mod dataset;
pub mod dhash;
pub mod image;
pub mod jsonl;
pub mod near_duplicates;
pub mod parallel;
pub mod problem;
pub mod problem_groups;
pub mod prompt;
pub mod random;
pub mod split;
pub mod synth;
pub mod taxonomy;
