//! Benchmarks of mock models: suites, constructed cases, evaluations, and values of their summaries.

pub mod constructed;
pub mod evaluate;
pub mod flat;
pub mod suite;
pub mod values;
