//! Advice for failures of the compute device.

use stepwise_recipe::{InitLoraWeights, Recipe, Tuning};
use stepwise_vlm::Precision;

use super::DeviceFailure;
use crate::image_settings::smaller_images_of_run;
use crate::recipe_to_model::base_precision;

/// Advice for a device that failed in a command that trains nothing, as an instruction without a full stop.
#[must_use]
pub fn remedy(failure: &DeviceFailure) -> String {
    match failure.is_of_memory() {
        true => {
            "use a device with more memory or `--device cpu`, or smaller images if the model takes images of any size"
                .to_owned()
        }
        false => OTHER.to_owned(),
    }
}

/// Advice for a device that failed in a run of `recipe`, as an instruction without a full stop. Settings that the
/// recipe has or excludes, and image settings that its model does not have, are left out. The processor files of the
/// model are read; without them no image setting is advised.
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
    let can_quantise = can_quantise && !matches!(base_precision(train), Precision::Nf4 { .. });
    let remedies = [
        (train.per_device_train_batch_size > 1).then_some("lower `train.per_device_train_batch_size`"),
        (!train.gradient_checkpointing).then_some("set `train.gradient_checkpointing = true`"),
        smaller_images_of_run(recipe),
        can_quantise.then_some("set `train.load_in_4bit = true`"),
    ];
    let remedies: Vec<&str> = remedies.into_iter().flatten().collect();
    match remedies.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{}, or {last}", rest.join(", ")),
        Some((only, _)) => (*only).to_owned(),
        None => "use a device with more memory, or `--device cpu`".to_owned(),
    }
}

const OTHER: &str = "run `stepwise doctor` to test the device, or use another one (`--device`)";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use stepwise_testing::files::{parity, tiny};
    use stepwise_testing::recipe::recipe;
    use stepwise_vlm::images::processor::{ImageOptions, recipe_key};
    use stepwise_vlm::processor::Processor;

    use super::*;
    use crate::device::Cause;
    use crate::image_settings::of_table;

    /// Keys of a run that has switched on all that saves memory without an image setting.
    const SMALL: &str = "train.per_device_train_batch_size = 1\ntrain.gradient_checkpointing = true\n\
        train.load_in_4bit = true\n";

    const MORE_MEMORY: &str = "use a device with more memory, or `--device cpu`";

    fn advised(model: &Path, lines: &str) -> String {
        let failure = DeviceFailure { cause: Cause::OutOfMemory(None), in_background: false };
        let recipe = recipe(format!(
            "model_name_or_path = {model:?}\ndata.synth = {{ cases = 12 }}\n{lines}\n[[curriculum.phase]]\nstages = [1]\n\
             [benchmark]\nsuite = \"none\"\n"
        ));
        training_remedy(&failure, &recipe)
    }

    /// Model folders of all families.
    fn families() -> Vec<std::path::PathBuf> {
        let fixtures = std::fs::read_dir(parity().join("families/fixtures")).expect("a folder");
        let models = fixtures.map(|entry| entry.expect("an entry").path().join("model"));
        models.filter(|model| model.is_dir()).chain([tiny()]).collect()
    }

    #[test]
    fn advice_leaves_out_settings_that_the_recipe_has_or_excludes() {
        let advised = |lines: &str| advised(Path::new("absent"), lines);
        let size = "train.per_device_train_batch_size";
        let one = format!("{size} = 1\ntrain.gradient_checkpointing = true\n");
        assert_eq!(
            advised(&format!("{size} = 2")),
            "lower `train.per_device_train_batch_size`, set `train.gradient_checkpointing = true`, \
             or set `train.load_in_4bit = true`"
        );
        assert_eq!(advised(&one), "set `train.load_in_4bit = true`");
        assert_eq!(advised(SMALL), MORE_MEMORY);
        assert_eq!(advised(&format!("{one}finetuning_type = \"full\"")), MORE_MEMORY);
        let lost = DeviceFailure { cause: Cause::Other("lost".to_owned()), in_background: false };
        assert!(remedy(&lost).starts_with("run `stepwise doctor`"));
    }

    #[test]
    fn advice_names_only_image_keys_that_the_model_takes() {
        let mut named = Vec::new();
        for model in families() {
            let processor = Processor::from_folder(&model).expect("a processor");
            let own = processor.image_options();
            for (key, value) in [
                ("image_max_pixels", toml::Value::from(4096)),
                ("do_image_splitting", true.into()),
                ("do_pan_and_scan", true.into()),
            ] {
                let stated = of_table(&toml::Table::from_iter([(key.to_owned(), value.clone())]));
                let taken = own.stated().iter().any(|(name, _)| recipe_key(name) == key);
                assert_eq!(processor.clone().set_image_options(stated).is_ok(), taken, "{key} of {model:?}");
                let lines = if taken { format!("{key} = {value}\n") } else { String::new() };
                let advice = advised(&model, &format!("{lines}{SMALL}"));
                assert_eq!(advice.contains(&format!("`{key}")), taken, "{key} of {model:?}: {advice}");
                named.extend(taken.then_some(key));
            }
        }
        named.sort_unstable();
        named.dedup();
        assert_eq!(named, ["do_image_splitting", "do_pan_and_scan", "image_max_pixels"]);
    }

    #[test]
    fn a_setting_that_is_switched_off_is_not_advised() {
        for model in families() {
            for (setting, off) in [
                ("do_image_splitting", ImageOptions { do_image_splitting: Some(false), ..ImageOptions::default() }),
                ("do_pan_and_scan", ImageOptions { do_pan_and_scan: Some(false), ..ImageOptions::default() }),
            ] {
                if Processor::from_folder(&model).expect("a processor").set_image_options(off).is_ok() {
                    assert_eq!(advised(&model, &format!("{setting} = false\n{SMALL}")), MORE_MEMORY, "{model:?}");
                }
            }
        }
    }

    #[test]
    fn a_refused_key_has_its_name_in_recipes() {
        for model in families() {
            let mut processor = Processor::from_folder(&model).expect("a processor");
            for key in ["image_max_pixels", "image_min_pixels", "do_image_splitting", "do_pan_and_scan"] {
                let value = if key.ends_with("pixels") { toml::Value::from(4096) } else { true.into() };
                let stated = of_table(&toml::Table::from_iter([(key.to_owned(), value)]));
                if let Err(refused) = processor.set_image_options(stated) {
                    let message = refused.to_string();
                    assert!(message.contains(&format!("`{key}` has no effect on ")), "{message}");
                    assert!(!message.contains("`max_pixels`") && !message.contains("`min_pixels`"), "{message}");
                }
            }
        }
    }
}
