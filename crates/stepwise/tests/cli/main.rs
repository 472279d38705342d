//! Tests of the program: its output on stdout and stderr and its exit codes. They are one test binary, so that the
//! small model and the finished run that most tests need are made once.

#[cfg(unix)]
mod external;
mod families;
mod faults;
#[cfg(unix)]
mod inputs;
mod interrupt;
#[cfg(unix)]
mod killed;
#[cfg(target_os = "linux")]
mod memory;

mod adapters;
mod ask;
mod check;
mod claimed;
mod common;
mod compare;
mod data;
mod data_page;
mod delivered;
mod doctor;
mod errors;
mod eval;
mod export;
mod help;
mod hostile;
mod images;
mod import_resumed;
mod installed;
mod json;
mod leaks;
mod never;
mod new_model;
mod options;
#[cfg(unix)]
mod paths;
mod pipe;
mod preview;
mod recipes;
mod resume;
mod served;
#[allow(dead_code)]
#[path = "../../../served/tests/served/stub.rs"]
mod stub;
mod study;
mod study_report;
mod suites;
mod surrogate;
mod table;
mod train;
mod walks;
