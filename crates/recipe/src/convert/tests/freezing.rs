//! Keys of other tools that freeze parts of the model.

use super::*;

fn converted(tool: Tool, text: &str) -> Converted {
    convert(Path::new("x.yaml"), text, &Request { from: Some(tool), ..Request::default() }).expect("a recipe")
}

#[test]
fn frozen_encoders_of_axolotl_are_vision_tower_and_connector() {
    for head in ["base_model: m\nadapter: lora\n", "base_model: m\n"] {
        let Converted { recipe, keys, .. } = converted(Tool::Axolotl, &format!("{head}freeze_mm_modules: true\n"));
        assert!(recipe.contains("freeze_vision_tower = true\n"), "{recipe}");
        assert!(recipe.contains("freeze_multi_modal_projector = true\n"), "{recipe}");
        assert!(keys.iter().all(|key| key.fate == Fate::Carried), "{keys:?}");
        let Converted { recipe, keys, .. } = converted(Tool::Axolotl, &format!("{head}freeze_mm_modules: false\n"));
        assert!(recipe.contains("freeze_vision_tower = false # Axolotl's default"), "{recipe}");
        assert!(matches!(&keys.last().expect("a key").fate, Fate::Ignored(_)), "{keys:?}");
    }
}

/// Freezing exists here, by part: no key that freezes may be called a method that is missing.
#[test]
fn keys_that_freeze_single_parameters_name_the_keys_here() {
    for (tool, text) in [
        (Tool::Axolotl, "base_model: m\nunfrozen_parameters: [lm_head]\n"),
        (Tool::MsSwift, "model: m\nfreeze_parameters: model.visual\n"),
        (Tool::MsSwift, "model: m\nfreeze_parameters_ratio: 0.5\n"),
        (Tool::MegatronSwift, "model: m\ntrainable_parameters: model.visual\n"),
    ] {
        let keys = converted(tool, text).keys;
        let Fate::Left(why) = &keys.last().expect("a key").fate else { panic!("{keys:?}") };
        assert!(why.contains("`freeze_vision_tower`"), "{why}");
    }
}
