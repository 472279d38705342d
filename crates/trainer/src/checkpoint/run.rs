//! Folder of a run with the names of its files.

use std::fs;
use std::path::{Path, PathBuf};

use stepwise_data::io::atomic::write_atomic;
use stepwise_recipe::Recipe;

use super::{CheckpointError, clear_leftovers, steps};

/// Folder of a run, and the paths of the files in it.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Creates the folder of a new run with its parents or, with `resume`, opens the folder of an earlier one. Removes
    /// temporary files of a killed process from it.
    ///
    /// # Errors
    /// [`CheckpointError::NotFolder`] when the path or a parent is a file. [`CheckpointError::Occupied`] when a new run
    /// is started in a folder that contains a run. [`CheckpointError::Io`] when the folder cannot be created or read.
    pub fn open(root: &Path, resume: bool) -> Result<Self, CheckpointError> {
        Self::check_path(root)?;
        fs::create_dir_all(root).map_err(CheckpointError::io(root))?;
        let folder = Self { root: root.into() };
        if !resume && (folder.log().exists() || !steps(root)?.is_empty()) {
            return Err(CheckpointError::Occupied { path: root.into() });
        }
        clear_leftovers(root)?;
        Ok(folder)
    }

    /// Checks that `root` can be a folder.
    ///
    /// # Errors
    /// [`CheckpointError::NotFolder`] when the path or a parent is a file.
    pub fn check_path(root: &Path) -> Result<(), CheckpointError> {
        match root.ancestors().find(|path| path.is_file()) {
            Some(file) => Err(CheckpointError::NotFolder { path: file.into() }),
            None => Ok(()),
        }
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of `trainer_log.jsonl`, which may be missing.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("trainer_log.jsonl")
    }

    /// Returns the path of `environment.json`, which may be missing.
    #[must_use]
    pub fn environment(&self) -> PathBuf {
        self.root.join("environment.json")
    }

    /// Returns the path of `recipe.resolved.toml`, which may be missing.
    #[must_use]
    pub fn resolved_recipe(&self) -> PathBuf {
        self.root.join("recipe.resolved.toml")
    }

    /// Returns the path of `report.html`, which may be missing.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// Returns the path of `benchmark/epoch-N`, the results of epoch N of the run (from 1), which may be missing.
    #[must_use]
    pub fn benchmark(&self, epoch: u32) -> PathBuf {
        self.root.join("benchmark").join(format!("epoch-{epoch}"))
    }

    /// Writes `recipe.toml` with the text `written`, as the user wrote it, and `recipe.resolved.toml` with all values
    /// of `recipe`. Existing files are replaced.
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
