//! Statistics for paired answers that come in clusters: several questions about one patient are not independent.

pub mod bootstrap;
pub mod correction;
pub mod design;
pub mod paired;
pub mod rate;
pub mod swap;

pub use bootstrap::{Bootstrap, Statistic};
