//! Note about a list of target modules that matches layers of decoder and image encoder.

use indexmap::IndexMap;
use stepwise_recipe::Recipe;
use stepwise_vlm::adapter::{LoraConfig, Targets, selected};
use stepwise_vlm::model::{ModelPart, Vlm};

use crate::learner::Learner;

/// Returns the note for the adapter of `learner`. None in full fine-tuning, for an adapter that is continued, and for
/// target modules that are a regular expression or match the layers of one part only.
pub fn of(recipe: &Recipe, learner: &mut Learner) -> Option<String> {
    let config = learner.lora.as_ref().filter(|_| recipe.adapter_name_or_path.is_none())?;
    note(&mut learner.pipeline.model, config, recipe.tuning.freeze().vision)
}

fn note(model: &mut Vlm, config: &LoraConfig, is_frozen: bool) -> Option<String> {
    let Targets::List(ends) = &config.target_modules else { return None };
    let chosen = selected(model, config).ok()?;
    let in_part = |part| chosen.iter().filter(move |name| ModelPart::of(name) == part);
    in_part(ModelPart::Decoder).next()?;
    let mut layers: IndexMap<&str, usize> = IndexMap::new();
    in_part(ModelPart::Vision)
        .for_each(|name| *layers.entry(name.rsplit('.').next().unwrap_or(name)).or_default() += 1);
    if layers.is_empty() {
        return None;
    }
    let layers: Vec<String> = layers.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let decoder = model.config().text.module.rsplit('.').next().unwrap_or_default();
    let pattern =
        format!(r"'.*{decoder}.*\.({})'", ends.iter().map(|end| end.replace('.', r"\.")).collect::<Vec<_>>().join("|"));
    let layers = layers.join(", ");
    Some(match is_frozen {
        true => format!(
            "target_modules: the list matches layers of the image encoder, too ({layers}), and PEFT would adapt them; \
             `freeze_vision_tower = true` leaves them out -> `freeze_vision_tower = false` adapts them, and \
             `target_modules = {pattern}` selects the decoder alone in PEFT as well"
        ),
        false => format!(
            "target_modules: the list reaches into the image encoder ({layers}), as in PEFT -> `target_modules = {pattern}` \
             selects the decoder alone"
        ),
    })
}
