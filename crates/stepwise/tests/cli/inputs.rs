//! What a recipe names must stay the same from the start of a run to its end.

use serde_json::Value;

use crate::common::{Ran, Workplace};

/// A run of two steps on a data set with masks, on an adapter that goes on, with a suite file.
fn ran() -> Workplace {
    let place = Workplace::new();
    place.done("data synth cases --cases 24 --seed 2 --image-size 64");
    change_case(&place, "train", |case| {
        let region = case["regions"][0].as_object_mut().expect("a region");
        region.remove("points");
        region.insert("kind".into(), "mask".into());
        region.insert("path".into(), "mask.png".into());
        region.insert("box".into(), serde_json::json!([1.0, 1.0, 9.0, 9.0]));
    });
    place.write("cases/mask.png", "a mask");
    place.done("train recipe.toml --set train.max_steps=1 --set benchmark.suite=none --set output_dir=first");
    place.copy("first/checkpoint-1", "adapter");
    place.edit(
        "recipe.toml",
        "recipe.toml",
        "synth = { cases = 24, seed = 2, image_size = 64 }",
        "dataset = \"cases\"",
    );
    place.edit("recipe.toml", "recipe.toml", "seed = 5", "seed = 5\nadapter_name_or_path = \"adapter\"");
    place.edit("recipe.toml", "recipe.toml", "logging_steps = 2", "max_steps = 2\nsave_steps = 1");
    place.done("train recipe.toml");
    place
}

/// Changes the first case of a split in the case file.
fn change_case(place: &Workplace, split: &str, change: impl FnOnce(&mut Value)) {
    let mut lines: Vec<String> = place.read("cases/cases.jsonl").lines().map(str::to_owned).collect();
    let wanted = format!("\"split\":\"{split}\"");
    let line = lines.iter_mut().find(|line| line.contains(&wanted)).expect("a case");
    let mut case: Value = serde_json::from_str(line).expect("JSON");
    change(&mut case);
    *line = case.to_string();
    place.write("cases/cases.jsonl", lines.join("\n") + "\n");
}

/// Path of the first image of the first case of a split.
fn image(place: &Workplace, split: &str) -> String {
    let mut path = String::new();
    change_case(place, split, |case| path = case["images"][0]["path"].as_str().expect("a path").to_owned());
    format!("cases/{path}")
}

fn flip(place: &Workplace, name: &str) {
    let mut bytes = std::fs::read(place.path(name)).expect("there");
    *bytes.last_mut().expect("not empty") ^= 1;
    place.write(name, bytes);
}

#[test]
fn a_resume_refuses_other_inputs_and_names_them_with_old_and_new() {
    let place = ran();
    let original = place.read("cases/cases.jsonl");
    let (train_image, test_image) = (image(&place, "train"), image(&place, "validation"));
    place.write("cases/cases.jsonl", &original);
    place.done("train recipe.toml --resume");

    // Each change with what the message must name.
    type Change<'a> = (&'a str, Box<dyn Fn(&Workplace) + 'a>);
    let changes: Vec<Change<'_>> = vec![
        (
            "`data`: cases/cases.jsonl, case ",
            Box::new(|place| change_case(place, "train", |case| case["chain"][0]["question"] = "Which?".into())),
        ),
        (
            "`data`: cases/cases.jsonl, case ",
            Box::new(|place| change_case(place, "validation", |case| case["modality"] = "x-ray".into())),
        ),
        (
            "`data`: cases was ",
            Box::new(|place| change_case(place, "validation", |case| case["split"] = "test".into())),
        ),
        (
            "`data`: cases was ",
            Box::new(|place| {
                let mut lines: Vec<String> = place.read("cases/cases.jsonl").lines().map(str::to_owned).collect();
                lines.reverse();
                place.write("cases/cases.jsonl", lines.join("\n"));
            }),
        ),
        (&train_image, Box::new(|place| flip(place, &train_image))),
        (&test_image, Box::new(|place| std::fs::remove_file(place.path(&test_image)).expect("there"))),
        ("`data`: cases/mask.png was ", Box::new(|place| place.write("cases/mask.png", "another mask"))),
        (
            "`model_name_or_path`: model/model.safetensors was ",
            Box::new(|place| flip(place, "model/model.safetensors")),
        ),
        (
            "`model_name_or_path`: model/config.json was ",
            Box::new(|place| place.edit("model/config.json", "model/config.json", "{", "{ ")),
        ),
        (
            "`adapter_name_or_path`: adapter/adapter_model.safetensors was ",
            Box::new(|place| flip(place, "adapter/adapter_model.safetensors")),
        ),
        (
            "`benchmark.suite`: suite.toml, condition fgsm was ",
            Box::new(|place| {
                place.edit("suite.toml", "suite.toml", "kind = \"fgsm\"\neps = 4", "kind = \"fgsm\"\neps = 2")
            }),
        ),
    ];
    for (named, change) in &changes {
        let kept = Workplace::empty();
        for name in ["cases", "model", "adapter", "suite.toml"] {
            kept.bring(&place, name);
        }
        change(&place);
        let said = place.refused("train recipe.toml --resume");
        assert!(said.contains(named) && said.contains(" and is now "), "{named}: {said}");
        assert!(
            said.starts_with("error: run/checkpoint-2: what the recipe names has changed since the run began: "),
            "{said}"
        );
        assert!(
            said.contains(" -> restore it (run/inputs.json has the digests), or name another `output_dir`"),
            "{said}"
        );
        for name in ["cases", "model", "adapter", "suite.toml"] {
            place.bring(&kept, name);
        }
        place.done("train recipe.toml --resume");
    }

    // Spaces in the case file, and cases that the run does not use, change nothing.
    change_case(&place, "test", |case| case["modality"] = "mri".into());
    place.edit("cases/cases.jsonl", "cases/cases.jsonl", "\":", "\": ");
    place.done("train recipe.toml --resume");
    let environment: Value = serde_json::from_str(&place.read("run/environment.json")).expect("JSON");
    let digests = environment["digests"].as_object().expect("digests");
    let keys: Vec<&str> = digests.keys().map(String::as_str).collect();
    assert_eq!(keys, ["adapter_name_or_path", "benchmark.suite", "data", "model_name_or_path", "prompt", "recipe"]);
}

/// Runs of an earlier version have recorded no inputs: a plan with fewer steps than were taken is refused, too.
#[test]
fn a_run_without_digests_is_resumed_with_a_warning_but_never_after_its_end() {
    let place = ran();
    place.edit("recipe.toml", "recipe.toml", "max_steps = 2\n", "");
    place.done("train recipe.toml --set output_dir=whole --set benchmark.suite=none");
    std::fs::remove_file(place.path("whole/inputs.json")).expect("there");
    let line = "train recipe.toml --set output_dir=whole --set benchmark.suite=none --resume";
    let said = place.done(line).stderr;
    assert!(said.contains("warning: whole/checkpoint-") && said.contains("there is no inputs.json"), "{said}");
    std::fs::remove_file(place.path("whole/inputs.json")).expect("there");
    let kept: Vec<String> = place.read("cases/cases.jsonl").lines().map(str::to_owned).collect();
    place.write("cases/cases.jsonl", kept[kept.len() / 2..].join("\n"));
    let Ran { code, stderr: said, .. } = place.run(line);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("error: whole/checkpoint-")
            && said.contains("the checkpoint is from a run of ")
            && said.contains(" steps, and recipe and cases now give "),
        "{said}"
    );
}

#[test]
fn before_the_first_checkpoint_a_run_starts_anew_on_changed_inputs() {
    let place = ran();
    for step in [1, 2] {
        std::fs::remove_dir_all(place.path(&format!("run/checkpoint-{step}"))).expect("there");
    }
    place.write("run/benchmark/base/mark", "of the earlier start");
    change_case(&place, "validation", |case| case["chain"][0]["question"] = "Which?".into());
    let said = place.done("train recipe.toml --resume").stderr;
    assert!(
        said.contains("nothing to resume from: starting at step 1\nwarning: run: the inputs have changed"),
        "{said}"
    );
    assert!(!place.path("run/benchmark/base/mark").exists(), "{said}");
    place.done("train recipe.toml --resume");
}
