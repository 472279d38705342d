//! Parts that several perturbations share: templates, regions, masks, drawing, options, wrong answers.

pub mod added_option;
pub mod evidence;
pub mod geometry;
pub mod inserted;
pub mod lettering;
pub mod mark;
pub mod masking;
pub mod option_meaning;
pub mod outline_answer;
pub mod pool;
pub mod presence;
pub mod presence_question;
pub mod quality;
pub mod raster;
pub mod registry;
#[cfg(test)]
pub(crate) mod template_rules;
pub mod templates;
pub mod without_image;
pub mod wrong_answer;
pub mod wrong_number;
