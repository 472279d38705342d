//! The folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use stepwise_data::io::atomic::write_atomic;
use stepwise_recipe::Recipe;

use super::{CheckpointError, clear_leftovers, steps};

/// The folder of a run, and the names in it.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Makes the folder for a new run, or opens it to `resume` one, and clears what a killed process left.
    ///
    /// # Errors
    /// [`CheckpointError::NotFolder`] when a file is in the way, [`CheckpointError::Occupied`] when a new run would mix with one that is there.
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

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `trainer_log.jsonl`.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("trainer_log.jsonl")
    }

    /// `environment.json`.
    #[must_use]
    pub fn environment(&self) -> PathBuf {
        self.root.join("environment.json")
    }

    /// `recipe.resolved.toml`.
    #[must_use]
    pub fn resolved_recipe(&self) -> PathBuf {
        self.root.join("recipe.resolved.toml")
    }

    /// `report.html`.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// `benchmark/epoch-N`, epoch 0 being the base.
    #[must_use]
    pub fn benchmark(&self, epoch: u32) -> PathBuf {
        self.root.join("benchmark").join(format!("epoch-{epoch}"))
    }

    /// Writes `recipe.toml` as the user wrote it, and `recipe.resolved.toml`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write_recipe(&self, written: &str, recipe: &Recipe) -> Result<(), CheckpointError> {
        let put = |path: PathBuf, text: &str| {
            write_atomic(&path, text.as_bytes()).map_err(|source| CheckpointError::Io { path, source })
        };
        put(self.root.join("recipe.toml"), written)?;
        put(self.resolved_recipe(), &recipe.to_toml())
    }
}
