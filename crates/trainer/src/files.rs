//! Files that are whole or absent, whatever happens in between.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Writes `bytes` beside `path`, syncs them, and renames the file into place.
///
/// # Errors
/// When any of it fails; `path` is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path, "tmp");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&beside, path)) {
        // What is left beside helps nobody; failing to remove it changes nothing about the error.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// The path of this process's own file or folder beside `path`: `checkpoint-200.tmp-4711`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{suffix}-{}", std::process::id()));
    PathBuf::from(name)
}

/// Makes renames and new names in `folder` outlast a power failure.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // Elsewhere a folder cannot be opened as a file, and the file system orders renames by itself.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// SHA-256 of a file's bytes, lower-case hexadecimal, and their number.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hex(&hash.finalize()), length)),
            count => {
                hash.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("a.json");
        write_atomic(&path, b"first").expect("written");
        write_atomic(&path, b"second").expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"second");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).expect("writable");
        write_atomic(&path, b"x").expect_err("a folder is in the way");
        assert!(path.join("inside").is_dir());
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1, "the file beside is gone");
    }

    #[test]
    fn the_digest_is_sha256() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("abc");
        fs::write(&path, "abc").expect("writable");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_file(&path).expect("there"), (expected.into(), 3));
    }
}
