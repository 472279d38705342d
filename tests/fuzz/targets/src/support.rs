//! Files, folders and errors of the targets.

use std::path::{Path, PathBuf};

/// Separator between the files of a target that reads several: ASCII's record separator, which is not valid in JSON
/// or TOML.
pub const SEPARATOR: u8 = 0x1e;

/// Splits the bytes into `N` files. The last file is the rest, and missing files are empty.
pub(crate) fn files<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == SEPARATOR);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Returns the text of an error.
///
/// # Panics
/// When the text has no advice, which starts with ` -> ` or `= help: `.
pub(crate) fn refused(error: impl std::fmt::Display) -> String {
    let said = error.to_string();
    assert!(said.contains(" -> ") || said.contains("= help: "), "the error gives no advice: {said}");
    said
}

/// Returns the path of a folder of the parity fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity").join(name)
}

/// Makes a folder for temporary files.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for temporary files")
}

/// Writes a file into a folder for temporary files.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("the folder for temporary files can be written to");
}
