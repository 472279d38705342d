//! Rules that hold for every file: no key is left unmentioned, defaults are values of keys here, nothing panics.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A key is in one table of its tool, and once.
#[test]
fn no_key_has_two_meanings() {
    for tool in Tool::ALL {
        let mut seen = BTreeSet::new();
        let own = tool.table();
        let twice: Vec<&str> = own.keys().filter(|key| !seen.insert(*key)).collect();
        // A tool may define a key of its base again.
        let base: BTreeSet<&str> = own.base.into_iter().flat_map(|base| base.keys()).collect();
        let wrong: Vec<&&str> = twice.iter().filter(|key| !base.contains(**key)).collect();
        assert!(wrong.is_empty(), "{tool:?}: {wrong:?}");
    }
}

/// Keys with the same meaning lead to keys of a recipe.
#[test]
fn tables_lead_to_keys_of_a_recipe() {
    let reference = reference();
    for tool in Tool::ALL {
        for key in tool.table().keys() {
            if let Some(Meaning::Same(section, ours)) = tool.table().meaning(key) {
                let sections = if section == table::TUNING { vec!["lora", "full"] } else { vec![section] };
                for section in sections {
                    assert!(
                        reference.keys_of(section).any(|key| key.name == ours),
                        "{tool:?}: {key}: [{section}] {ours}"
                    );
                }
            }
        }
    }
}

/// Every default of another tool belongs to an existing key and differs from the default here.
#[test]
fn defaults_of_other_tools_are_values_of_our_keys() {
    let reference = reference();
    for tool in Tool::ALL {
        for full in [false, true] {
            let draft = Draft::new(full, &reference, &[], None);
            for (section, name, written) in tool.defaults(&draft) {
                let section = match (section, full) {
                    (table::TUNING, true) => "full",
                    (table::TUNING, false) => "lora",
                    (section, _) => section,
                };
                let key = reference.keys_of(section).find(|key| key.name == name);
                let key = key.unwrap_or_else(|| panic!("{tool:?}: no [{section}] {name}"));
                let value: toml::Table = format!("x = {written}").parse().expect("TOML");
                assert_ne!(key.literal_default().as_ref(), value.get("x"), "{tool:?}: {name} is the same here");
            }
        }
    }
}

/// Defaults that were missing: number format and recomputed activations of TRL, and both of LLaMA-Factory v1.
#[test]
fn defaults_that_change_the_training_are_written_out() {
    let recipe = |text: &str, tool| {
        let request = Request { from: Some(tool), ..Request::default() };
        convert(Path::new("sft.yaml"), text, &request).expect("a recipe").recipe
    };
    let trl = recipe("model_name_or_path: m\nuse_peft: true\n", Tool::Trl);
    assert!(
        trl.contains("bf16 = true # TRL's default") && trl.contains("gradient_checkpointing = true # TRL's default")
    );
    assert!(!recipe("model_name_or_path: m\nfp16: true\n", Tool::Trl).contains("bf16"));
    let megatron = recipe("model: m\nglobal_batch_size: 24\nmicro_batch_size: 2\n", Tool::MegatronSwift);
    assert!(megatron.contains("gradient_accumulation_steps = 12"), "{megatron}");
    assert!(megatron.contains("finetuning_type = \"full\""), "Megatron-SWIFT trains all weights by default");
    let axolotl = recipe("base_model: m\nadapter: lora\nlearning_rate: 1e-4\n", Tool::Axolotl);
    assert!(axolotl.contains("[lora]") && !axolotl.contains("full"), "{axolotl}");
}

#[test]
fn a_number_format_that_one_key_switches_on_is_not_switched_off_by_another() {
    for (tool, text) in [
        (Tool::LlamaFactory, "model_name_or_path: m\nbf16: true\npure_bf16: false\n"),
        (Tool::LlamaFactory, "model_name_or_path: m\npure_bf16: false\nbf16: true\n"),
        (Tool::LlamaFactory, "model_name_or_path: m\ncompute_dtype: bfloat16\nbf16: false\n"),
        (Tool::Axolotl, "base_model: m\nbf16: auto\nbfloat16: false\n"),
        (Tool::Trl, "model_name_or_path: m\ndtype: bfloat16\nbf16: false\n"),
        (Tool::MsSwift, "model: m\ntorch_dtype: bfloat16\nbf16: false\n"),
    ] {
        let request = Request { from: Some(tool), ..Request::default() };
        let found = convert(Path::new("sft.yaml"), text, &request).expect("a recipe");
        assert!(found.recipe.contains("bf16 = true"), "{text}{}", found.recipe);
    }
}

#[test]
fn keys_that_contradict_each_other_are_named() {
    let notes = |text: &str| {
        let request = Request { from: Some(Tool::Trl), ..Request::default() };
        convert(Path::new("sft.yaml"), text, &request).expect("a recipe").notes.join("\n")
    };
    let said = notes("model_name_or_path: m\nmax_length: 1000\nmax_seq_length: 2000\n");
    assert!(said.contains("several keys set `cutoff_len`, to 1000 and then to 2000: the last one counts"), "{said}");
    let said = notes("model_name_or_path: m\nmax_length: 2000\nmax_seq_length: 2000\n");
    assert!(!said.contains("several keys"), "{said}");
}

#[test]
fn words_for_layers_that_the_tool_chooses_are_no_names_of_layers() {
    for word in ["DEFAULT", "EMBEDDING", "AUTO"] {
        let text = format!("swift sft --model m --lora_target_modules {word} --lora_rank 4\n");
        let found = convert(Path::new("x.sh"), &text, &Request::default()).expect("a recipe");
        assert!(!found.recipe.contains(word), "{}", found.recipe);
        let key = found.keys.iter().find(|key| key.key == "lora_target_modules").expect("mentioned");
        assert!(matches!(&key.fate, Fate::Left(why) if why.contains(word)), "{key:?}");
    }
}

/// A value for each type of key.
const VALUES: &[&str] = &[
    "false", "true", "0", "3", "-1", "1e-4", "0.5", "none", "steps", "x", "[a, b]", "{a: 1}", "''", "null", "auto",
    ".nan", "~",
];

fn mentioned(converted: &Converted, key: &str) -> usize {
    converted.keys.iter().filter(|translated| translated.key == key).count()
}

/// Every key of every table with every value, in a file of its tool: the key is mentioned once, and a key that is not
/// carried over has a reason.
#[test]
fn no_key_of_a_table_is_unmentioned() {
    for tool in Tool::ALL {
        let model = if tool == Tool::Axolotl {
            "base_model"
        } else if tool.table().meaning("model").is_some() {
            "model"
        } else {
            "model_name_or_path"
        };
        let keys: BTreeSet<&str> = tool.table().keys().filter(|key| *key != model).collect();
        for (index, key) in keys.iter().enumerate() {
            for value in [VALUES[0], VALUES[index % VALUES.len()]] {
                let text = format!("{model}: m\n{key}: {value}\n");
                let request = Request { from: Some(tool), ..Request::default() };
                if let Ok(converted) = convert(Path::new("sft.yaml"), &text, &request) {
                    assert_eq!(mentioned(&converted, key), 1, "{tool:?}: {text}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\t\u{e9}]{0,200}", name in "x\\.(sh|yaml)") {
        let request = Request { from: Some(Tool::Trl), ..Request::default() };
        let _ = convert(Path::new(&name), &text, &request).map_err(|error| error.to_string());
    }

    #[test]
    fn no_script_makes_it_panic(parts in proptest::collection::vec("(swift sft |--lr |\\$A|\\$\\{A|\\}|\\$\\(|expr 1 |\\)|'|\"|\\\\|\n|A=|\\(|`|#|;|1|/0|&|>|é|\\[@\\])", 0..30)) {
        let _ = convert(Path::new("x.sh"), &parts.concat(), &with_files()).map_err(|error| error.to_string());
    }

    #[test]
    fn no_key_of_a_file_is_unmentioned(
        of in 0usize..6,
        keys in proptest::collection::btree_map("[a-z_]{1,12}", 0usize..VALUES.len(), 0..4),
        known in proptest::collection::btree_map(0usize..1000, 0usize..VALUES.len(), 0..12),
    ) {
        let tool = Tool::ALL[of];
        let table: Vec<&str> = tool.table().keys().collect();
        let mut wanted = keys;
        wanted.extend(known.into_iter().map(|(index, value)| (table[index % table.len()].to_owned(), value)));
        let lines: String = wanted.iter().map(|(key, value)| format!("{key}: {}\n", VALUES[*value])).collect();
        let request = Request { from: Some(tool), ..Request::default() };
        if let Ok(converted) = convert(Path::new("sft.yaml"), &lines, &request) {
            for key in wanted.keys() {
                // A table of LLaMA-Factory v1 is read key by key.
                let inner = format!("{key}.");
                let inside = converted.keys.iter().any(|translated| translated.key.starts_with(&inner));
                prop_assert!(mentioned(&converted, key) == 1 || inside, "{tool:?}: {key} in\n{lines}");
            }
        }
    }
}
