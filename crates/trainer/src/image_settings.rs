//! Image settings of a run: the values of the recipe, or else those with which the continued adapter was trained.

use stepwise_recipe::Recipe;
use stepwise_vlm::images::processor::{ImageOptions, recipe_key};
use stepwise_vlm::processor::{Processor, ProcessorError, stated_options};

use crate::progress::Progress;

/// Image settings of a run, compared with the continued adapter and its base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// Settings that replace those of the model folder.
    pub options: ImageOptions,
    /// Remarks on values that are the adapter's and not the base's, because the recipe states none.
    pub notes: Vec<String>,
    /// Warnings of values in which recipe and adapter disagree.
    pub warnings: Vec<String>,
}

/// Image settings that a recipe states.
#[must_use]
pub fn of_recipe(recipe: &Recipe) -> ImageOptions {
    ImageOptions {
        do_image_splitting: recipe.do_image_splitting,
        do_pan_and_scan: recipe.do_pan_and_scan,
        max_pixels: recipe.image_max_pixels,
        min_pixels: recipe.image_min_pixels,
        box_format: recipe.box_format,
    }
}

/// Image settings that a table of recipe keys states.
#[must_use]
pub fn of_table(table: &toml::Table) -> ImageOptions {
    let flag = |key: &str| table.get(key).and_then(toml::Value::as_bool);
    let pixels = |key: &str| u64::try_from(table.get(key).and_then(toml::Value::as_integer)?).ok();
    ImageOptions {
        do_image_splitting: flag("do_image_splitting"),
        do_pan_and_scan: flag("do_pan_and_scan"),
        max_pixels: pixels("image_max_pixels"),
        min_pixels: pixels("image_min_pixels"),
        box_format: table.get("box_format").and_then(toml::Value::as_str).and_then(|name| name.parse().ok()),
    }
}

/// Settings that give an image fewer tokens, each with the recipe key to change.
const SMALLER: [(&str, &str); 3] = [
    ("max_pixels", "lower `image_max_pixels`"),
    ("do_image_splitting", "set `do_image_splitting = false`"),
    ("do_pan_and_scan", "set `do_pan_and_scan = false`"),
];

/// Returns advice, as an instruction, for images with fewer tokens by a model family with these settings; None if the
/// family has no setting of this kind.
#[must_use]
pub fn smaller_images(settings: &[&str]) -> Option<&'static str> {
    SMALLER.iter().find(|(setting, _)| settings.contains(setting)).map(|(_, advice)| *advice)
}

/// Returns advice, as an instruction, for images with fewer tokens in a run of `recipe`; None if its model has no such
/// setting, the setting is switched off already, or the files of the model cannot be read.
#[must_use]
pub fn smaller_images_of_run(recipe: &Recipe) -> Option<&'static str> {
    let mut processor = Processor::from_folder(&recipe.model_name_or_path).ok()?;
    processor.set_image_options(ImageSettings::of(recipe).ok()?.options).ok()?;
    let in_effect = processor.image_options().stated();
    let on: Vec<&str> =
        in_effect.iter().filter(|(_, value)| value.as_bool() != Some(false)).map(|(name, _)| *name).collect();
    smaller_images(&on)
}

impl ImageSettings {
    /// Determines the image settings of a recipe's run. An adapter folder without a setting was trained with the setting of
    /// its base.
    ///
    /// # Errors
    /// When the processor files of the adapter or the base cannot be read.
    pub fn of(recipe: &Recipe) -> Result<Self, ProcessorError> {
        let stated = of_recipe(recipe);
        let Some(adapter) = &recipe.adapter_name_or_path else {
            return Ok(Self { options: stated, ..Self::default() });
        };
        let base = Processor::from_folder(&recipe.model_name_or_path)?;
        let in_base = base.image_options().stated();
        // Settings that the family of the model does not have are left out.
        let names: Vec<&str> = in_base.iter().map(|(name, _)| *name).collect();
        let of_adapter = stated_options(adapter)?.only(&names);
        let (mut notes, mut warnings) = (Vec::new(), Vec::new());
        let adapter = adapter.display();
        for (name, in_base) in in_base {
            let value = |options: ImageOptions| {
                options.stated().into_iter().find_map(|(other, value)| (other == name).then_some(value))
            };
            let (stated, trained, key) =
                (value(stated), value(of_adapter).unwrap_or(in_base.clone()), recipe_key(name));
            match stated {
                None if trained != in_base => notes.push(format!(
                    "{adapter}: the adapter was trained with `{key} = {trained}`, unlike the base model: this run uses it, \
                     too"
                )),
                Some(stated) if stated != trained => warnings.push(format!(
                    "{adapter}: the adapter was trained with `{key} = {trained}`, and the recipe has `{key} = {stated}` -> \
                     remove the key, unless training is meant to go on with other image tokens"
                )),
                _ => {}
            }
        }
        Ok(Self { options: stated.or(of_adapter), notes, warnings })
    }

    /// Determines the image settings as [`ImageSettings::of`] does, reports notes and warnings to `progress`, and returns
    /// the settings.
    ///
    /// # Errors
    /// Those of [`ImageSettings::of`].
    pub fn reported(recipe: &Recipe, progress: &mut dyn Progress) -> Result<ImageOptions, ProcessorError> {
        let found = Self::of(recipe)?;
        found.notes.iter().for_each(|note| progress.note(note));
        found.warnings.iter().for_each(|warning| progress.warning(warning));
        Ok(found.options)
    }
}
