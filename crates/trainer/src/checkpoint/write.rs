//! Atomic writing of checkpoints: a checkpoint is complete or does not exist.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use stepwise_data::io::atomic::{beside, sync_folder};

use super::{BEST, CheckpointError, DIGEST_FILE, LAST, digest, name, step_of};
use crate::trained::TRAINED_FILE;

/// Writes the checkpoint of `step` into the folder `run` and returns its folder. `fill` writes the files into the
/// temporary folder that it is given. The digests are added, and the folder is synced to disk and renamed. An existing
/// checkpoint of the same step is replaced.
///
/// # Errors
/// When `fill` fails or the file system reports an error. The temporary folder is then removed.
pub fn write<E: From<CheckpointError>>(
    run: &Path,
    step: u64,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let checkpoint = run.join(name(step));
    let partial = beside(&checkpoint, "tmp");
    let written = fill_folder(&partial, fill).and_then(|()| Ok(put_in_place(run, &partial, &checkpoint)?));
    if let Err(error) = written {
        // Frees the space. If this fails, the next start of the run removes the folder.
        let _ = fs::remove_dir_all(&partial);
        return Err(error);
    }
    Ok(checkpoint)
}

fn fill_folder<E: From<CheckpointError>>(partial: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if partial.exists() {
        fs::remove_dir_all(partial).map_err(CheckpointError::io(partial))?;
    }
    fs::create_dir_all(partial).map_err(CheckpointError::io(partial))?;
    fill(partial)?;
    let digests = digest::describe(partial)?;
    let path = partial.join(DIGEST_FILE);
    fs::write(&path, digests).map_err(CheckpointError::io(&path))?;
    Ok(sync_tree(partial)?)
}

/// Renames the finished folder. A checkpoint that is replaced is renamed first, because folders cannot be exchanged in
/// one operation. If the process dies in between, [`clear_leftovers`] restores it.
fn put_in_place(run: &Path, partial: &Path, checkpoint: &Path) -> Result<(), CheckpointError> {
    let aside = beside(checkpoint, "old");
    let replaces = checkpoint.exists();
    if replaces {
        fs::rename(checkpoint, &aside).map_err(CheckpointError::io(checkpoint))?;
    }
    fs::rename(partial, checkpoint).map_err(CheckpointError::io(checkpoint))?;
    sync_folder(run).map_err(CheckpointError::io(run))?;
    if replaces {
        fs::remove_dir_all(&aside).map_err(CheckpointError::io(&aside))?;
    }
    Ok(())
}

fn sync_tree(folder: &Path) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(folder).map_err(CheckpointError::io(folder))? {
        let path = entry.map_err(CheckpointError::io(folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(CheckpointError::io(&path))?;
        }
    }
    sync_folder(folder).map_err(CheckpointError::io(folder))
}

/// Files and links of a run that are written to a temporary file and renamed.
const WRITTEN_BESIDE: [&str; 9] = [
    BEST,
    LAST,
    "environment.json",
    "inputs.json",
    "recipe.resolved.toml",
    "recipe.toml",
    "report.html",
    TRAINED_FILE,
    "trainer_log.jsonl",
];

/// Folders of a run that only the run writes to.
const OWN_FOLDERS: [&str; 2] = ["benchmark", "predicted"];

/// Splits the name of a temporary file: `checkpoint-200.tmp-77` becomes `checkpoint-200` and `tmp`.
fn left(file_name: &str) -> Option<(&str, &str)> {
    let (original, suffix) = file_name.rsplit_once('.')?;
    let (kind, process) = suffix.split_once('-')?;
    process.parse::<u32>().ok().map(|_| (original, kind))
}

/// Removes temporary files and folders of a killed process from the folder of a run, and restores a checkpoint that was
/// about to be replaced. To be called before the first step, by the only process that uses the run.
///
/// # Errors
/// When the folder cannot be read or changed.
pub fn clear_leftovers(run: &Path) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(run).map_err(CheckpointError::io(run))? {
        let entry = entry.map_err(CheckpointError::io(run))?;
        let (path, file_name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if OWN_FOLDERS.contains(&file_name.as_str()) && path.is_dir() {
            clear_below(&path)?;
        }
        let Some((original, kind)) = left(&file_name) else { continue };
        if kind == "tmp" && WRITTEN_BESIDE.contains(&original) {
            fs::remove_file(&path).map_err(CheckpointError::io(&path))?;
        }
        if step_of(original).is_none() {
            continue;
        }
        let original = run.join(original);
        match kind {
            "old" if !original.exists() => fs::rename(&path, &original).map_err(CheckpointError::io(&path))?,
            "old" | "tmp" | "gone" => fs::remove_dir_all(&path).map_err(CheckpointError::io(&path))?,
            _ => {}
        }
    }
    Ok(())
}

/// Removes temporary files below `folder`.
fn clear_below(folder: &Path) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(folder).map_err(CheckpointError::io(folder))? {
        let entry = entry.map_err(CheckpointError::io(folder))?;
        let path = entry.path();
        if entry.file_type().map_err(CheckpointError::io(&path))?.is_dir() {
            clear_below(&path)?;
        } else if left(&entry.file_name().to_string_lossy()).is_some_and(|(_, kind)| kind == "tmp") {
            fs::remove_file(&path).map_err(CheckpointError::io(&path))?;
        }
    }
    Ok(())
}
