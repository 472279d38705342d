//! `stepwise init`, `schema`, `convert`, and `check` of a recipe.

use crate::common::Workplace;

#[test]
fn init_writes_a_recipe_that_runs_and_never_over_another() {
    let place = Workplace::new();
    let mut said = String::new();
    for line in [
        "init",
        "init",
        "init --preset cxr a/b.toml",
        "init --preset smolvlm-256m-lora big.toml",
        "init --preset quik x.toml",
    ] {
        said.push_str(&format!("$ stepwise {line}\n{}", place.run(line).shown()));
    }
    insta::assert_snapshot!(said);
    let set = "--set model_name_or_path=model --set train.max_steps=1 --set benchmark.suite=none";
    place.write("base.toml", place.read("recipe.toml"));
    place.done("init mine.toml");
    place.done(&format!("train mine.toml {set} --set data.synth.cases=24 --set data.synth.image_size=64"));
    assert!(place.path("checkpoints/mine/checkpoint-1").is_dir(), "a run is named after its recipe");
}

#[test]
fn schema_prints_the_reference_of_the_library() {
    let place = Workplace::empty();
    let schema = serde_json::to_string_pretty(&stepwise_recipe::reference().json_schema()).expect("JSON") + "\n";
    let cases = serde_json::to_string_pretty(&stepwise_data::case_schema::json_schema()).expect("JSON") + "\n";
    for (line, wanted) in [
        ("schema", schema),
        ("schema --markdown", stepwise_recipe::reference_page::markdown()),
        ("schema --suite", stepwise_benchmark::suite_reference::markdown()),
        ("schema --study", stepwise_recipe::study_file::markdown()),
        ("schema --cases", cases),
        ("schema --cases --markdown", stepwise_data::case_schema::markdown() + "\n"),
        ("schema --taxonomy", stepwise_data::taxonomy::Taxonomy::default().markdown() + "\n"),
    ] {
        assert_eq!(place.done(line).stdout, wanted, "{line}");
    }
}

#[test]
fn convert_says_what_it_could_not_carry_over() {
    let place = Workplace::empty();
    place.write(
        "lf.yaml",
        "stage: sft\nmodel_name_or_path: m\nfinetuning_type: lora\nlora_rank: 16\ndeepspeed: ds.json\n",
    );
    place.write("unclear.yaml", "learning_rate: 1e-4\n");
    place.write(
        "axolotl.yml",
        "base_model: m\nadapter: lora\nlora_r: 16\nlora_target_linear: true\nfp16:\nsample_packing: false\n\
         learning_rate: 2e-4\nlearning_rat: 1\n",
    );
    place.write("steps/train.yaml", "model_name_or_path: m\nstage: sft\nlora_rank: 8\nmax_steps: 20\n");
    place.write(
        "train.sh",
        "#!/bin/sh\nCUDA_VISIBLE_DEVICES=0,1 llamafactory-cli train steps/train.yaml \\\n  learning_rate=$RATE\n",
    );
    place.write("merge.yaml", "model_name_or_path: m\nadapter_name_or_path: a\ntemplate: x\nexport_dir: o\n");
    place.write("rlhf.sh", "swift rlhf --rlhf_type dpo --model m\n");
    place.done("data synth cases --cases 40");
    place.write("broken.yaml", "a: [1\n");
    let mut said = String::new();
    for line in [
        "convert lf.yaml",
        "convert lf.yaml --out ours.toml",
        "convert lf.yaml --out ours.toml",
        "convert axolotl.yml",
        "convert axolotl.yml --data cases",
        "convert axolotl.yml --data absent",
        "convert train.sh",
        "convert merge.yaml",
        "convert rlhf.sh",
        "convert unclear.yaml",
        "convert unclear.yaml --from hf",
        "convert broken.yaml",
        "convert absent.yaml",
    ] {
        said.push_str(&format!("$ stepwise {line}\n{}", place.run(line).shown()));
    }
    insta::assert_snapshot!(said);
    assert!(place.read("ours.toml").contains("\nr = 16\n"));
}

#[test]
fn check_says_what_a_run_would_do_and_need() {
    let place = Workplace::new();
    let mut said = String::new();
    for line in [
        "check recipe.toml",
        "check recipe.toml --set lora.r=4 --set lora.freeze_vision_tower=false",
        "check recipe.toml --set lora.rank_pattern.q_proj=4 --set lora.loraplus_lr_ratio=16 --set lora.use_dora=true --set lora.modules_to_save=[\"lm_head\"] --set lora.freeze_vision_tower=false --set train.vision_tower_lr=1e-4",
        "check recipe.toml --set lora.freeze_multi_modal_projector=false --set train.multi_modal_projector_lr=1e-4 --set curriculum.phase.0.freeze_language_model=true --set curriculum.phase.1.freeze_multi_modal_projector=true",
        "check recipe.toml --set lora.modules_to_save=[\"modality_projection.proj\"]",
        "check recipe.toml --set lora.rank_pattern.q_prj=4",
        "check recipe.toml --set lora.init_lora_weights=pissa --set lora.r=33",
        "check recipe.toml --set finetuning_type=full --set lora=1",
        "check recipe.toml --set lora.rank=4",
        "check recipe.toml --set cutoff_len=20",
        "check model --set lora.r=4",
        "preview recipe.toml --set lora.alpa=4",
    ] {
        said.push_str(&format!("$ stepwise {line}\n{}", place.run(line).shown()));
    }
    insta::assert_snapshot!(said);
    let tables = place.done("check recipe.toml --json").json();
    assert_eq!(tables["tables"][1]["rows"][0][0], "s12", "{tables}");
    assert!(!place.path("run").exists());
}
