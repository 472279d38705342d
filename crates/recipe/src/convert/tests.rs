//! Tests of whole translated recipes and whole lists of keys that were not carried over.

use super::*;

const LLAMA_FACTORY: &str = r#"### model
model_name_or_path: HuggingFaceTB/SmolVLM-256M-Instruct
image_max_pixels: 262144
trust_remote_code: true

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 16
lora_alpha: 32
lora_dropout: 0.1
lora_target: q_proj,v_proj
use_dora: false
additional_target: embed_tokens
freeze_vision_tower: false

### dataset
dataset: radiology_train,radiology_extra
dataset_dir: data
template: smolvlm
cutoff_len: 4096
max_samples: 1000
overwrite_cache: true
preprocessing_num_workers: 16

### output
output_dir: saves/smolvlm/lora/sft
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
report_to: wandb

### train
per_device_train_batch_size: 2
gradient_accumulation_steps: 4
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
resume_from_checkpoint: null
deepspeed: examples/deepspeed/ds_z2_config.json

### eval
val_size: 0.1
per_device_eval_batch_size: 1
eval_strategy: steps
eval_steps: 500
"#;

const MS_SWIFT: &str = r#"model: HuggingFaceTB/SmolVLM-256M-Instruct
tuner_type: lora
dataset:
  - med_vqa_train.jsonl
  - med_vqa_more.jsonl#500
torch_dtype: bfloat16
num_train_epochs: 1
per_device_train_batch_size: 1
per_device_eval_batch_size: 1
learning_rate: 1e-4
lora_rank: 8
lora_alpha: 32
target_modules: all-linear
freeze_vit: true
freeze_aligner: false
freeze_llm: false
vit_lr: 1e-5
gradient_accumulation_steps: 16
eval_steps: 50
save_steps: 50
save_total_limit: 2
logging_steps: 5
max_length: 2048
output_dir: output
system: You are a careful radiologist.
warmup_ratio: 0.05
dataloader_num_workers: 4
attn_impl: flash_attn
packing: true
"#;

const TRL: &str = r#"model_name_or_path: HuggingFaceTB/SmolVLM-256M-Instruct
dtype: bfloat16
attn_implementation: kernels-community/flash-attn2
dataset_name: trl-lib/llava-instruct-mix
dataset_train_split: train
learning_rate: 2.0e-4
num_train_epochs: 1.5
max_length: 4096
per_device_train_batch_size: 8
gradient_accumulation_steps: 2
gradient_checkpointing: true
gradient_checkpointing_kwargs:
  use_reentrant: false
use_peft: true
lora_r: 32
lora_alpha: 16
lora_dropout: 0.05
lora_target_modules:
  - q_proj
  - k_proj
  - v_proj
  - o_proj
load_in_4bit: true
warmup_steps: 0.03
lr_scheduler_type: cosine_with_min_lr
eval_strategy: "no"
save_strategy: epoch
save_steps: 100
max_steps: -1
report_to:
  - tensorboard
  - trackio
output_dir: smolvlm-sft
push_to_hub: false
seed: 7
lora_colour: blue
"#;

const TRL_FULL: &str = "model_name_or_path: m\ndataset_name: d\noutput_dir: o\nlora_r: 4\nlearning_rate: '2e-5'\n";

fn shown(name: &str, text: &str, from: Option<Tool>) -> String {
    match convert(Path::new(name), text, from) {
        Err(error) => format!("error: {error}"),
        Ok(Converted { tool, recipe, carried, left }) => {
            let left: String =
                left.iter().map(|Left { line, key, why }| format!("{name}:{line}: {key}: {why}\n")).collect();
            format!("{} ({carried} carried)\n{left}---\n{recipe}", tool.name())
        }
    }
}

#[test]
fn recipes_of_llama_factory() {
    insta::assert_snapshot!(shown("smolvlm_lora_sft.yaml", LLAMA_FACTORY, None));
}

#[test]
fn recipes_of_ms_swift() {
    insta::assert_snapshot!(shown("sft.yaml", MS_SWIFT, None));
}

#[test]
fn recipes_of_trl() {
    insta::assert_snapshot!(shown("sft_vlm.yaml", TRL, None));
    insta::assert_snapshot!(shown("full.yaml", TRL_FULL, None));
}

/// Adapters other than plain LoRA.
#[test]
fn adapters_of_every_kind() {
    const LLAMA_FACTORY: &str = "stage: sft\nmodel_name_or_path: m\nfinetuning_type: lora\nlora_rank: 8\nuse_dora: false\n\
        loraplus_lr_ratio: 16.0\npissa_init: true\npissa_iter: 16\npissa_convert: true\n\
        additional_target: embed_tokens,lm_head\nfreeze_vision_tower: false\n";
    const MS_SWIFT: &str = "model: m\ntuner_type: lora\nuse_dora: true\nuse_rslora: true\ninit_weights: gaussian\n\
        lorap_lr_ratio: 4\nmodules_to_save: [lm_head]\nfreeze_vit: false\nfreeze_aligner: false\nvit_lr: 1e-5\n\
        aligner_lr: 2e-5\n";
    const TRL: &str =
        "model_name_or_path: m\nuse_peft: true\nlora_r: 4\nuse_dora: true\nlora_modules_to_save:\n  - lm_head\n";
    for (name, text) in [("factory.yaml", LLAMA_FACTORY), ("swift.yaml", MS_SWIFT), ("trl.yaml", TRL)] {
        insta::assert_snapshot!(name, shown(name, text, None));
    }
}

#[test]
fn what_is_no_recipe_of_a_known_tool() {
    let mut said = String::new();
    for text in ["a: [1", "- 1\n- 2\n", "", "--- 1\n--- 2\n", "learning_rate: 1e-4\n", "stage: sft\ntemplate: x\n"] {
        said.push_str(&format!("{text:?}\n{}\n", shown("x.yaml", text, None)));
    }
    said.push_str(&shown("x.yaml", "learning_rate: 1e-4\nmodel: m\n", Some(Tool::MsSwift)));
    insta::assert_snapshot!(said);
}

/// Every default of another tool belongs to an existing key and differs from the default here.
#[test]
fn defaults_of_other_tools_are_values_of_our_keys() {
    let reference = reference();
    for tool in Tool::ALL {
        for full in [false, true] {
            for (section, name, written) in tool.defaults(full) {
                let key = reference.keys_of(section).find(|key| key.name == name);
                let key = key.unwrap_or_else(|| panic!("{tool:?}: no [{section}] {name}"));
                let value: toml::Table = format!("x = {written}").parse().expect("TOML");
                assert_ne!(key.literal_default().as_ref(), value.get("x"), "{tool:?}: {name} is the same here");
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\t\u{e9}]{0,200}") {
        let _ = convert(Path::new("x.yaml"), &text, Some(Tool::Trl)).map_err(|error| error.to_string());
    }

    #[test]
    fn any_value_at_any_key_is_carried_or_listed(index in 0usize..80, value in "(-?[0-9]{1,20}|-?[0-9]\\.[0-9]e[0-9]{1,3}|true|no|[a-z]{0,3}|\\[\\]|\\{a: 1\\}|\\.nan|\\[1, b\\])") {
        let keys = reference().keys;
        let text = format!("model_name_or_path: m\n{}: {value}\n", keys[index % keys.len()].name);
        for tool in Tool::ALL {
            let _ = convert(Path::new("x.yaml"), &text, Some(tool)).map_err(|error| error.to_string());
        }
    }
}
