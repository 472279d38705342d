//! What strangers' bytes are given to: one function per reader of files, called by the fuzzer (`fuzz/`) and, with every file
//! of its corpus, by the tests.
//!
//! Each goes the way the program goes, from the bytes to what is computed of them, and on the way checks what must hold of
//! anything that is taken: what is written out again reads back as the same, limits are kept, and a refusal says what to do.

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

/// A target: whether the bytes were taken, or why not.
pub type Target = fn(&[u8]) -> Result<(), String>;

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("adapter", adapter),
    ("cases", cases),
    ("import", import),
    ("model_folder", model_folder),
    ("picture", picture),
    ("recipe", recipe),
    ("template", template),
];

/// Stands between the files of a target that reads several (ASCII's record separator, which no JSON or TOML file holds).
pub const SEPARATOR: u8 = 0x1e;

/// The bytes as `N` files; the last takes all that is left.
fn files<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == SEPARATOR);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// A refusal that tells the reader what to do.
///
/// # Panics
/// When it does not.
fn refused(error: impl std::fmt::Display) -> String {
    let said = error.to_string();
    assert!(said.contains(" -> ") || said.contains("= help: "), "it does not say what to do: {said}");
    said
}

/// A folder of the parity fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity").join(name)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for temporary files")
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("the folder for temporary files can be written to");
}
