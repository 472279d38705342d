//! Values that name a variable without a value: the default of the tool is used and said.

use super::*;

fn translated(name: &str, text: &str) -> Converted {
    convert(Path::new(name), text, &Request::default()).unwrap_or_else(|error| panic!("{text}{error}"))
}

fn left(converted: &Converted, key: &str) -> String {
    let found = converted.keys.iter().rev().find(|translated| translated.key == key);
    match found.map(|translated| &translated.fate) {
        Some(Fate::Left(why)) => why.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

/// Script or file, the key, what the recipe holds, and what is said about the key.
const UNKNOWN: &[(&str, &str, &str, &str)] = &[
    (
        "trl sft --model_name_or_path m --learning_rate $LR\n",
        "learning_rate",
        "learning_rate = 2e-5 # TRL's default in place of `$LR`\n",
        "`learning_rate = 2e-5` (TRL's default in place of `$LR`) is used",
    ),
    (
        "for lr in 1e-4 1e-5; do\nswift sft --model m --learning_rate $lr\ndone\n",
        "learning_rate",
        "learning_rate = 1e-4 # ms-swift's default in place of `$lr`\n",
        "`$lr` has no single value in the file; ",
    ),
    (
        "llamafactory-cli train --model_name_or_path m --learning_rate ${LR%,*}\n",
        "learning_rate",
        "learning_rate = 5e-5 # LLaMA-Factory's default in place of `${LR%,*}`\n",
        "`learning_rate = 5e-5`",
    ),
    (
        "trl sft --model_name_or_path m --max_length $1\n",
        "max_length",
        "cutoff_len = 1024 # TRL's",
        "cutoff_len = 1024",
    ),
    (
        "trl sft --model_name_or_path m --max_length 64 --max_seq_length $1\n",
        "max_seq_length",
        "cutoff_len = 64\n",
        "`cutoff_len = 64` is used",
    ),
    ("trl sft --model_name_or_path m --seed $S\n", "seed", "", "the default of `seed`, 42, is used"),
    ("trl sft --model_name_or_path m --use_peft --lora_r $R\n", "lora_r", "r = 16 # TRL's default", "`r = 16`"),
    (
        "trl sft --model_name_or_path m --per_device_train_batch_size $B\n",
        "per_device_train_batch_size",
        "per_device_train_batch_size = 8 # cases; TRL's default",
        "the default of TRL is used",
    ),
    (
        "trl sft --model_name_or_path m --warmup_steps $W\n",
        "warmup_steps",
        "warmup_steps = 0 # TRL's",
        "of TRL is used",
    ),
    ("trl sft --model_name_or_path m --bf16 $BF\n", "bf16", "bf16 = true # TRL's default", "of TRL is used"),
    ("swift sft --model m --tuner_type $T\n", "tuner_type", "[lora]", "the default of ms-swift is used"),
    (
        "llamafactory-cli train --model_name_or_path m --stage $S --finetuning_type $T\n",
        "finetuning_type",
        "[data]",
        "the default of LLaMA-Factory is used",
    ),
    (
        "trl sft --model_name_or_path $M\n",
        "model_name_or_path",
        "= \"$M\" # replace by the folder",
        "`$M` has no single",
    ),
];

#[test]
fn an_unknown_value_takes_the_default_of_the_tool_and_says_so() {
    for (text, key, recipe, said) in UNKNOWN {
        let converted = translated("x.sh", text);
        assert!(converted.recipe.contains(recipe), "{text}{}", converted.recipe);
        let why = left(&converted, key);
        assert!(why.contains(said) && why.ends_with("-> write the value in its place"), "{text}{why}");
    }
    let yaml = translated("x.yaml", "base_model: m\nadapter: lora\nlora_r: 4\nnum_epochs: ${E}\nsequence_len: $L\n");
    assert!(yaml.recipe.contains("cutoff_len = 512 # Axolotl's default in place of `$L`"), "{}", yaml.recipe);
    assert!(yaml.recipe.contains("num_train_epochs = 1 # Axolotl's default"), "{}", yaml.recipe);
}

/// An earlier value is not used in place of a later one that is not known.
#[test]
fn the_last_value_counts_also_when_it_is_not_known() {
    let converted = translated("x.sh", "trl sft --model_name_or_path m --learning_rate 1 --learning_rate $LR\n");
    assert!(converted.recipe.contains("learning_rate = 2e-5"), "{}", converted.recipe);
    let converted = translated("x.sh", "trl sft --model_name_or_path m --max_steps 5 --max_steps $N\n");
    assert!(!converted.recipe.contains("max_steps"), "{}", converted.recipe);
}

/// Keys that never reach a recipe keep their reason, whatever their value.
#[test]
fn keys_without_effect_here_need_no_value() {
    let text = "trl sft --model_name_or_path m --deepspeed $DS --dataset_name $DATA --colour $C\n";
    let keys = translated("x.sh", text).keys;
    let fate = |key: &str| keys.iter().find(|found| found.key == key).map(|found| found.fate.clone());
    assert!(matches!(fate("deepspeed"), Some(Fate::Ignored(_))));
    assert!(matches!(fate("dataset_name"), Some(Fate::Left(why)) if why.contains("case files")));
    assert!(matches!(fate("colour"), Some(Fate::Unknown(_))));
}

/// A missing key names the key of the file that did not reach it.
#[test]
fn a_refused_translation_names_the_key_that_is_wrong() {
    for text in
        ["swift sft --dataset d --model a b\n", "swift sft \\\n --model \"\"\n", "trl sft --model_name_or_path '[]'\n"]
    {
        let error = convert(Path::new("x.sh"), text, &Request::default());
        let Err(error) = error.map(|converted| converted.recipe) else { continue };
        let error = error.to_string();
        assert!(error.contains("x.sh:1: model") || error.contains("x.sh:2: model"), "{error}");
    }
    let error = convert(Path::new("x.sh"), "swift sft --dataset d --model a b\n", &Request::default());
    assert!(error.is_err_and(|error| error.to_string().contains("x.sh:1: model: `model_name_or_path` takes")));
}
