//! `stepwise export`.

use crate::common::{TRAINED, Workplace};

#[test]
fn what_is_written_is_said() {
    let place = Workplace::with_run();
    let mut said = String::new();
    for (format, dtype) in [("peft", "float32"), ("merged", "float32"), ("merged", "bfloat16")] {
        let line = format!("export run {format}-{dtype} --format {format} --dtype {dtype}");
        said.push_str(&format!("$ stepwise {line}\n{}\n", place.done(&line).shown()));
    }
    insta::assert_snapshot!(said);
    let card = place.read("peft-float32/README.md");
    assert!(card.contains("library_name: peft\nbase_model: model\n"), "{card}");
    assert!(
        place.path("merged-bfloat16/tokenizer.json").is_file()
            && !place.path("merged-float32/adapter_config.json").exists()
    );
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let place = Workplace::with_run();
    place.write("file", "text");
    let mut said = String::new();
    for line in [
        "run model --format merged",
        "run file --format peft",
        "run file/out --format peft",
        "model new --format peft",
        "nowhere new --format peft",
        "run new --format gguf",
        "run new",
        "run new --format merged --base nowhere",
    ] {
        said.push_str(&format!("$ stepwise export {line}\n{}\n", place.refused(&format!("export {line}"))));
    }
    insta::assert_snapshot!(said);
    assert!(!place.path("new").exists());
    assert!(TRAINED.0.path("run/last").exists());
}
