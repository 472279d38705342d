//! Files that are whole or absent, whatever happens in between.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file written beside its place; [`AtomicFile::commit`] syncs it and renames it there. Dropped without that, it leaves
/// nothing behind and its place as it was.
pub struct AtomicFile {
    target: PathBuf,
    beside: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl AtomicFile {
    /// Starts writing what will become `target`.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(target: &Path) -> io::Result<Self> {
        let beside = beside(target, "tmp");
        let writer = Some(BufWriter::new(File::create(&beside)?));
        Ok(Self { target: target.to_owned(), beside, writer })
    }

    /// Puts the file into its place, so that it outlasts a power failure.
    ///
    /// # Errors
    /// When it cannot be written out or renamed; the place is then as it was.
    pub fn commit(mut self) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            let done = writer.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
            if let Err(error) = done.and_then(|()| fs::rename(&self.beside, &self.target)) {
                self.discard();
                return Err(error);
            }
        }
        sync_folder(self.target.parent().unwrap_or(Path::new(".")))
    }

    fn discard(&self) {
        // What is left beside helps nobody; failing to remove it changes nothing about the error.
        let _ = fs::remove_file(&self.beside);
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |writer| writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            self.discard();
        }
    }
}

/// Writes `bytes` beside `path`, syncs them, and renames the file into place.
///
/// # Errors
/// When any of it fails; `path` is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// The path of this process's own file or folder beside `path`: `checkpoint-200.tmp-4711`.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{suffix}-{}", std::process::id()));
    PathBuf::from(name)
}

/// Makes renames and new names in `folder` outlast a power failure.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // Elsewhere a folder cannot be opened as a file, and the file system orders renames by itself.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("a.json");
        write_atomic(&path, b"first").expect("written");
        let mut half = AtomicFile::create(&path).expect("created");
        half.write_all(b"half").expect("written");
        drop(half);
        assert_eq!(fs::read(&path).expect("there"), b"first");
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
}
