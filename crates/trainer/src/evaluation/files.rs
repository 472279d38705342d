//! Files in the benchmark folder of a run, and the numbers of a summary by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::summary::Summary;
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;

use crate::evaluation::error::BenchmarkError;

/// Summaries of an earlier start of the run, in order, of the epochs up to `through`. Epochs without a complete benchmark
/// are missing.
pub(super) fn earlier_epochs(folder: &Path, through: u32) -> Result<Vec<(u32, Summary)>, BenchmarkError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BenchmarkError::file(folder, error)),
    };
    let mut epochs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| BenchmarkError::file(folder, error))?;
        let name = entry.file_name();
        let epoch = name.to_str().and_then(|name| name.strip_prefix("epoch-")).and_then(|number| number.parse().ok());
        let path = entry.path().join(SUMMARY);
        let Some(epoch) = epoch.filter(|epoch| *epoch <= through && path.is_file()) else { continue };
        let json = bounded::bytes(&path).map_err(|error| BenchmarkError::file(&path, error))?;
        epochs.push((
            epoch,
            serde_json::from_slice(without_mark(&json)).map_err(|error| BenchmarkError::file(&path, error.into()))?,
        ));
    }
    epochs.sort_unstable_by_key(|(epoch, _)| *epoch);
    Ok(epochs)
}

/// Name of the outcome file in the folder of an epoch's benchmark.
pub(super) const OUTCOMES: &str = "outcomes.jsonl";

/// Name of the summary in the folder of an epoch's benchmark.
pub(super) const SUMMARY: &str = "summary.json";

/// Returns the path of the outcome file of the untouched base, for the run in `folder`. The file may be missing.
#[must_use]
pub fn base_outcomes(folder: &Path) -> PathBuf {
    folder.join("benchmark").join("base").join(OUTCOMES)
}

/// File name of the forgetting table in the folder `benchmark` of a run.
pub const FORGETTING: &str = "forgetting.json";

/// Reads the forgetting table from `folder`, the benchmark folder of a run. None if no phase has ended.
///
/// # Errors
/// When the file cannot be read or is invalid.
pub fn read_forgetting(folder: &Path) -> Result<Option<Forgetting>, BenchmarkError> {
    let path = folder.join(FORGETTING);
    match bounded::bytes(&path) {
        Ok(json) => serde_json::from_slice(without_mark(&json))
            .map(Some)
            .map_err(|error| BenchmarkError::file(&path, error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BenchmarkError::file(&path, error)),
    }
}

/// Returns the last row of the forgetting table as named numbers: for each stage what was forgotten, and the backward
/// transfer. Values that are not defined are left out.
pub(super) fn forgotten(forgetting: &Forgetting) -> BTreeMap<String, f64> {
    let by_stage = (1..).zip(forgetting.forgotten());
    let by_stage = by_stage.filter_map(|(stage, lost)| Some((format!("forgetting/stage_{stage}"), lost?)));
    let transfer = forgetting.backward_transfer.map(|transfer| ("forgetting/backward_transfer".to_owned(), transfer));
    by_stage.chain(transfer).collect()
}

/// Name of the evaluation loss among the metrics of an epoch.
pub const EVAL_LOSS: &str = "eval_loss";

/// Returns a summary as named numbers: the metrics, and their gains over the base. `/` separates the levels of a name.
/// Values that are not defined are left out.
pub(super) fn scalars(summary: &Summary) -> BTreeMap<String, f64> {
    let mut scalars = BTreeMap::new();
    let mut put = |group: &str, id: &str, value: Option<f64>| {
        if let Some(value) = value {
            scalars.insert(format!("{group}/{}", id.replace(':', "/")), value);
        }
    };
    for (id, metric) in &summary.metrics {
        put("benchmark", id, metric.estimate.value);
        put("gain", id, metric.gain_vs_base.and_then(|gain| gain.value));
    }
    scalars
}

/// Writes `summary.json` into a folder, which must exist. An existing file is replaced.
///
/// # Errors
/// When the file cannot be written.
pub fn write_summary(folder: &Path, summary: &Summary) -> Result<(), BenchmarkError> {
    write_json(&folder.join(SUMMARY), summary)
}

/// Writes a value as JSON.
pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), BenchmarkError> {
    let json = serde_json::to_vec_pretty(value).map_err(|error| BenchmarkError::file(path, error.into()))?;
    write_atomic(path, &json).map_err(|error| BenchmarkError::file(path, error))
}

#[cfg(test)]
mod tests {
    use stepwise_benchmark::suite::Suite;

    use super::*;

    #[test]
    fn all_earlier_epochs_are_found_despite_gaps() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(earlier_epochs(&folder.path().join("none"), 12).expect("nothing yet").is_empty());
        let suite = Suite::fast();
        let summary = Summary::new(&suite, &[], &[], None);
        for name in ["epoch-10", "epoch-2", "epoch-4", "base", "tables"] {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).expect("made");
            write_summary(&folder, &summary).expect("written");
        }
        // An interrupted epoch has no summary yet.
        std::fs::create_dir_all(folder.path().join("epoch-12")).expect("made");
        // Results of later epochs are not read, so a damaged one does no harm.
        std::fs::create_dir_all(folder.path().join("epoch-13")).expect("made");
        std::fs::write(folder.path().join("epoch-13/summary.json"), "{").expect("written");
        let found = earlier_epochs(folder.path(), 12).expect("read");
        assert_eq!(found.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [2, 4, 10]);
        assert_eq!(found[0].1, summary);
    }
}
