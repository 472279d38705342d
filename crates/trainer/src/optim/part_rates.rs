//! Learning rates of the model parts, and the ratio between `lora_B` and `lora_A` (LoRA+, Hayou et al., 2024).

use std::ops::Range;

use crate::optim::joined::Class;
use crate::recipe_to_model::is_frozen;
use stepwise_curriculum::run_plan::{RunPlan, StepPosition};
use stepwise_recipe::{PhaseRecipe, Recipe, Tuning};
use stepwise_vlm::model::ModelPart;

/// Learning rates of one step, or of the peak of a schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Learning rate of the vision tower.
    pub vision: f64,
    /// Learning rate of the connector.
    pub connector: f64,
    /// Learning rate of the decoder.
    pub decoder: f64,
    /// Factor on the rate of the part for `lora_B` and for vectors; 1 without LoRA+.
    pub loraplus_ratio: f64,
}

impl Rates {
    /// Returns the same learning rate for all parts, without LoRA+.
    #[must_use]
    pub const fn same(rate: f64) -> Self {
        Self { vision: rate, connector: rate, decoder: rate, loraplus_ratio: 1.0 }
    }

    /// Returns the peak learning rates of a phase, before warm-up and schedule.
    #[must_use]
    pub fn peak(recipe: &Recipe, phase: &PhaseRecipe) -> Self {
        let (train, own) = (&recipe.train, phase.learning_rate);
        let ratio = match &recipe.tuning {
            Tuning::Lora { lora } => lora.loraplus_lr_ratio,
            Tuning::Full { .. } => None,
        };
        Self {
            vision: train.vision_tower_lr.unwrap_or(own),
            connector: train.multi_modal_projector_lr.unwrap_or(own),
            decoder: own,
            loraplus_ratio: ratio.unwrap_or(1.0),
        }
    }

    /// Computes the learning rates of the step at `place`, with `done` completed of `planned` steps of the run. The
    /// schedule spans the phase if `lr_schedule_per_phase` is set, else the whole run.
    ///
    /// # Panics
    /// When the recipe has no such phase.
    #[must_use]
    pub fn at(recipe: &Recipe, place: StepPosition, (done, planned): (u64, u64)) -> Self {
        let phase = &recipe.curriculum.phase[place.phase];
        let of_phase = (place.phase_step, place.phase_total);
        let (at, of) = if recipe.curriculum.lr_schedule_per_phase { of_phase } else { (done, planned) };
        let warmup = phase.warmup.unwrap_or(recipe.train.warmup);
        Self::peak(recipe, phase).times(recipe.train.lr_scheduler_type.factor(at, warmup.steps(of), of))
    }

    /// Returns whether one of the `steps` of the run, counted from 0, has a learning rate above 0; false for an empty
    /// range.
    #[must_use]
    pub fn train_within(recipe: &Recipe, run_plan: &RunPlan, mut steps: Range<u64>) -> bool {
        steps.any(|done| Self::at(recipe, run_plan.at(done), (done, run_plan.planned)).decoder > 0.0)
    }

    /// Returns the learning rate shown in logs: the rate of the last part that `phase` trains, in the order vision
    /// tower, connector, decoder.
    #[must_use]
    pub fn named(&self, recipe: &Recipe, phase: &PhaseRecipe) -> f64 {
        let never = recipe.tuning.freeze();
        let learns = |part: &ModelPart| !is_frozen(never, *part) && !is_frozen(phase.freeze, *part);
        self.of_part(ModelPart::ALL.into_iter().rev().find(learns).unwrap_or(ModelPart::Decoder))
    }

    /// Multiplies all rates by `factor`. The LoRA+ ratio stays.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        let Self { vision, connector, decoder, loraplus_ratio } = self;
        Self { vision: factor * vision, connector: factor * connector, decoder: factor * decoder, loraplus_ratio }
    }

    /// Returns the learning rate of a part, without the LoRA+ ratio.
    #[must_use]
    pub fn of_part(&self, part: ModelPart) -> f64 {
        match part {
            ModelPart::Vision => self.vision,
            ModelPart::Connector => self.connector,
            ModelPart::Decoder => self.decoder,
        }
    }

    /// Returns the learning rate of a class of parameters.
    pub(crate) fn of(&self, class: Class) -> f64 {
        let rate = self.of_part(class.part);
        if class.takes_ratio { rate * self.loraplus_ratio } else { rate }
    }
}

/// Returns whether the parameter `name` with `axes` dimensions is multiplied by the ratio of LoRA+. The groups are those
/// of PEFT's `create_loraplus_optimizer`: `lora_B` and all one-dimensional parameters use the ratio.
pub(crate) fn takes_ratio(name: &str, axes: usize) -> bool {
    name.contains("lora_B") || axes == 1
}

#[cfg(test)]
mod tests {
    use stepwise_testing::cases::synthetic;
    use stepwise_testing::recipe::recipe_on;

    use super::*;

    #[test]
    fn a_parameter_has_the_rate_of_its_part_and_kind() {
        let rates = Rates { vision: 1.0, connector: 2.0, decoder: 3.0, loraplus_ratio: 10.0 }.times(0.5);
        let of = |name, axes| rates.of(Class::of(name, axes));
        assert_eq!(of("model.vision_model.x.lora_A.weight", 2), 0.5);
        assert_eq!(of("model.vision_model.x.lora_B.weight", 2), 5.0);
        assert_eq!(of("model.connector.modality_projection.proj.weight", 2), 1.0);
        assert_eq!(of("model.text_model.x.lora_magnitude_vector", 1), 15.0);
        assert_eq!(of("lm_head.weight", 2), 1.5);
    }

    #[test]
    fn logs_show_the_rate_of_the_last_trainable_part() {
        let recipe = recipe_on(
            8,
            "[lora]\nfreeze_vision_tower = false\n[train]\nlearning_rate = 1e-3\nvision_tower_lr = 1e-5\n\
             [[curriculum.phase]]\nstages = [1]\nfreeze_language_model = true\n[[curriculum.phase]]\nstages = [2]\n",
        );
        let named = |phase: &PhaseRecipe| Rates::peak(&recipe, phase).named(&recipe, phase);
        assert_eq!(recipe.curriculum.phase.iter().map(named).collect::<Vec<_>>(), [1e-5, 1e-3]);
    }

    #[test]
    fn max_steps_shortens_a_phase_and_its_schedule() {
        let cases = synthetic(40);
        for (lr_schedule_per_phase, ends) in [(true, [0.0, 0.0]), (false, [0.5, 0.0])] {
            let recipe = recipe_on(
                40,
                &format!(
                    "[train]\ngradient_accumulation_steps = 4\nlearning_rate = 1.0\nwarmup_steps = 0\n\
                     lr_scheduler_type = \"linear\"\nnum_train_epochs = 2\nmax_steps = 40\n\
                     [curriculum]\nlr_schedule_per_phase = {lr_schedule_per_phase}\n[[curriculum.phase]]\nstages = [1]\n\
                     [[curriculum.phase]]\nstages = [2]\n[[curriculum.phase]]\nstages = [3]\n"
                ),
            );
            let mut run_plan = RunPlan::new(&recipe, &cases).expect("a course");
            assert_eq!((run_plan.total, run_plan.phases(), run_plan.at(39).phase), (40, 3, 1));
            let rate =
                |run_plan: &RunPlan, done: u64| Rates::at(&recipe, run_plan.at(done), (done, run_plan.planned)).decoder;
            // The rate of the last step is one decrement above the end value; the schedule has 20 or 40 steps.
            let fall = if lr_schedule_per_phase { 1.0 / 20.0 } else { 1.0 / 40.0 };
            let last = [19, 39].map(|done| rate(&run_plan, done));
            assert!(
                last.iter().zip(ends).all(|(rate, end)| (rate - end - fall).abs() < 1e-12),
                "{lr_schedule_per_phase}: {last:?}"
            );
            // After an early advance the next phases begin earlier, and a schedule over the run continues unchanged.
            let (before, after) = (rate(&run_plan, 9), rate(&run_plan, 10));
            run_plan.cut(0, 10);
            assert_eq!((run_plan.total, run_plan.at(10).phase), (40, 1), "max_steps reaches into the third phase");
            assert_eq!(rate(&run_plan, 10), if lr_schedule_per_phase { 1.0 } else { after }, "{before}");
        }
    }
}
