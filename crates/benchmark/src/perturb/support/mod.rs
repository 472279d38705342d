//! TODO-HEAD

pub mod evidence;
pub mod geometry;
pub mod lettering;
pub mod mark;
pub mod masking;
pub mod pool;
pub mod raster;
pub mod templates;
pub mod wrong_answer;
