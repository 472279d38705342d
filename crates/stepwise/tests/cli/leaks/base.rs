//! Images that a base was trained on before it was exported: the export lists them, and evaluations on them are named.

use std::collections::BTreeSet;

use super::*;

/// A whole model in `base` that was trained on the folder `a`, and the recipe `second.toml` on the folder `b`, which trains
/// an adapter of this model in `second`.
fn exported() -> Workplace {
    let place = furnished();
    place.edit("both.toml", "full.toml", "dataset = [\"a\", \"b\"]", "dataset = \"a\"");
    place.edit("full.toml", "full.toml", "[lora]\nr = 2\n", "finetuning_type = \"full\"\n");
    place.done("train full.toml --set output_dir=first --set train.max_steps=2 --set benchmark.suite=none");
    let said = place.done("export first base --format merged").stderr;
    assert!(said.contains("trained_images.txt: sha256 of the "), "{said}");
    place.edit("both.toml", "second.toml", "dataset = [\"a\", \"b\"]", "dataset = \"b\"");
    place.edit("second.toml", "second.toml", "model_name_or_path = \"model\"", "model_name_or_path = \"base\"");
    place.edit("second.toml", "second.toml", "output_dir = \"run\"", "output_dir = \"second\"");
    place
}

/// Text of the list of the images in the training cases of `folders`.
fn list(place: &Workplace, folders: &[&str]) -> String {
    let all = folders.iter().flat_map(|folder| cases(place, folder)).filter(|case| case["split"] == "train");
    let images = all.flat_map(|case| case["images"].as_array().expect("images").clone());
    let digests: BTreeSet<String> = images.map(|image| image["sha256"].as_str().expect("text").to_owned()).collect();
    let lines = digests.iter().map(|digest| format!("{digest}\n"));
    format!("# sha256 of the images that this model was trained on\n{}", lines.collect::<String>())
}

#[test]
fn an_export_lists_its_images_and_evaluations_on_them_are_named() {
    let place = exported();
    assert_eq!(place.read("base/trained_images.txt"), list(&place, &["a"]));
    let said = place.done("check second.toml").stderr;
    assert!(!said.contains("was trained on"), "{said}");

    let (bytes, _) = trained(&place);
    put(&place, "b", "copy.png", &bytes, true);
    let row = of(&cases(&place, "b"), "validation") + 1;
    let sentence = |place: &str| {
        format!(
            " evaluated cases show an image that the base model was trained on, such as {place}, so base and fine-tuned model \
             answer questions about a known image"
        )
    };
    let named = sentence(&format!("b/cases.jsonl:{row}"));
    // A checkpoint of the first run is such a base, too.
    for line in ["check second.toml", "check second.toml --set model_name_or_path=first/last", "train second.toml"] {
        let said = place.done(line).stderr;
        assert!(said.contains("warning: 1 of ") && said.contains(&named), "{line}: {said}");
    }
    for file in ["second/report.html", "second/trained.jsonl"] {
        assert!(place.read(file).contains(&named), "{file}");
    }
    let said = place.done("eval second --no-cache --max-cases 1 --out of-run").stderr;
    assert!(said.contains(&named) && place.read("of-run/report.html").contains(&named), "{said}");
    let line = "eval base --data b --split validation --suite suite.toml --no-cache --max-cases 1 --out of-model";
    let said = place.done(line).stderr;
    let named =
        format!(" image that the model was trained on, such as b/cases.jsonl:{row}, so the results are too good");
    assert!(said.contains(&named) && place.read("of-model/report.html").contains(&named), "{said}");
    let said = place.done("eval second --data a --split validation --no-cache --max-cases 1").stderr;
    assert!(!said.contains("was trained on"), "{said}");

    // A case with an image of the base and a patient of the run.
    place.done("data synth c --cases 24 --seed 5 --image-size 64");
    put(&place, "c", "copy.png", &bytes, true);
    let of_run = cases(&place, "b")[of(&cases(&place, "b"), "train")]["group_id"].clone();
    change(&place, "c", |case| case["group_id"] = of_run.clone());
    let line = "eval second --data c --split validation --no-cache --max-cases 1";
    assert!(place.refused(line).contains("share a patient or an image"));
    let said = place.done(&format!("{line} --allow-leaks --out of-both")).stderr;
    let row = of(&cases(&place, "c"), "validation") + 1;
    for part in ["1 of ", "share a patient or an image", &sentence(&format!("c/cases.jsonl:{row}"))] {
        assert!(said.contains(part) && place.read("of-both/report.html").contains(part), "{part}: {said}");
    }
}

#[test]
fn an_export_lists_the_images_of_its_base_too() {
    let place = exported();
    let short = "--set train.max_steps=2 --set benchmark.suite=none";
    place.done(&format!("train second.toml {short}"));
    place.done("export second both --format merged");
    assert_eq!(place.read("both/trained_images.txt"), list(&place, &["a", "b"]));
    place.done("export second adapter --format peft");
    assert_eq!(place.read("adapter/trained_images.txt"), list(&place, &["a", "b"]));
    let said = place.done("eval adapter --data b --split train --suite suite.toml --no-cache --max-cases 1").stderr;
    assert!(said.contains(" evaluated cases show an image that the model was trained on, such as b/"), "{said}");
    // Without a list, the base that the command line names is looked at.
    place.write("adapter/trained_images.txt", "# nothing\n");
    place.edit("adapter/adapter_config.json", "adapter/adapter_config.json", "\"base\"", "\"gone\"");
    let line = "eval adapter --base base --data a --split train --suite suite.toml --no-cache --max-cases 1";
    assert!(place.done(line).stderr.contains(" evaluated cases show an image that the model was trained on"));
    // A run without image files adds none.
    place.done(&format!("train recipe.toml --set model_name_or_path=base --set output_dir=drawn {short}"));
    place.done("export drawn again --format merged");
    assert_eq!(place.read("again/trained_images.txt"), place.read("base/trained_images.txt"));
    place.done("export model plain --format merged");
    assert!(!place.path("plain/trained_images.txt").exists());

    place.write("base/trained_images.txt", "# a comment\nno digest\n");
    let problem =
        "base/trained_images.txt:2: is not 64 lower-case hexadecimal digits -> restore the file, or remove it";
    for line in ["check second.toml", "train second.toml --set output_dir=third", "export second more --format merged"]
    {
        let said = place.refused(line);
        assert!(said.contains(problem), "{line}: {said}");
    }
    // Synthetic cases are compared with no list.
    place.done("check recipe.toml --set model_name_or_path=base");
}

#[test]
fn evaluations_on_images_of_the_adapter_that_a_training_starts_from_are_named() {
    let place = exported();
    let short = "--set train.max_steps=2 --set benchmark.suite=none";
    place.done(&format!("train second.toml {short}"));
    place.done("export second adapter --format peft");
    place.done("data synth c --cases 24 --seed 5 --image-size 64");
    put(&place, "c", "copy.png", &trained_of(&place, "b").0, true);
    let row = of(&cases(&place, "c"), "validation") + 1;
    let named = format!(
        " evaluated cases show an image that the adapter, from which the training starts, was trained on, such as \
         c/cases.jsonl:{row}, so the results are too good"
    );
    place.edit("second.toml", "third.toml", "dataset = \"b\"", "dataset = \"c\"");
    place.edit("third.toml", "third.toml", "output_dir = \"second\"", "output_dir = \"third\"");
    assert!(!place.done("check third.toml").stderr.contains("was trained on"));
    // A checkpoint of the earlier run is such an adapter, too.
    for adapter in ["adapter", "second/last"] {
        let said = place.done(&format!("check third.toml --set adapter_name_or_path={adapter}")).stderr;
        assert!(said.contains(&named), "{said}");
    }
    let said = place.done("train third.toml --set adapter_name_or_path=adapter --set benchmark.max_cases=1").stderr;
    assert!(said.contains(&named), "{said}");
    assert!(place.done("eval third --no-cache --max-cases 1").stderr.contains(&named));
    place.done("export third all --format peft");
    assert_eq!(place.read("all/trained_images.txt"), list(&place, &["a", "b", "c"]));
}
