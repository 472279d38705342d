//! Statistics for paired answers in clusters: the answers to several questions about one patient are not independent.

pub mod bootstrap;
pub mod correction;
pub mod design;
pub mod paired;
pub mod rate;
pub mod swap;

pub use bootstrap::{Bootstrap, Statistic};
