//! TODO-HEAD

pub mod adamw;
pub mod gradients;
pub mod learning_rates;
pub mod step;
