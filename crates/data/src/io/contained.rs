//! Safe resolution of the paths in a case file: they are relative to its folder and must stay inside it.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Reason why a recorded path names no file inside the data set's folder.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// The path is empty or absolute, contains `..`, begins with `./`, or differs in meaning between systems.
    #[error("\"{0}\" does not lead into the data set's folder -> use a relative path with `/` and without `..`")]
    Path(String),
    /// The file is missing or cannot be accessed.
    #[error("{} cannot be read: {source} -> add the file or correct the path", path.display())]
    Io {
        /// Path that was tried.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A symbolic link leads out of the folder.
    #[error("{} leads out of the data set's folder -> replace the link with the file itself", .0.display())]
    Link(PathBuf),
    /// The path names a folder or a device.
    #[error("{} is not a file -> give the path of a file", .0.display())]
    NotAFile(PathBuf),
}

/// Returns whether a recorded path is relative, does not begin with `./`, contains no `..`, and means the same on every
/// system (it has no backslash, colon or NUL).
#[must_use]
pub fn is_inside(path: &str) -> bool {
    let mut components = Path::new(path).components().peekable();
    components.peek().is_some()
        && components.all(|component| matches!(component, Component::Normal(_)))
        && !path.contains(['\\', ':', '\0'])
}

/// Returns `relative` joined to the folder `root`. In the current folder, `.`, the result has no `./`. Nothing is
/// checked; [`resolve`] does that.
#[must_use]
pub fn below(root: &Path, relative: &str) -> PathBuf {
    if root == Path::new(".") { relative.into() } else { root.join(relative) }
}

/// Returns `relative` joined to the folder `root`, after checking that it is a file inside that folder. Links are
/// followed for the check; the returned path is the unresolved one.
///
/// # Errors
/// When the path leads out of the folder, directly or through a link, when file or folder is missing or cannot be
/// accessed, or when it is not a file.
pub fn resolve(root: &Path, relative: &str) -> Result<PathBuf, InsideError> {
    if !is_inside(relative) {
        return Err(InsideError::Path(relative.to_owned()));
    }
    let path = below(root, relative);
    let real = |path: &Path| path.canonicalize().map_err(|source| InsideError::Io { path: path.to_owned(), source });
    let found = real(&path)?;
    if !found.starts_with(real(root)?) {
        return Err(InsideError::Link(path));
    }
    is_file(&found, path)
}

/// Returns `path`, whose links lead to `found`, if this is a file. A file that vanished meanwhile is missing; it is not called
/// something else than a file.
fn is_file(found: &Path, path: PathBuf) -> Result<PathBuf, InsideError> {
    match found.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err(InsideError::NotAFile(path)),
        Err(source) => Err(InsideError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_files_below_the_folder_are_found() {
        let outer = tempfile::tempdir().expect("writable");
        let root = outer.path().join("set");
        fs::create_dir_all(root.join("images")).expect("created");
        fs::write(outer.path().join("secret.png"), "x").expect("written");
        fs::write(root.join("images/a.png"), "x").expect("written");
        assert_eq!(resolve(&root, "images/a.png").expect("inside"), root.join("images/a.png"));
        let absolute = outer.path().join("secret.png").display().to_string();
        for path in ["../secret.png", "images/../../secret.png", "./images/a.png", "C:a.png", "images\\a.png", "", "\0"]
        {
            assert!(matches!(resolve(&root, path), Err(InsideError::Path(_))), "{path:?}");
        }
        assert!(matches!(resolve(&root, &absolute), Err(InsideError::Path(_))));
        assert!(matches!(resolve(&root, "images/b.png"), Err(InsideError::Io { .. })));
        assert!(matches!(resolve(&root, "images"), Err(InsideError::NotAFile(_))));
        // A file that vanishes between two looks.
        assert!(matches!(is_file(&root.join("images/b.png"), "images/b.png".into()), Err(InsideError::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn links_must_stay_inside_the_folder() {
        let outer = tempfile::tempdir().expect("writable");
        let root = outer.path().join("set");
        fs::create_dir(&root).expect("created");
        fs::write(outer.path().join("secret.png"), "x").expect("written");
        fs::write(root.join("a.png"), "x").expect("written");
        std::os::unix::fs::symlink("a.png", root.join("b.png")).expect("linked");
        std::os::unix::fs::symlink(outer.path(), root.join("out")).expect("linked");
        assert!(resolve(&root, "b.png").is_ok());
        assert!(matches!(resolve(&root, "out/secret.png"), Err(InsideError::Link(_))));
    }
}
