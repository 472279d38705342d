#![doc = include_str!("../README.md")]

mod adapter;
mod cases;
mod import;
mod model_folder;
mod picture;
mod recipe;
mod template;

use std::path::{Path, PathBuf};

pub use adapter::adapter;
pub use cases::cases;
pub use import::import;
pub use model_folder::model_folder;
pub use picture::picture;
pub use recipe::recipe;
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

/// Separator between the files of a target that reads several: ASCII's record separator, which is not valid in JSON
/// or TOML.
pub const SEPARATOR: u8 = 0x1e;

/// Splits the bytes into `N` files. The last file is the rest, and missing files are empty.
fn files<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == SEPARATOR);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Returns the text of an error.
///
/// # Panics
/// When the text has no advice, which starts with ` -> ` or `= help: `.
fn refused(error: impl std::fmt::Display) -> String {
    let said = error.to_string();
    assert!(said.contains(" -> ") || said.contains("= help: "), "the error gives no advice: {said}");
    said
}

/// Returns the path of a folder of the parity fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity").join(name)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for temporary files")
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("the folder for temporary files can be written to");
}
