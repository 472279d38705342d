//! What learns when: phases that freeze the same parts are under one regime.

use crate::recipe_to_model::is_frozen;
use stepwise_recipe::{Freeze, Recipe};
use stepwise_vlm::idefics3::ModelPart;

use crate::optim::learning_rates::Rates;
use crate::preflight::token_stats::{Largest, Survey};

/// What learns in some of the phases, and the most that they take.
#[derive(Clone, Debug, PartialEq)]
pub struct Regime {
    /// What does not, of what the recipe trains.
    pub freeze: Freeze,
    /// Its phases, each with its peak learning rates.
    pub phases: Vec<(String, Rates)>,
    /// Their largest micro-batch; nothing where no step is left to them.
    pub largest: Largest,
}

impl Regime {
    /// Those of a recipe, in the order in which they first hold.
    #[must_use]
    pub fn all(recipe: &Recipe, survey: &Survey) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for (index, phase) in recipe.curriculum.phase.iter().enumerate() {
            let at = found.iter().position(|regime| regime.freeze == phase.freeze).unwrap_or_else(|| {
                found.push(Self { freeze: phase.freeze, phases: Vec::new(), largest: Largest::default() });
                found.len() - 1
            });
            let measured = survey.phases.iter().filter(|measured| measured.phase == index);
            let regime = &mut found[at];
            regime.phases.push((phase.name.clone(), Rates::peak(recipe, phase)));
            let known = regime.largest;
            regime.largest = Largest::of(std::iter::once(&known).chain(measured.map(|measured| &measured.largest)));
        }
        found
    }

    /// Peak learning rates of its phases, where the part learns in them.
    pub fn rates(&self, part: ModelPart) -> impl Iterator<Item = &Rates> {
        self.phases.iter().map(|(_, rates)| rates).filter(move |_| !is_frozen(self.freeze, part))
    }
}
