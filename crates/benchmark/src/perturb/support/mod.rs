//! Parts that several perturbations share: templates, regions, masks, drawing, wrong answers.

pub mod evidence;
pub mod geometry;
pub mod inserted;
pub mod lettering;
pub mod mark;
pub mod masking;
pub mod pool;
pub mod raster;
pub mod registry;
#[cfg(test)]
pub(crate) mod template_rules;
pub mod templates;
pub mod wrong_answer;
pub mod wrong_number;
