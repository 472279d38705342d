//! The command as a user meets it: what it prints, where, and how it ends. One test program, so that the small model and the
//! finished run that most tests start from are made once.

#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod interrupt;
#[cfg(unix)]
mod killed;

mod adapters;
mod ask;
mod check;
mod common;
mod compare;
mod data;
mod doctor;
mod errors;
mod eval;
mod export;
mod help;
mod hostile;
mod json;
mod never;
mod new_model;
mod options;
#[cfg(unix)]
mod pipe;
mod preview;
mod recipes;
mod resume;
mod study;
mod study_report;
mod suites;
mod train;
