//! Removal of old checkpoints by `save_total_limit`.

use std::fs;
use std::path::Path;

use stepwise_data::io::atomic::beside;

use super::{BEST, CheckpointError, linked, name, steps};

/// Returns the steps of the checkpoints `present` that are to be removed after `saved` was written, ascending. The
/// newest `limit` checkpoints (at least one) stay, and also the checkpoint of step `best`. Checkpoints later than
/// `saved` are from before a resume. They are neither counted nor removed, because the run will write them again.
#[must_use]
pub fn superfluous(present: &[u64], limit: usize, best: Option<u64>, saved: u64) -> Vec<u64> {
    let mut steps: Vec<u64> = present.iter().copied().filter(|step| *step <= saved).collect();
    steps.sort_unstable();
    steps.dedup();
    // `saved` always stays: it is the newest, and the only one known to be complete without reading it.
    let excess = steps.len().saturating_sub(limit.max(1));
    steps.truncate(excess);
    steps.retain(|step| Some(*step) != best);
    steps
}

/// Removes the checkpoints of a run that [`superfluous`] names, after the checkpoint of step `saved` was written; the
/// checkpoint linked as `best` stays. Returns the removed steps.
///
/// # Errors
/// When a folder cannot be read or removed.
pub fn prune(run: &Path, limit: usize, saved: u64) -> Result<Vec<u64>, CheckpointError> {
    let removed = superfluous(&steps(run)?, limit, linked(run, BEST), saved);
    for step in &removed {
        let path = run.join(name(*step));
        // Renamed first, so that an interrupted removal leaves no damaged checkpoint.
        let gone = beside(&path, "gone");
        fs::rename(&path, &gone).map_err(CheckpointError::io(&path))?;
        fs::remove_dir_all(&gone).map_err(CheckpointError::io(&gone))?;
    }
    Ok(removed)
}
