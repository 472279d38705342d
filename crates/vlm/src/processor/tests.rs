use serde_json::Value;
use stepwise_data::conversation::Conversation;
use stepwise_testing::files::{copy_of, edit_json, family_fixture, family_fixtures, json, parity, tiny};

use super::*;

/// Copies the processor files of the tiny model folder.
fn copied() -> tempfile::TempDir {
    copy_of(&tiny(), &["config.json", "model.safetensors"])
}

fn changed(file: &str, change: impl FnOnce(&mut Value)) -> Result<Processor, ProcessorError> {
    let folder = copied();
    edit_json(&folder.path().join(file), change);
    Processor::from_folder(folder.path())
}

#[test]
fn the_digest_changes_with_every_setting_that_has_an_effect() {
    let processor = Processor::from_folder(&tiny()).expect("loads");
    let digest = processor.digest();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    let of = |file, change: &dyn Fn(&mut Value)| changed(file, change).expect(file).digest();
    let others = [
        of("tokenizer.json", &|value| value["added_tokens"][3]["content"] = "<other>".into()),
        of("tokenizer_config.json", &|value| value["bos_token"] = "<other>".into()),
        of("chat_template.json", &|value| value["chat_template"] = "<image>".into()),
        of("processor_config.json", &|value| value["image_seq_len"] = 5.into()),
        of("generation_config.json", &|value| value["eos_token_id"] = 1.into()),
        of("preprocessor_config.json", &|value| value["resample"] = 3.into()),
        of("preprocessor_config.json", &|value| value["size"]["longest_edge"] = 192.into()),
        of("preprocessor_config.json", &|value| value["max_image_size"]["longest_edge"] = 32.into()),
        of("preprocessor_config.json", &|value| value["image_mean"][1] = 0.4.into()),
        of("preprocessor_config.json", &|value| value["image_std"][1] = 0.4.into()),
        of("preprocessor_config.json", &|value| value["do_image_splitting"] = false.into()),
    ];
    for (index, other) in others.iter().enumerate() {
        assert!(*other != digest && !others[..index].contains(other), "change {index}");
    }
    assert_eq!(of("preprocessor_config.json", &|value| value["do_pad"] = false.into()), digest);
    // An override gives the same digest as the same setting in the folder.
    let mut processor = processor;
    processor.set_image_splitting(Some(true));
    assert_eq!(processor.digest(), digest);
    processor.set_image_splitting(Some(false));
    assert_eq!(&processor.digest(), others.last().expect("some"));
}

#[test]
fn a_bad_field_is_refused_with_its_file_and_name() {
    let refused = |file: &'static str, change: &dyn Fn(&mut Value)| changed(file, change).expect_err(file).to_string();
    let cases = [
        (
            refused("preprocessor_config.json", &|value| value["resample"] = 7.into()),
            "preprocessor_config.json: resample: is 7",
        ),
        (
            refused("preprocessor_config.json", &|value| value["image_processor_type"] = "CLIPImageProcessor".into()),
            "preprocessor_config.json: image_processor_type: is \"CLIPImageProcessor\"",
        ),
        (
            refused("processor_config.json", &|value| value["processor_class"] = "Idefics2Processor".into()),
            "processor_config.json: processor_class: is \"Idefics2Processor\"",
        ),
        (
            // The settings beside it name the class of another family.
            refused("processor_config.json", &|value| value["processor_class"] = "Qwen2VLProcessor".into()),
            "preprocessor_config.json: processor_class: is \"Idefics3Processor\"",
        ),
        (
            refused("processor_config.json", &|value| value["image_seq_len"] = 0.into()),
            "processor_config.json: image_seq_len: is 0",
        ),
        (
            refused("generation_config.json", &|value| value["eos_token_id"] = 4_294_967_777_u64.into()),
            "generation_config.json: eos_token_id: 4294967777",
        ),
        (
            refused("chat_template.json", &|value| value["chat_template"] = "{% if %}".into()),
            "chat_template.json: chat template: syntax error",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}");
    }
    let fast = changed("preprocessor_config.json", |value| {
        value["image_processor_type"] = "Idefics3ImageProcessorFast".into();
    });
    assert!(fast.is_ok());
}

#[test]
fn a_bad_file_is_refused_with_its_name() {
    for (bytes, expected) in
        [(&b"\xff\xfe"[..], "tokenizer.json"), (b"", "tokenizer.json"), (b"{\"model\":", "tokenizer.json")]
    {
        let folder = copied();
        std::fs::write(folder.path().join("tokenizer.json"), bytes).expect("written");
        let error = Processor::from_folder(folder.path()).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let folder = copied();
    std::fs::write(folder.path().join("preprocessor_config.json"), b"{\"size\": \xff}").expect("written");
    let error = Processor::from_folder(folder.path()).expect_err("refused").to_string();
    assert!(error.contains("preprocessor_config.json: is not UTF-8 from byte 10 on"), "{error}");
    let folder = copied();
    std::fs::remove_file(folder.path().join("tokenizer.json")).expect("removed");
    std::fs::create_dir(folder.path().join("tokenizer.json")).expect("made");
    let error = Processor::from_folder(folder.path()).expect_err("refused").to_string();
    assert!(error.contains("tokenizer.json: there is no such file"), "{error}");
    // A sparse file above the size limit, which takes no disk space.
    let folder = copied();
    let file = std::fs::File::create(folder.path().join("tokenizer.json")).expect("made");
    file.set_len((64 << 20) + 1).expect("set");
    let error = Processor::from_folder(folder.path()).expect_err("refused").to_string();
    assert!(error.contains("tokenizer.json: is larger than"), "{error}");
}

#[test]
fn a_template_without_output_is_refused_when_it_is_used() {
    let silent = changed("chat_template.json", |value| value["chat_template"] = "".into()).expect("loads");
    let error = silent.encode(&Conversation::default(), &[], true).expect_err("refused").to_string();
    assert!(error.starts_with("the chat template renders this conversation to nothing -> "), "{error}");
}

#[test]
fn templates_in_tokenizer_config_are_found() {
    let folder = copied();
    let template = "T{{ messages[0].content[0].text }}";
    std::fs::remove_file(folder.path().join("chat_template.json")).expect("removed");
    let write = |value: Value| {
        let text = json!({ "chat_template": value, "eos_token": { "content": "<end_of_utterance>" } }).to_string();
        std::fs::write(folder.path().join("tokenizer_config.json"), text).expect("written");
        Processor::from_folder(folder.path()).map(|processor| processor.template.source().to_owned())
    };
    assert_eq!(write(json!(template)).expect("loads"), template);
    let several = json!([{ "name": "tool_use", "template": "x" }, { "name": "default", "template": template }]);
    assert_eq!(write(several).expect("loads"), template);
    assert!(write(json!(null)).expect_err("refused").to_string().contains("no chat template"));
}

#[test]
fn an_image_processor_of_several_families_belongs_to_the_family_of_the_model() {
    for (fixture, kind) in [("qwen2_5_vl", "qwen2_5_vl"), ("qwen3_vl", "qwen3_vl")] {
        let folder = copy_of(&parity().join("families/fixtures").join(fixture).join("model"), &["model.safetensors"]);
        let of_model = || Processor::from_folder(folder.path()).expect(fixture).family.model_types;
        assert!(of_model().contains(&kind));
        edit_json(&folder.path().join("preprocessor_config.json"), |settings| {
            settings["image_processor_type"] = "Qwen2VLImageProcessorFast".into();
            settings.as_object_mut().expect("an object").remove("processor_class");
        });
        assert!(of_model().contains(&kind));
        // The class of the processor says more than the model beside it, which is then refused.
        edit_json(&folder.path().join("preprocessor_config.json"), |settings| {
            settings["processor_class"] = "Qwen2_5_VLProcessor".into();
        });
        assert!(of_model().contains(&"qwen2_5_vl"));
    }
}

/// Every setting that `config.json` states as well is compared, whatever the family.
#[test]
fn a_setting_that_differs_from_the_configuration_is_named_with_both_values() {
    for fixture in family_fixtures() {
        let model = family_fixture(&fixture).join("model");
        let processor = Processor::from_folder(&model).expect(&fixture);
        let config = ModelConfig::from_json(&json(&model.join("config.json")).to_string()).expect(&fixture);
        assert_eq!(processor.fits(&config), Ok(()), "{fixture}");
        let settings = processor.images.shared_settings();
        assert!(settings.len() > 1 && settings.len() == config.shared.len(), "{fixture}: {settings:?}");
        for (place, (key, value)) in config.shared.iter().enumerate() {
            let mut other = config.clone();
            other.shared[place].1 = 99.into();
            let problem = processor.fits(&other).expect_err("refused");
            let ending = format!(" is {value}, but {key} of config.json is 99");
            assert!(problem.contains("processor_config.json") && problem.ends_with(&ending), "{fixture}: {problem}");
        }
    }
}

/// Patches of another size can give an image the same number of tokens, so the settings themselves are compared.
#[test]
fn sizes_of_patches_are_compared_and_not_only_numbers_of_tokens() {
    let model = family_fixture("qwen2_5_vl").join("model");
    let folder = copy_of(&model, &["model.safetensors"]);
    let config = ModelConfig::from_json(&json(&model.join("config.json")).to_string()).expect("valid");
    let refused = |key: &str, value: u64| {
        let file = folder.path().join("preprocessor_config.json");
        let before = json(&file)[key].clone();
        edit_json(&file, |settings| settings[key] = value.into());
        let problem = Processor::from_folder(folder.path()).expect("loads").fits(&config).expect_err("refused");
        edit_json(&file, |settings| settings[key] = before);
        problem
    };
    for (key, value, in_config, expected) in [
        ("patch_size", 5, "patch_size", 4),
        ("merge_size", 4, "spatial_merge_size", 2),
        ("temporal_patch_size", 1, "temporal_patch_size", 2),
    ] {
        assert_eq!(
            refused(key, value),
            format!(
                "{key} of preprocessor_config.json is {value}, but vision_config.{in_config} of config.json is {expected}"
            )
        );
    }
}

#[test]
fn pointers_of_git_lfs_are_named() {
    for file in ["tokenizer.json", "preprocessor_config.json", "chat_template.json"] {
        let folder = copied();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";
        std::fs::write(folder.path().join(file), pointer).expect("written");
        let error = Processor::from_folder(folder.path()).expect_err("refused").to_string();
        assert!(error.contains(file) && error.contains("`git lfs pull`"), "{error}");
    }
}

#[test]
fn an_end_token_may_be_a_row_of_the_model_without_a_token() {
    let folder = copied();
    let processor = || Processor::from_folder(folder.path());
    let row = processor().expect("loads").largest_token_id() + 1;
    edit_json(&folder.path().join("generation_config.json"), |value| value["eos_token_id"] = row.into());
    assert!(processor().is_err(), "no model says how many rows there are");
    let config = serde_json::json!({ "text_config": { "vocab_size": row + 1 } });
    std::fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
    assert!(processor().expect("loads").ends().contains(&row));
}
