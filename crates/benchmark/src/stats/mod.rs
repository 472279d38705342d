//! Statistics of answers that are not independent: one patient answers several questions, and one question is asked about
//! several patients.

pub mod adjusted_p;
pub mod bootstrap;
pub mod cells;
pub mod design;
pub mod inference;
pub mod paired;
pub mod rate;
pub mod statistic;
pub mod student;

pub use cells::Cells;
pub use inference::{FEWEST_CLUSTERS, FEWEST_SEEDS, Inference, SeedInference, infer, infer_over_seeds};
pub use statistic::{Sampling, Statistic};
