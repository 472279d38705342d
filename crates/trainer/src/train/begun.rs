//! A run that `--resume` finds in its folder, and its comparison with the recipe and the inputs of now.

use std::path::{Path, PathBuf};

use stepwise_data::io::bounded;
use stepwise_recipe::Recipe;

use super::TrainError;
use crate::checkpoint::{self, CheckpointError, Incompatible, RunFolder, TrainerState};
use crate::inputs::{INPUTS_FILE, Inputs, listed};
use crate::progress::Progress;

/// A run that was begun earlier.
pub(super) struct Begun {
    pub folder: RunFolder,
    /// Newest complete checkpoint, with its state; None where the run has none.
    pub checkpoint: Option<(PathBuf, TrainerState)>,
}

impl Begun {
    /// Opens the folder of a run to resume it, and finds its newest complete checkpoint. None where there is no folder.
    ///
    /// # Errors
    /// When the folder or the checkpoint cannot be read, or the checkpoint was made with another recipe.
    pub fn find(recipe: &Recipe, progress: &mut dyn Progress) -> Result<Option<Self>, TrainError> {
        let root = &recipe.output_dir;
        RunFolder::check_path(root)?;
        if !root.is_dir() {
            progress.note(NOTHING);
            return Ok(None);
        }
        let folder = RunFolder::open(root, true)?;
        let (newest, skipped) = checkpoint::newest_complete(root)?;
        skipped.iter().for_each(|message| progress.warning(message));
        let Some(step) = newest else {
            progress.note(NOTHING);
            return Ok(Some(Self { folder, checkpoint: None }));
        };
        let path = root.join(checkpoint::name(step));
        let state = TrainerState::read(&path)?;
        if state.recipe_digest != recipe.digest() {
            let resolved = folder.resolved_recipe();
            let changes = bounded::text(&resolved).ok().and_then(|text| recipe.changes_since(&text));
            let changes = changes
                .filter(|changes| !changes.is_empty())
                .map_or_else(|| "its keys cannot be compared".to_owned(), |changes| listed(&changes));
            let error = Incompatible::Recipe { changes, resolved };
            return Err(TrainError::Incompatible { path: path.display().to_string(), error });
        }
        Ok(Some(Self { folder, checkpoint: Some((path, state)) }))
    }

    /// Compares the inputs that the run recorded with `now`. Where nothing was trained yet, results on other inputs are
    /// removed, and the run starts anew.
    ///
    /// # Errors
    /// When the inputs of the training so far differ, or the record cannot be read.
    pub fn compare(&self, now: &Inputs, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let (root, record) = (self.folder.root(), self.folder.root().join(INPUTS_FILE));
        let recorded = Inputs::read(root).map_err(|error| TrainError::Record { path: record.clone(), error })?;
        let changes = recorded.as_ref().map(|recorded| recorded.changes(now)).unwrap_or_default();
        match (&self.checkpoint, recorded) {
            (Some((path, _)), None) => progress.warning(&format!(
                "{}: there is no {INPUTS_FILE}, so this program cannot tell whether model, cases and suite are those of the \
                 training so far -> make sure of it; they are recorded from now on",
                path.display()
            )),
            (Some((path, _)), Some(_)) if !changes.is_empty() => {
                return Err(TrainError::Inputs { path: path.clone(), changes: listed(&changes), record });
            }
            (None, Some(_)) if !changes.is_empty() => {
                progress.warning(&format!(
                    "{}: the inputs have changed since the run was started ({}) -> no step was saved, so its results are \
                     removed, and the run starts anew",
                    root.display(),
                    listed(&changes)
                ));
                for folder in ["benchmark", "predicted"].map(|name| root.join(name)) {
                    remove(&folder)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

const NOTHING: &str = "nothing to resume from: starting at step 1";

fn remove(folder: &Path) -> Result<(), CheckpointError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CheckpointError::Io { path: folder.into(), source: error })
        }
        _ => Ok(()),
    }
}
