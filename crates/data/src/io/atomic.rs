//! Atomic writing of files: after a crash a file is complete or unchanged, never half written.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Writer of a file that replaces its target in one step. It writes to a temporary file in the target's folder;
/// [`AtomicFile::commit`] syncs that file and renames it to the target. When dropped before that, it removes the
/// temporary file and leaves the target unchanged.
pub struct AtomicFile {
    target: PathBuf,
    beside: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl AtomicFile {
    /// Creates the temporary file from which `target` will be made; a leftover of the same name is replaced. The folder
    /// must exist; an earlier `target` stays until [`AtomicFile::commit`].
    ///
    /// # Errors
    /// When the file cannot be created in the target's folder.
    pub fn create(target: &Path) -> io::Result<Self> {
        let beside = beside(target, "tmp");
        let writer = Some(BufWriter::new(File::create(&beside)?));
        Ok(Self { target: target.to_owned(), beside, writer })
    }

    /// Syncs the temporary file, renames it to the target, which it replaces, and syncs the folder, so that the file
    /// survives a power failure.
    ///
    /// # Errors
    /// When writing out, syncing or renaming fails; the target is then unchanged and the temporary file removed. Also
    /// when the folder cannot be synced after the rename; the target is then replaced.
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
        // Best effort: a failure to remove the temporary file must not hide the first error.
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

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.writer.as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |writer| writer.seek(position))
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            self.discard();
        }
    }
}

/// Writes `bytes` to `path` in one step, by way of a temporary file in the same folder (see [`AtomicFile`]). An
/// existing file is replaced; the folder must exist.
///
/// # Errors
/// When the temporary file cannot be created, or writing, syncing or renaming fails; an existing file is then
/// unchanged. Also when the folder cannot be synced after the rename; the file is then replaced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Returns `path` with `.{suffix}-{process id}` appended, for example `checkpoint-200.tmp-4711`: a name in the same
/// folder that no other process on this machine uses.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{suffix}-{}", std::process::id()));
    PathBuf::from(name)
}

/// Syncs a folder, so that renames and new files in it survive a power failure. Does nothing on systems other
/// than Unix.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // On other systems a folder cannot be opened as a file, and the file system orders renames by itself.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_no_other_file_is_left() {
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
