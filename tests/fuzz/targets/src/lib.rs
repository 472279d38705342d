#![doc = include_str!("../README.md")]

mod adapter;
mod cases;
mod data_set;
mod import;
mod model_folder;
mod picture;
mod recipe;
mod source_image;
mod support;
mod table;
mod template;
mod volume;

pub use adapter::adapter;
pub use cases::cases;
pub use data_set::data_set;
pub use import::import;
pub use model_folder::model_folder;
pub use picture::picture;
pub use recipe::recipe;
pub use source_image::source_image;
pub use support::SEPARATOR;
pub use table::table;
pub use template::template;
pub use volume::volume;

/// A fuzz target. It returns `Ok` for accepted bytes, otherwise the error text.
pub type Target = fn(&[u8]) -> Result<(), String>;

/// All targets by the name of their corpus.
pub const TARGETS: [(&str, Target); 11] = [
    ("adapter", adapter),
    ("cases", cases),
    ("data_set", data_set),
    ("import", import),
    ("model_folder", model_folder),
    ("picture", picture),
    ("recipe", recipe),
    ("source_image", source_image),
    ("table", table),
    ("template", template),
    ("volume", volume),
];
