//! Adversarial attacks: the trait, its input and its result.

use std::fmt::Debug;
use std::sync::Arc;

use crate::model::{Model, ModelError, Objective, PixelGrid, Query};
use crate::rng::SuiteRng;

/// An adversarial change to the pixels on the model's input grid, made with pixel gradients of the gradient source.
pub trait Attack: Debug + Send + Sync {
    /// Returns a key that describes the attack completely: its kind and all its parameters. Queries whose attacks have
    /// equal keys are attacked together.
    fn key(&self) -> String;

    /// Returns whether the attack follows pixel gradients; true by default, false for noise.
    fn needs_gradients(&self) -> bool {
        true
    }

    /// Returns the gradient source of the attack; the evaluated model by default.
    fn gradient_source(&self) -> GradientSource {
        GradientSource::Model
    }

    /// Returns the attack goal; away from the right answer by default.
    fn attack_goal(&self) -> AttackGoal {
        AttackGoal::FromGold
    }

    /// Attacks all targets and returns one result for each target, in the same order. `rng` gives the random draws of
    /// the suite, and `gradient_source` is the model that [`Attack::gradient_source`] names. Targets are not changed.
    ///
    /// # Errors
    /// When the gradient source fails or returns gradients of the wrong number or shape.
    fn attack(
        &self,
        targets: &[AttackTarget],
        rng: SuiteRng,
        gradient_source: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError>;
}

/// Gradient source of an attack: the model whose pixel gradients the attack follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GradientSource {
    /// The evaluated model itself: a white-box attack.
    Model,
    /// Another model, given as [`crate::runner::Surrogate`]: the attacked image is transferred to the evaluated model.
    Surrogate,
}

/// Goal of an attack: away from the right answer, or towards a named wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttackGoal {
    /// Untargeted: away from the right answer. The attack raises the objective.
    FromGold,
    /// Targeted: towards the answer [`Perturbed::named`](super::Perturbed::named). The attack lowers the objective, the
    /// negative log-likelihood of that answer.
    ToNamed,
}

/// Result of an attack on one target: the changed pixels and how the loss rose.
#[derive(Clone, Debug, PartialEq)]
pub struct AdversarialImage {
    /// Attacked pixels, shown instead of the original pixels.
    pub pixels: PixelGrid,
    /// Quantity that the attack raises, on the gradient source: at the start and after each step. One value for a
    /// single-step attack, empty for noise. See [`crate::outcome::AttackTrace`].
    pub losses: Vec<f64>,
}

/// A query to attack, with the objective of the attack and the pixels to start from.
#[derive(Clone, Debug)]
pub struct AttackTarget {
    /// Query with its images before the attack.
    pub query: Query,
    /// Function of the model's answer to raise or, with [`AttackGoal::ToNamed`], to lower.
    pub objective: Objective,
    /// Pixels of the first image before the attack, in `0..=1` on the model's input grid: after resizing and tiling,
    /// before normalisation.
    pub pixels: Arc<PixelGrid>,
}
