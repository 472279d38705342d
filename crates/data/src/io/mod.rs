//! TODO-HEAD

pub mod atomic;
pub mod bounded;
pub mod contained;
pub mod digest;
