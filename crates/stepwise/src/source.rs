//! Lookup of a model on the command line; says which checkpoint of a run is taken, and why.

use std::path::Path;

use stepwise_trainer::checkpoint::source::ModelSource;

use crate::exit::Failure;

/// Finds the model at `path`. For the folder of a run, writes to stderr which checkpoint is taken, and why.
///
/// # Errors
///
/// [`Failure::Input`] when there is no model at `path`.
pub fn find(path: &Path, base: Option<&Path>) -> Result<ModelSource, Failure> {
    let source = ModelSource::find(path, base).map_err(Failure::input)?;
    if let Some(delivered) = &source.delivered {
        delivered.warnings.iter().for_each(|warning| tell!("warning: {warning}"));
        tell!("{delivered}");
    }
    Ok(source)
}

/// Name of the model at `path` for titles: the path, with the checkpoint if the path is a run.
pub fn title(path: &Path, source: &ModelSource) -> String {
    match &source.delivered {
        Some(delivered) => format!("{} ({})", path.display(), delivered.label()),
        None => path.display().to_string(),
    }
}
