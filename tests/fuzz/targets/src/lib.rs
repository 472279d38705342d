#![doc = include_str!("../README.md")]

mod adapter;
mod cases;
mod import;
mod model_folder;
mod picture;
mod recipe;
mod support;
mod template;

pub use adapter::adapter;
pub use cases::cases;
pub use import::import;
pub use model_folder::model_folder;
pub use picture::picture;
pub use recipe::recipe;
pub use support::SEPARATOR;
pub use template::template;

/// A fuzz target. It returns `Ok` for accepted bytes, otherwise the error text.
pub type Target = fn(&[u8]) -> Result<(), String>;

/// All targets by the name of their corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("adapter", adapter),
    ("cases", cases),
    ("import", import),
    ("model_folder", model_folder),
    ("picture", picture),
    ("recipe", recipe),
    ("template", template),
];
