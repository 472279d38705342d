//! Local model on which attacks for a model elsewhere are made.

use std::path::Path;

use stepwise_data::case::Case;
use stepwise_trainer::evaluation::cache::model_key;
use stepwise_trainer::evaluation::vlm_model::VlmModel;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_vlm::images::processor::ImageOptions;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::exit::Failure;
use crate::{device, source};

/// Loaded surrogate. It sees every image as one tile, so that attacked pixels are an image that a request can show.
pub struct LocalSurrogate {
    /// Digest of weights, adapter, prompts and pixel pipeline.
    pub key: String,
    pipeline: VlmPipeline,
}

impl LocalSurrogate {
    /// Loads the model at `path` (run, checkpoint, PEFT folder or model folder) to the device named `device`; None takes
    /// the best one. Tiles and crops are switched off where the family allows it.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] when the device or the model cannot be used, or when the model divides an image of `cases` into
    /// tiles all the same.
    pub fn load(path: &Path, device: Option<&str>, cases: &[Case]) -> Result<Self, Failure> {
        let chosen = device::choose(device)?;
        let source = source::find(path, None)?;
        source::announce(&source);
        let config = Vlm::load_config(&source.model).map_err(Failure::input)?;
        let whole =
            ImageOptions { do_image_splitting: Some(false), do_pan_and_scan: Some(false), ..ImageOptions::default() };
        let pipeline = source.load(&chosen.device, whole.only(config.image_options())).map_err(Failure::input)?;
        let mut images = cases.iter().flat_map(|case| &case.images);
        if images.any(|image| pipeline.processor.grid(image.width, image.height).tiles() > 1) {
            return Err(Failure::input(format!(
                "--surrogate {}: {} divides images into tiles, which a request cannot show -> name a model that sees an image \
                 as a whole",
                path.display(),
                config.family_name()
            )));
        }
        let key = model_key(&source, &pipeline, &chosen.kind(), true).map_err(Failure::input)?;
        Ok(Self { key, pipeline })
    }

    /// Returns the surrogate as a model of the benchmark, which stops once `interrupt` is requested.
    pub fn model<'a>(&'a self, interrupt: &'a Interrupt) -> VlmModel<'a> {
        VlmModel::new(&self.pipeline, Pass::ANSWER, interrupt)
    }
}
