//! Files that are no supervised fine-tuning, and files that cannot be read.

use super::*;

/// Names and texts of files that are refused, with the word that the message must hold.
const OTHERS: &[(&str, &str, &str)] = &[
    ("lf.yaml", "model_name_or_path: m\nstage: dpo\ndo_train: true\nlora_rank: 8\n", "stepwise init"),
    ("lf.yaml", "model_name_or_path: m\nstage: kto\nlora_rank: 8\n", "stepwise init"),
    ("lf.yaml", "model_name_or_path: m\nstage: rm\nlora_rank: 8\n", "stepwise init"),
    ("lf.yaml", "model_name_or_path: m\nstage: pt\nlora_rank: 8\n", "stepwise init"),
    ("lf.yaml", "model_name_or_path: m\nstage: ppo\nreward_model: r\n", "stepwise init"),
    ("lf.yaml", "model_name_or_path: m\nadapter_name_or_path: a\ntemplate: x\nexport_dir: o\n", "stepwise export"),
    ("lf.yaml", "model_name_or_path: m\ntemplate: x\nexport_dir: o\nexport_quantization_bit: 4\n", "load_in_4bit"),
    ("lf.yaml", "model_name_or_path: m\ntemplate: x\ninfer_backend: vllm\n", "stepwise ask"),
    ("lf.yaml", "model_name_or_path: m\nstage: sft\ndo_predict: true\ntemplate: x\n", "stepwise eval"),
    ("lf.yaml", "model_name_or_path: m\ntask: mmlu_test\ntemplate: x\nn_shot: 5\n", "stepwise eval"),
    ("lf.yaml", "model_name_or_path: m\nstage: sft\ndo_train: true\ntokenized_path: t\n", "stepwise check"),
    ("lf.yaml", "model_name_or_path: m\nstage: sft\nfinetuning_type: freeze\n", "LoRA or full"),
    (
        "train_lora_dpo.yaml",
        "model: m\npeft_config: {name: lora}\ntrain_dataset: d\nmicro_batch_size: 1\n",
        "stepwise init",
    ),
    ("v1.yaml", "model: m\npeft_config: {name: lora, export_dir: o}\nmodel_class: llm\n", "stepwise export"),
    ("v1.yaml", "model: m\nmodel_class: llm\nsample_backend: hf\n", "stepwise ask"),
    ("v1.yaml", "model: m\npeft_config: {name: freeze}\ntrain_dataset: d\nmicro_batch_size: 1\n", "LoRA or full"),
    ("s.yaml", "model: m\nrlhf_type: grpo\ntuner_type: lora\nfreeze_vit: true\n", "stepwise init"),
    ("s.yaml", "model: m\ntask_type: seq_cls\ntuner_type: lora\nfreeze_vit: true\n", "stepwise init"),
    ("s.yaml", "adapters: a\ninfer_backend: vllm\nval_dataset: d\nstream: true\n", "stepwise ask"),
    ("s.yaml", "model: m\ntuner_type: adalora\nlora_dtype: float32\ndataset: d\n", "LoRA or full"),
    ("t.yaml", "model_name_or_path: m\ndataset_name: d\nbeta: 0.1\nuse_peft: true\n", "stepwise init"),
    ("t.yaml", "model_name_or_path: m\ndataset_name: d\nloss_type: sigmoid\n", "stepwise init"),
    ("t.yaml", "model_name_or_path: m\ndataset_name: d\nnum_generations: 8\n", "stepwise init"),
    ("reward.yaml", "model_name_or_path: m\ndataset_name: d\nuse_peft: true\n", "stepwise init"),
    ("t.yaml", "model_name_or_path: m\ndataset_name: d\noutput_dir: llama-kto\nuse_peft: true\n", "stepwise init"),
    ("a.yml", "base_model: m\nrl: dpo\nadapter: lora\n", "stepwise init"),
    ("a.yml", "base_model: m\nrl: grpo\ntrl: {beta: 0.1}\n", "stepwise init"),
    ("a.yml", "base_model: m\nreward_model: true\nadapter: lora\n", "stepwise init"),
    ("a.yml", "base_model: m\npretraining_dataset: [{path: d}]\n", "stepwise init"),
    ("a.yml", "base_model: m\ndatasets: [{path: d, type: completion}]\nadapter: lora\n", "stepwise init"),
    ("a.yml", "base_model: m\nadapter: llama-adapter\ndatasets: [{path: d}]\n", "LoRA or full"),
    ("acc.yaml", "compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_GPU\n", "the training tool"),
    ("ds.json", "{\"zero_optimization\": {\"stage\": 2}}", "the training tool"),
    (
        "m.yml",
        "merge_method: slerp\nbase_model: m\nslices: [{sources: [{model: a}]}]\ndtype: bfloat16\n",
        "stepwise export",
    ),
    ("m.yml", "models: [{model: a}, {model: b}]\nmerge_method: linear\n", "stepwise export"),
    ("a.yml", "base_model: m\nadapter: lora\nmerge_method: legacy\n", "stepwise export"),
    ("x.sh", "swift rlhf --rlhf_type dpo --model m\n", "stepwise init"),
    ("x.sh", "swift pt --model m\n", "stepwise init"),
    ("x.sh", "CUDA_VISIBLE_DEVICES=0 swift infer --adapters a\n", "stepwise ask"),
    ("x.sh", "swift export --adapters a --merge_lora true\n", "stepwise export"),
    ("x.sh", "swift export --model m --quant_bits 4\n", "load_in_4bit"),
    ("x.sh", "swift eval --model m\n", "stepwise eval"),
    ("x.sh", "megatron rlhf --rlhf_type kto\n", "stepwise init"),
    ("x.sh", "llamafactory-cli export merge.yaml\n", "stepwise export"),
    ("x.sh", "llamafactory-cli chat c.yaml\n", "stepwise ask"),
    ("x.sh", "API_PORT=8000 lmf api c.yaml\n", "stepwise ask"),
    ("x.sh", "trl dpo --model_name_or_path m\n", "stepwise init"),
    ("x.sh", "trl grpo --config c.yaml\n", "stepwise init"),
    ("x.sh", "axolotl inference c.yml\n", "stepwise ask"),
    ("x.sh", "python -m axolotl.cli.merge_lora c.yml\n", "stepwise export"),
    ("x.sh", "accelerate launch -m axolotl.cli.evaluate c.yml\n", "stepwise eval"),
    ("x.sh", "axolotl preprocess c.yml\n", "stepwise check"),
    (
        "x.sh",
        "accelerate launch --num_processes 8 examples/scripts/dpo_vlm.py --model_name_or_path m\n",
        "stepwise init",
    ),
    ("x.sh", "torchrun --nproc_per_node 2 grpo_vlm.py --a b\n", "stepwise init"),
    ("x.sh", "python examples/scripts/reward_modeling.py\n", "stepwise init"),
];

#[test]
fn what_is_no_supervised_fine_tuning_is_refused_with_the_command_that_fits() {
    let mut said = String::new();
    for (name, text, advice) in OTHERS {
        let shown = shown(name, text, &with_files());
        assert!(shown.contains("no supervised fine-tuning") && shown.contains(advice), "{text}{shown}");
        said.push_str(&shown);
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_name_with_sft_and_a_command_are_believed() {
    let text = "model_name_or_path: m\ndataset_name: d\noutput_dir: dpo-base-sft\nuse_peft: true\n";
    assert!(convert(Path::new("t.yaml"), text, &Request::default()).is_ok());
    let text = "trl sft --model_name_or_path m --dataset_name dpo_mix --output_dir o\n";
    assert!(convert(Path::new("dpo.sh"), text, &Request::default()).is_ok());
}

#[test]
fn what_is_no_recipe_of_a_known_tool() {
    let mut said = String::new();
    for (name, text) in [
        ("x.yaml", "a: [1"),
        ("x.yaml", "- 1\n- 2\n"),
        ("x.yaml", ""),
        ("x.yaml", "--- 1\n--- 2\n"),
        ("x.yaml", "learning_rate: 1e-4\n"),
        ("x.yaml", "stage: sft\ntemplate: x\n"),
        ("x.sh", "echo hello\n"),
        ("x.sh", "python train.py --lr 1\n"),
        ("x.sh", "swift sft --model 'm\n"),
        ("x.sh", "swift sft --model m\nswift sft --model n\n"),
        ("x.sh", "axolotl train absent.yml\n"),
    ] {
        said.push_str(&format!("{text:?}\n{}", shown(name, text, &with_files())));
    }
    let named = Request { from: Some(Tool::MsSwift), ..Request::default() };
    said.push_str(&shown("x.yaml", "learning_rate: 1e-4\nmodel: m\n", &named));
    insta::assert_snapshot!(said);
}
