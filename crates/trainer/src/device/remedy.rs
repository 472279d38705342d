//! Advice for failures of the compute device.

use stepwise_recipe::{InitLoraWeights, Recipe, Tuning};
use stepwise_vlm::Precision;

use super::DeviceFailure;
use crate::recipe_to_model::base_precision;

/// Advice for a device that failed in a command that trains nothing, as an instruction without a full stop.
#[must_use]
pub fn remedy(failure: &DeviceFailure) -> String {
    match failure.is_of_memory() {
        true => "use images with fewer pixels, a device with more memory, or `--device cpu`".to_owned(),
        false => OTHER.to_owned(),
    }
}

/// Advice for a device that failed in a run of `recipe`, as an instruction without a full stop. Settings that the
/// recipe has or excludes are left out.
#[must_use]
pub fn training_remedy(failure: &DeviceFailure, recipe: &Recipe) -> String {
    if !failure.is_of_memory() {
        return OTHER.to_owned();
    }
    let train = &recipe.train;
    // Only frozen weights can be stored in four bits, and PiSSA does not support such weights.
    let can_quantise = match &recipe.tuning {
        Tuning::Lora { lora } => lora.init_lora_weights != InitLoraWeights::Pissa,
        Tuning::Full { .. } => false,
    };
    let remedies = [
        (train.per_device_train_batch_size > 1, "lower `train.per_device_train_batch_size`"),
        (!train.gradient_checkpointing, "set `train.gradient_checkpointing = true`"),
        (true, "lower `image_max_pixels`"),
        (can_quantise && !matches!(base_precision(train), Precision::Nf4 { .. }), "set `train.load_in_4bit = true`"),
    ];
    let remedies: Vec<&str> = remedies.into_iter().filter_map(|(applies, remedy)| applies.then_some(remedy)).collect();
    match remedies.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{}, or {last}", rest.join(", ")),
        _ => remedies.concat(),
    }
}

const OTHER: &str = "run `stepwise doctor` to test the device, or use another one (`--device`)";

#[cfg(test)]
mod tests {
    use stepwise_testing::recipe::recipe_on;

    use super::*;
    use crate::device::Cause;

    #[test]
    fn advice_leaves_out_settings_that_the_recipe_has_or_excludes() {
        let failure = DeviceFailure { cause: Cause::OutOfMemory(None), in_background: false };
        let advised = |more: &str| {
            let phase = "[[curriculum.phase]]\nstages = [1]\n[benchmark]\nsuite = \"none\"\n";
            training_remedy(&failure, &recipe_on(12, &format!("{more}\n{phase}")))
        };
        let size = "train.per_device_train_batch_size";
        let one = format!("{size} = 1\ntrain.gradient_checkpointing = true\n");
        assert_eq!(
            advised(&format!("{size} = 2")),
            "lower `train.per_device_train_batch_size`, set `train.gradient_checkpointing = true`, \
             lower `image_max_pixels`, or set `train.load_in_4bit = true`"
        );
        assert_eq!(advised(&one), "lower `image_max_pixels`, or set `train.load_in_4bit = true`");
        assert_eq!(advised(&format!("{one}train.load_in_4bit = true")), "lower `image_max_pixels`");
        assert_eq!(advised(&format!("{one}finetuning_type = \"full\"")), "lower `image_max_pixels`");
        let lost = DeviceFailure { cause: Cause::Other("lost".to_owned()), in_background: false };
        assert!(remedy(&lost).starts_with("run `stepwise doctor`"));
    }
}
