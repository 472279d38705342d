//! Folder of a run with the names of its files.

use std::fs;
use std::path::{Path, PathBuf};

use stepwise_data::io::atomic::write_atomic;
use stepwise_recipe::Recipe;

use super::{CheckpointError, clear_leftovers, steps};

/// Folder of a run; returns the paths of its files.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Creates the folder of a new run, or opens it to `resume` one. Removes temporary files of a killed process.
    ///
    /// # Errors
    /// [`CheckpointError::NotFolder`] when the path or a parent is a file. [`CheckpointError::Occupied`] when a new run
    /// is started in a folder that contains a run. [`CheckpointError::Io`] when the folder cannot be created or read.
    pub fn open(root: &Path, resume: bool) -> Result<Self, CheckpointError> {
        if let Some(file) = root.ancestors().find(|path| path.is_file()) {
            return Err(CheckpointError::NotFolder { path: file.into() });
        }
        fs::create_dir_all(root).map_err(CheckpointError::io(root))?;
        let folder = Self { root: root.into() };
        if !resume && (folder.log().exists() || !steps(root)?.is_empty()) {
            return Err(CheckpointError::Occupied { path: root.into() });
        }
        clear_leftovers(root)?;
        Ok(folder)
    }

    /// Path of the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of `trainer_log.jsonl`.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("trainer_log.jsonl")
    }

    /// Path of `environment.json`.
    #[must_use]
    pub fn environment(&self) -> PathBuf {
        self.root.join("environment.json")
    }

    /// Path of `recipe.resolved.toml`.
    #[must_use]
    pub fn resolved_recipe(&self) -> PathBuf {
        self.root.join("recipe.resolved.toml")
    }

    /// Path of `report.html`.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// Writes `recipe.toml` as the user wrote it, and `recipe.resolved.toml` with all defaults filled in.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_recipe(&self, written: &str, recipe: &Recipe) -> Result<(), CheckpointError> {
        let put = |path: PathBuf, text: &str| {
            write_atomic(&path, text.as_bytes()).map_err(|source| CheckpointError::Io { path, source })
        };
        put(self.root.join("recipe.toml"), written)?;
        put(self.resolved_recipe(), &recipe.to_toml())
    }
}
