//! Further views of a training example, for objectives: the clean question, no image, the evidence masked.

use std::sync::Arc;

use stepwise_benchmark::perturb::{Perturbation, Perturbed, ShownImages};
use stepwise_curriculum::run_plan::StepPosition;
use stepwise_data::prompt::PromptOptions;
use stepwise_objectives::{Needs, View};

use super::augment::{AugmentedQuestion, Augmenter, plain};

/// Makes the further views of training examples.
pub struct ViewBuilder {
    mask: Arc<dyn Perturbation>,
}

impl Default for ViewBuilder {
    fn default() -> Self {
        Self { mask: plain("region_mask") }
    }
}

impl ViewBuilder {
    /// Returns the further views of `asked` that `needs` names and that exist for it, without [`View::Other`], which is the
    /// other example of a pair.
    pub fn views(
        &self,
        augmenter: &Augmenter<'_>,
        place: StepPosition,
        asked: &AugmentedQuestion,
        needs: Needs,
    ) -> Vec<(View, AugmentedQuestion)> {
        let changed = |perturbed: Perturbed| AugmentedQuestion { perturbed, ..asked.clone() };
        let mut views = Vec::new();
        if needs.has(View::Clean)
            && let Some(perturbed) = clean(asked)
        {
            views.push((View::Clean, changed(perturbed)));
        }
        if needs.has(View::WithoutImage) || needs.blind {
            let mut perturbed = Perturbed { attack: None, ..asked.perturbed.clone() };
            perturbed.frame.without_images = true;
            views.push((View::WithoutImage, changed(perturbed)));
        }
        if needs.has(View::Masked) && shows_evidence(asked) {
            let scene = augmenter.scene(place, asked.sample);
            if let Ok(masked) = self.mask.perturb(&scene) {
                let perturbed = Perturbed { pictures: masked.pictures, ..asked.perturbed.clone() };
                views.push((View::Masked, changed(perturbed)));
            }
        }
        views
    }
}

/// The question as stored, with the context of the training example. None if the example has no condition, or the condition
/// shows another image, removes the image or changes the answer.
fn clean(asked: &AugmentedQuestion) -> Option<Perturbed> {
    let Perturbed { item, frame, pictures, .. } = &asked.perturbed;
    let is_own = asked.is_blank || matches!(pictures, ShownImages::Own | ShownImages::Edited(_));
    let is_changed = asked.condition.is_some_and(|condition| condition != super::augment::PAIR);
    if !is_changed || item.is_some() || !is_own || frame.without_images {
        return None;
    }
    let frame = PromptOptions { context: frame.context.clone(), ..PromptOptions::default() };
    // Blank images of a phase are no condition: they stay.
    let pictures = if asked.is_blank { pictures.clone() } else { ShownImages::Own };
    Some(Perturbed { frame, pictures, ..Perturbed::default() })
}

/// Whether the example shows the stored question on its own unchanged images.
fn shows_evidence(asked: &AugmentedQuestion) -> bool {
    let Perturbed { item, frame, pictures, attack, .. } = &asked.perturbed;
    let is_stored = asked.condition.is_none_or(|condition| condition == super::augment::PAIR);
    is_stored && item.is_none() && matches!(pictures, ShownImages::Own) && attack.is_none() && !frame.without_images
}
