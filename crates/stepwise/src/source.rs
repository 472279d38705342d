//! Lookup of a model on the command line; says which checkpoint of a run is taken, and why.

use std::path::Path;

use stepwise_trainer::checkpoint::Delivered;
use stepwise_trainer::checkpoint::source::ModelSource;

use crate::exit::Failure;

/// Finds the model at `path`. Writes a warning to stderr for each link of a run that leads nowhere. The caller says
/// which checkpoint is taken ([`announce`]) once its input is accepted.
///
/// # Errors
///
/// [`Failure::Input`] when there is no model at `path`, or a file that names its base or adapter cannot be read.
pub fn find(path: &Path, base: Option<&Path>) -> Result<ModelSource, Failure> {
    let source = ModelSource::find(path, base).map_err(Failure::input)?;
    source.delivered.iter().for_each(warn);
    detail!("model: {}", source.model.display());
    if let Some(adapter) = &source.adapter {
        detail!("adapter: {}", adapter.display());
    }
    Ok(source)
}

/// Writes to stderr which checkpoint of a run is taken, and why; nothing for another model.
pub fn announce(source: &ModelSource) {
    if let Some(delivered) = &source.delivered {
        tell!("{delivered}");
    }
}

/// Writes a warning to stderr for each link of a run that leads nowhere.
pub fn warn(delivered: &Delivered) {
    delivered.warnings.iter().for_each(|warning| tell!("warning: {warning}"));
}

/// Returns the name of the model at `path` for titles: the path, with the checkpoint if the path is a run.
pub fn title(path: &Path, source: &ModelSource) -> String {
    match &source.delivered {
        Some(delivered) => format!("{} ({})", path.display(), delivered.label()),
        None => path.display().to_string(),
    }
}
