//! `save_total_limit`: which checkpoints may go.

use std::fs;
use std::path::Path;

use stepwise_data::io::atomic::beside;

use super::{BEST, CheckpointError, linked, name, steps};

/// The steps, out of the checkpoints `present`, that `limit` leaves no room for once `saved` has been written. The newest
/// `limit` stay, and the best one beside them. Checkpoints later than `saved` are left over from before a resume; they
/// are neither counted nor removed, the run will write them again.
#[must_use]
pub fn superfluous(present: &[u64], limit: usize, best: Option<u64>, saved: u64) -> Vec<u64> {
    let mut steps: Vec<u64> = present.iter().copied().filter(|step| *step <= saved).collect();
    steps.sort_unstable();
    steps.dedup();
    // `saved` is the newest, and the only one known to be complete without reading it: it stays whatever the limit.
    let excess = steps.len().saturating_sub(limit.max(1));
    steps.truncate(excess);
    steps.retain(|step| Some(*step) != best);
    steps
}

/// Removes the checkpoints of a run that `limit` leaves no room for, `saved` being the one just written. Returns their
/// steps.
///
/// # Errors
/// When the file system refuses.
pub fn prune(run: &Path, limit: usize, saved: u64) -> Result<Vec<u64>, CheckpointError> {
    let removed = superfluous(&steps(run)?, limit, linked(run, BEST), saved);
    for step in &removed {
        let path = run.join(name(*step));
        // Out of the way in one step, so that a removal that is cut short leaves no torn checkpoint.
        let gone = beside(&path, "gone");
        fs::rename(&path, &gone).map_err(CheckpointError::io(&path))?;
        fs::remove_dir_all(&gone).map_err(CheckpointError::io(&gone))?;
    }
    Ok(removed)
}
