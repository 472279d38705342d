//! `stepwise new-model`.

use std::fs;

use crate::common::Workplace;

const SIZES: &str = "vocab_size = 300\nhidden_size = 32\nintermediate_size = 64\nnum_hidden_layers = 1\n\
    vision_hidden_size = 32\nvision_intermediate_size = 64\nvision_num_hidden_layers = 1\nimage_size = 32\npatch_size = 8\n";

#[test]
fn a_model_is_written_whole_and_equal_for_a_seed() {
    let place = Workplace::empty();
    place.write("sizes.toml", SIZES);
    let ran = place.done("new-model one --sizes sizes.toml --cases 3 --seed 1");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("one\n", ""));
    place.done("new-model two --sizes sizes.toml --cases 3 --seed 1");
    place.done("new-model three --sizes sizes.toml --cases 3 --seed 2");
    let bytes = |folder: &str, name: &str| fs::read(place.path(folder).join(name)).expect("there");
    for entry in fs::read_dir(place.path("one")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        assert!(bytes("one", &name) == bytes("two", &name), "{name} differs");
    }
    assert!(bytes("one", "model.safetensors") != bytes("three", "model.safetensors"));
    place.done("ask --model_name_or_path one --question what? --max-new-tokens 1");
}

#[test]
fn sizes_that_make_no_model_are_refused_and_leave_nothing() {
    let place = Workplace::empty();
    place.write("there/file", "text");
    place.write("good.toml", SIZES);
    let mut said = String::new();
    for line in ["there", "new --sizes no.toml", "there/file/new --sizes good.toml --cases 3"] {
        said.push_str(&format!("$ stepwise new-model {line}\n{}\n", place.refused(&format!("new-model {line}"))));
    }
    for sizes in [
        "hidden_sze = 32",
        "hidden_size = \"wide\"",
        "hidden_size = 30",
        "num_attention_heads = 0",
        "patch_size = 0",
        "scale_factor = 3",
        "num_key_value_heads = 3",
        "vision_intermediate_size = 0",
    ] {
        place.write("sizes.toml", sizes);
        let refused = place.refused("new-model new --sizes sizes.toml --cases 3");
        said.push_str(&format!("$ echo {sizes} > sizes.toml; stepwise new-model new --sizes sizes.toml\n{refused}\n"));
    }
    insta::assert_snapshot!(said);
    assert!(!place.path("new").exists());
}
