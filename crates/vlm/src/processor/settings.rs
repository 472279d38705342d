//! Image options of a recipe, which replace settings of the model folder.

use std::path::Path;

use stepwise_data::io::atomic::write_atomic;

use super::{Processor, ProcessorError, folder};
use crate::fault::Fault;
use crate::images::processor::ImageOptions;

impl Processor {
    /// Sets whether large images are split into tiles: true splits, false gives each image one tile, None restores
    /// `do_image_splitting` of the folder. The setting changes [`Processor::digest`].
    pub fn set_image_splitting(&mut self, splitting: Option<bool>) {
        self.options.do_image_splitting = splitting;
    }

    /// Replaces settings of the folder by `options`. They change [`Processor::digest`].
    ///
    /// # Errors
    /// When the family does not have a setting that `options` states; the processor is unchanged.
    pub fn set_image_options(&mut self, options: ImageOptions) -> Result<(), ProcessorError> {
        let own = self.family.image_options;
        if let Some((name, _)) = options.stated().into_iter().find(|(name, _)| !own.contains(name)) {
            let have = if own.is_empty() { "no such setting".to_owned() } else { own.join(" and ") };
            let problem = format!("`{name}` has no effect on {}, which have {have}", self.family.name);
            return Err(ProcessorError::Conversation { problem, advice: "remove the key from the recipe" });
        }
        self.options = options;
        Ok(())
    }

    /// Returns whether large images are split into tiles, as the options or the folder say; None for families that do
    /// not split images.
    #[must_use]
    pub fn image_splitting(&self) -> Option<bool> {
        let settings = self.images.settings(&self.options);
        settings.get("pixels")?.get("do_image_splitting")?.as_bool()
    }

    /// Writes the image preprocessing settings of the model folder `base` to `folder`, with the options of this
    /// processor, so that the folder is read as this processor reads images. Does nothing if the options agree with
    /// `base`. Returns whether a file was written.
    ///
    /// # Errors
    /// When the settings of `base` cannot be read, or the file cannot be written.
    pub fn save_image_options(&self, base: &Path, folder: &Path) -> Result<bool, ProcessorError> {
        if self.images.settings(&self.options) == self.images.settings(&ImageOptions::default()) {
            return Ok(false);
        }
        let (name, settings) = folder::with_options(base, &self.options)?;
        let path = folder.join(name);
        write_atomic(&path, format!("{settings:#}\n").as_bytes())
            .map_err(|error| Fault::new(&path, error, "check that the folder is writable and the disk has room"))?;
        Ok(true)
    }
}
