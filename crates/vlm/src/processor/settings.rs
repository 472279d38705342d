//! Image options of a recipe, which replace settings of the model folder.

use std::path::Path;

use stepwise_data::box_format::BoxFormat;
use stepwise_data::box_grid::BoxGrid;
use stepwise_data::io::atomic::write_atomic;

use super::{Processor, ProcessorError, folder};
use crate::fault::Fault;
use crate::images::processor::{ImageOptions, recipe_key};

/// Setting of all families.
const BOX_FORMAT: &str = "box_format";

impl Processor {
    /// Sets whether large images are split into tiles: true splits, false gives each image one tile, None restores
    /// `do_image_splitting` of the folder. The setting changes [`Processor::digest`].
    pub fn set_image_splitting(&mut self, splitting: Option<bool>) {
        self.options.do_image_splitting = splitting;
    }

    /// Replaces settings of the folder by `options`. They change [`Processor::digest`].
    ///
    /// # Errors
    /// When the family does not have a setting that `options` states, or boxes cannot be given in the stated unit; the
    /// processor is unchanged.
    pub fn set_image_options(&mut self, options: ImageOptions) -> Result<(), ProcessorError> {
        let own = self.family.image_options;
        let is_foreign = |name: &str| name != BOX_FORMAT && !own.contains(&name);
        if let Some((name, _)) = options.stated().into_iter().find(|(name, _)| is_foreign(name)) {
            let keys: Vec<String> = own.iter().map(|name| format!("`{}`", recipe_key(name))).collect();
            let have = if keys.is_empty() { "no such setting".to_owned() } else { keys.join(" and ") };
            let problem =
                format!("`{}` has no effect on models of {}, which have {have}", recipe_key(name), self.family.name);
            return Err(ProcessorError::Conversation { problem, advice: "remove the setting" });
        }
        if options.box_format == Some(BoxFormat::Pixels) && self.images.resized(self.grid(1, 1)).is_none() {
            let problem = format!("boxes cannot be given in pixels of the resized image by {}", self.family.name);
            let advice = "set `box_format` to \"percent\" or \"per_mille\", or remove the key from the recipe";
            return Err(ProcessorError::Conversation { problem, advice });
        }
        self.options = options;
        Ok(())
    }

    /// Returns the values in effect of the settings that the family has, as the options or the folder say.
    #[must_use]
    pub fn image_options(&self) -> ImageOptions {
        let settings = self.images.settings(&self.options);
        let stated = settings.get("pixels").map(ImageOptions::from_json).unwrap_or_default();
        // Settings without pan and scan do not name it.
        let without = ImageOptions { do_pan_and_scan: Some(false), ..ImageOptions::default() };
        ImageOptions { box_format: Some(self.box_format()), ..stated.or(without).only(self.family.image_options) }
    }

    /// Returns the unit in which boxes are asked for and given, as the options or the folder say, or else as the family was
    /// trained.
    #[must_use]
    pub fn box_format(&self) -> BoxFormat {
        self.options.box_format.unwrap_or(self.folder_box_format)
    }

    /// Returns the grid on which boxes of an image of `width` x `height` pixels are given. A side of 0 counts as 1.
    #[must_use]
    pub fn box_grid(&self, width: u32, height: u32) -> BoxGrid {
        // Only families with resized images have the unit `pixels`.
        let resized = self.images.resized(self.grid(width, height)).unwrap_or([1; 2]);
        BoxGrid::new(self.box_format(), resized)
    }

    /// Returns whether large images are split into tiles, as the options or the folder say; None for families that do
    /// not split images.
    #[must_use]
    pub fn image_splitting(&self) -> Option<bool> {
        self.image_options().do_image_splitting
    }

    /// Writes the image preprocessing settings of the model folder `base` to `folder`, with the options of this
    /// processor, so that the folder is read as this processor reads images. Does nothing if the options agree with
    /// `base`. Returns whether a file was written.
    ///
    /// # Errors
    /// When the settings of `base` cannot be read, or the file cannot be written.
    pub fn save_image_options(&self, base: &Path, folder: &Path) -> Result<bool, ProcessorError> {
        let is_equal = self.images.settings(&self.options) == self.images.settings(&ImageOptions::default());
        if is_equal && self.box_format() == self.folder_box_format {
            return Ok(false);
        }
        let (name, settings) = folder::with_options(base, &self.options)?;
        let path = folder.join(name);
        write_atomic(&path, format!("{settings:#}\n").as_bytes())
            .map_err(|error| Fault::new(&path, error, "check that the folder is writable and the disk has room"))?;
        Ok(true)
    }
}
