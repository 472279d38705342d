//! Image splitting of a run: the value of the recipe, or else the value with which the continued adapter was trained.

use stepwise_recipe::Recipe;
use stepwise_vlm::processor::{Processor, ProcessorError, stated_options};

use crate::progress::Progress;

/// Image splitting of a run that continues an adapter, compared with the adapter and the base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSplitting {
    /// Whether large images are split into tiles; None is the setting of the base model's processor.
    pub value: Option<bool>,
    /// Remark that the value is that of the adapter and not of the base; None if both agree or the recipe states a value.
    pub note: Option<String>,
    /// Warning that recipe and adapter disagree; None if they agree.
    pub warning: Option<String>,
}

impl ImageSplitting {
    /// Determines the image splitting of a recipe's run. An adapter folder without the setting was trained with the
    /// setting of its base.
    ///
    /// # Errors
    /// When the processor files of the adapter or the base cannot be read.
    pub fn of(recipe: &Recipe) -> Result<Self, ProcessorError> {
        let stated = recipe.do_image_splitting;
        let Some(adapter) = &recipe.adapter_name_or_path else {
            return Ok(Self { value: stated, ..Self::default() });
        };
        // Models that do not split images have no such setting.
        let Some(base) = Processor::from_folder(&recipe.model_name_or_path)?.image_splitting() else {
            return Ok(Self { value: stated, ..Self::default() });
        };
        let of_adapter = stated_options(adapter)?.do_image_splitting;
        let trained = of_adapter.unwrap_or(base);
        let adapter = adapter.display();
        let note = (stated.is_none() && trained != base).then(|| {
            format!(
                "{adapter}: the adapter was trained with `do_image_splitting = {trained}`, unlike the base model: this run \
                 uses it, too"
            )
        });
        let warning = stated.filter(|stated| *stated != trained).map(|stated| {
            format!(
                "{adapter}: the adapter was trained with `do_image_splitting = {trained}`, and the recipe has \
                 `do_image_splitting = {stated}` -> remove the key, unless training is meant to go on with other image \
                 tokens"
            )
        });
        Ok(Self { value: stated.or(of_adapter), note, warning })
    }

    /// Determines the image splitting as [`ImageSplitting::of`] does, reports the note or the warning to `progress`, and
    /// returns the value.
    ///
    /// # Errors
    /// Those of [`ImageSplitting::of`].
    pub fn reported(recipe: &Recipe, progress: &mut dyn Progress) -> Result<Option<bool>, ProcessorError> {
        let found = Self::of(recipe)?;
        if let Some(note) = &found.note {
            progress.note(note);
        }
        if let Some(warning) = &found.warning {
            progress.warning(warning);
        }
        Ok(found.value)
    }
}
