//! Settings of adapters in recipes.

use super::*;

#[test]
fn adapters_of_every_kind_resolve_and_load_again() {
    let recipe = parse(ADAPTED, &[]).expect("valid");
    assert_eq!(parse(&recipe.to_toml(), &[]).expect("a resolved recipe is a recipe"), recipe);
    insta::assert_snapshot!(recipe.to_toml());
    for way in ["true", "false", "pissa"] {
        let overrides = [format!("lora.init_lora_weights={way}"), "lora.use_dora=false".to_owned()];
        let recipe = parse(ADAPTED, &[&overrides[0], &overrides[1]]).expect("valid");
        assert_eq!(parse(&recipe.to_toml(), &[]).expect("loads again"), recipe, "{way}");
    }
}

#[test]
fn what_adapters_cannot_be_is_refused() {
    let mut said = String::new();
    for overrides in [
        &["lora.use_dora=true", "lora.init_lora_weights=pissa"][..],
        &["lora.init_lora_weights=pissa", "adapter_name_or_path=earlier"],
        &["lora.init_lora_weights=pissa", "train.load_in_4bit=true"],
        &["lora.init_lora_weights=olora", "lora.loraplus_lr_ratio=0.5"],
        &["lora.rank_pattern={ q_proj = 0, k_proj = 4.5 }", "lora.alpha_pattern=8"],
        &["lora.modules_to_save=lm_head"],
        &["lora.modules_to_save=[\"\", 1]"],
        &["train.vision_tower_lr=1e-5", "train.multi_modal_projector_lr=0"],
        &["finetuning_type=full", "train.vision_tower_lr=1e-5", "lora.use_dora=true"],
    ] {
        said.push_str(&format!("--set {}\n{}\n\n", overrides.join(" --set "), message(LEAST, overrides)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn layers_of_adapters_are_read_written_and_need_a_list_of_modules() {
    let text = |lora: &str| format!("{LEAST}[lora]\n{lora}\n");
    let lists =
        "target_modules = [\"q_proj\", \"fc1\"]\nlayers_to_transform = [0, 1]\nlayers_pattern = [\"encoder.layers\"]";
    let recipe = parse(&text(lists), &[]).expect("valid");
    let Tuning::Lora { lora } = &recipe.tuning else { panic!("adapters") };
    assert_eq!((&lora.layers_to_transform, &lora.layers_pattern), (&vec![0, 1], &vec!["encoder.layers".to_owned()]));
    let again = parse(&recipe.to_toml(), &[]).expect("valid");
    assert_eq!((&again.tuning, again.digest()), (&recipe.tuning, recipe.digest()));
    for (lora, problem) in [
        ("layers_to_transform = [0]", "`layers_to_transform` restricts a list of `target_modules`, and it is a string"),
        ("target_modules = [\"q_proj\"]\nlayers_pattern = [\"layers\"]", "`layers_pattern` is given without"),
        ("target_modules = [\"q_proj\"]\nlayers_to_transform = [-1]", "`layers_to_transform` cannot be"),
        ("target_modules = [\"q_proj\"]\nlayers_to_transform = [0.5]", "`layers_to_transform` cannot be"),
        ("target_modules = [\"q_proj\"]\nlayers_to_transform = 0", "write a list of whole numbers"),
    ] {
        let refused = message(&text(lora), &[]);
        assert!(refused.contains(problem), "{lora}: {refused}");
    }
}

/// Values of the adapter are the defaults, so a recipe does not contradict an adapter by keys that nobody wrote.
#[test]
fn a_continued_adapter_gives_the_values_that_the_recipe_leaves_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = "{\"r\": 5, \"lora_alpha\": 7.0, \"use_rslora\": true, \"use_dora\": true}";
    std::fs::write(folder.path().join("adapter_config.json"), config).expect("written");
    let continued = format!("adapter_name_or_path={}", folder.path().display());
    let continued = continued.as_str();
    let lora = |overrides: &[&str]| match parse(LEAST, overrides).expect("valid").tuning {
        Tuning::Lora { lora } => (lora.r, lora.lora_alpha, lora.use_rslora, lora.use_dora),
        Tuning::Full { .. } => panic!("adapters are the default"),
    };
    assert_eq!(lora(&[continued]), (5, 7, true, true));
    assert_eq!(lora(&[continued, "lora.r=6", "lora.use_dora=false"]), (6, 7, true, false));
    assert_eq!(lora(&["adapter_name_or_path=elsewhere"]), (8, 16, false, false));
}
