//! Freeze groups: phases that freeze the same model parts.

use crate::recipe_to_model::is_frozen;
use stepwise_recipe::{Freeze, Recipe};
use stepwise_vlm::model::ModelPart;

use crate::optim::part_rates::Rates;
use crate::preflight::token_stats::{LargestBatch, TokenStats};

/// Freeze group: the phases that freeze the same parts, and their largest micro-batch.
#[derive(Clone, Debug, PartialEq)]
pub struct FreezeGroup {
    /// Parts that these phases freeze in addition to what the recipe never trains.
    pub freeze: Freeze,
    /// Names of the phases with their peak learning rates.
    pub phases: Vec<(String, Rates)>,
    /// Largest micro-batch of the phases; all zero if `max_steps` leaves them no step.
    pub largest: LargestBatch,
}

impl FreezeGroup {
    /// Returns the freeze groups of a recipe, in the order of their first phases.
    #[must_use]
    pub fn all(recipe: &Recipe, token_stats: &TokenStats) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for (index, phase) in recipe.curriculum.phase.iter().enumerate() {
            let at = found.iter().position(|freeze_group| freeze_group.freeze == phase.freeze).unwrap_or_else(|| {
                found.push(Self { freeze: phase.freeze, phases: Vec::new(), largest: LargestBatch::default() });
                found.len() - 1
            });
            let measured = token_stats.phases.iter().filter(|measured| measured.phase == index);
            let freeze_group = &mut found[at];
            freeze_group.phases.push((phase.name.clone(), Rates::peak(recipe, phase)));
            let known = freeze_group.largest;
            freeze_group.largest =
                LargestBatch::of(std::iter::once(&known).chain(measured.map(|measured| &measured.largest)));
        }
        found
    }

    /// Iterates over the peak learning rates of the phases; empty if the group freezes `part`.
    pub fn rates(&self, part: ModelPart) -> impl Iterator<Item = &Rates> {
        self.phases.iter().map(|(_, rates)| rates).filter(move |_| !is_frozen(self.freeze, part))
    }
}
