//! Training: recipe, run plan, training loop, optimiser, checkpoints, logs, studies, and the benchmark
//! after every epoch.

pub mod adversary;
pub mod answer_cache;
pub mod asking;
pub mod augment;
pub mod benchmark_report;
pub mod cases;
pub mod checkpoint;
pub mod course;
pub mod environment;
pub mod epoch_benchmark;
pub mod files;
pub mod frozen;
pub mod gradients;
pub mod interrupt;
pub mod learner;
pub mod lessons;
pub mod log;
pub mod memory;
pub mod optimizer;
pub mod outline;
pub mod predicted;
pub mod preparation;
pub mod progress;
pub mod rates;
pub mod read_ahead;
pub mod recipe;
pub mod regime;
pub mod rehearsal;
pub mod respondent;
pub mod schedule;
pub mod selection;
pub mod step;
pub mod study;
pub mod subject;
pub mod survey;
pub mod train;
pub mod trained;

#[cfg(test)]
mod testing;
