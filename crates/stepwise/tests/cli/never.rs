//! Fifteen failures of training tools that must never happen. Each test is named after one of them.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use image::{ImageBuffer, ImageEncoder, Luma};
use serde_json::{Value, json};
use stepwise_benchmark::score::parse;
use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::case::Answer;
use stepwise_data::prompt::{AnswerForm, PromptOptions, prompt};
use stepwise_recipe::Recipe;
use stepwise_recipe::reference;
use stepwise_trainer::batches::examples::{ExampleBuilder, MicroBatch, TrainingExample};
use stepwise_trainer::cases::Cases;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::processor::Prepared;

use crate::common::{RECIPE, TRAINED, Workplace, metric};

/// Pipeline of the small model, the cases of the recipe, and one training example for every question of every training
/// case, made as in the first phase that contains its stage.
fn examples(place: &Workplace, overrides: &[&str]) -> (VlmPipeline, Cases, Vec<(SampleIndex, TrainingExample)>) {
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    let recipe = Recipe::load(&place.path("recipe.toml"), &overrides).expect("a recipe");
    let mut pipeline = VlmPipeline::load(&place.path("model"), &Device::flex()).expect("the model");
    pipeline.processor.set_image_splitting(recipe.do_image_splitting);
    let cases = Cases::open(&recipe.data).expect("cases");
    let run_plan = RunPlan::new(&recipe, &cases.train).expect("a course");
    let mut making = ExampleBuilder::new(&recipe, &cases, &pipeline.processor).expect("a builder");
    let mut made = Vec::new();
    for (case, of) in cases.train.iter().enumerate() {
        for (item, question) in of.chain.iter().enumerate() {
            let phase = recipe.curriculum.phase.iter().position(|phase| phase.stages.contains(&question.stage));
            let sample = SampleIndex { case, item };
            made.push((
                sample,
                making
                    .of(run_plan.beginning(phase.expect("every stage is trained")), sample)
                    .expect("a training example"),
            ));
        }
    }
    drop(making);
    (pipeline, cases, made)
}

/// Changes a JSON file of a model folder.
fn change(place: &Workplace, file: &str, change: impl Fn(&mut Value)) {
    let mut value: Value = serde_json::from_str(&place.read(file)).expect("JSON");
    change(&mut value);
    place.write(file, value.to_string());
}

#[test]
fn never_01_image_tokens_differ_from_image_features() {
    let place = Workplace::new();
    for (size, splitting) in [(64, false), (64, true), (150, false), (150, true)] {
        let set = [format!("data.synth.image_size={size}"), format!("do_image_splitting={splitting}")];
        change(&place, "model/preprocessor_config.json", |content| content["size"] = json!({ "longest_edge": 128 }));
        let (pipeline, _, made) = examples(&place, &set.each_ref().map(String::as_str));
        let config = pipeline.model.config();
        let mut tiles_seen = 0;
        for (_, example) in made.iter().step_by(9) {
            let encoded = pipeline.encode(&example.example, false).expect("encodes");
            let tokens = encoded.ids.iter().filter(|id| **id == config.image_token_id).count();
            let tiles: usize = example.example.images.iter().map(|image| image.grid.tiles()).sum();
            let features = |image: &Arc<Prepared>| {
                image.grid.tiles() * config.vision.features(image.grid.height, image.grid.width)
            };
            let features: usize = example.example.images.iter().map(features).sum();
            assert_eq!(tokens, features, "{size} {splitting} {}", example.name);
            assert_eq!(encoded.images.iter().map(|span| span.len).sum::<usize>(), tokens);
            let batch =
                MicroBatch::new(&pipeline.processor, std::slice::from_ref(example), true, 8192).expect("packs").batch;
            assert_eq!(batch.tiles(), tiles);
            assert!(pipeline.losses(&batch, &Pass::ANSWER).1.iter().all(|loss| loss.is_finite()));
            tiles_seen = tiles_seen.max(tiles);
        }
        assert_eq!(tiles_seen > 1, splitting, "{size} {splitting}");
    }
    // Model folders in which the numbers would differ are refused.
    let mut said = String::new();
    for (file, key, value) in [
        ("processor_config.json", "image_seq_len", json!(5)),
        ("chat_template.json", "chat_template", json!("{% for m in messages %}<image><image>{% endfor %}")),
        ("chat_template.json", "chat_template", json!("{% for m in messages %}{{m.role}}{% endfor %}")),
    ] {
        let place = Workplace::new();
        change(&place, &format!("model/{file}"), |content| content[key] = value.clone());
        said.push_str(&place.refused("train recipe.toml"));
        assert!(!place.path("run").exists());
    }
    insta::assert_snapshot!(said);
}

#[test]
fn never_02_a_wrong_label_mask_trains() {
    let place = Workplace::new();
    for form in ["text", "letter"] {
        let (pipeline, cases, made) = examples(&place, &[&format!("train.answer_form={form}")]);
        assert!(made.len() > 60);
        for (sample, example) in &made {
            let case = &cases.train[sample.case];
            let answer_form = if form == "text" { AnswerForm::Text } else { AnswerForm::Letter };
            let answer =
                prompt(case, &case.chain[sample.item], &PromptOptions { answer_form, ..PromptOptions::default() })
                    .answer;
            let encoded = pipeline.encode(&example.example, false).expect("encodes");
            let learned: Vec<u32> =
                encoded.ids.iter().zip(&encoded.supervised).filter(|(_, on)| **on).map(|(id, _)| *id).collect();
            // The supervised tokens are contiguous: the answer and its end token, and nothing else.
            let first = encoded.supervised.iter().position(|on| *on).expect("an answer");
            assert!(encoded.supervised[first..first + learned.len()].iter().all(|on| *on), "{}", example.name);
            let words: String = pipeline.processor.token_strings(&learned).concat();
            assert_eq!(words, format!(" {answer}<end_of_utterance>"), "{}", example.name);
        }
    }
    // A template would shift the mask if its answers did not start where its prompts end, or started within a token.
    let mut said = String::new();
    for (old, new) in [("'Assistant:'", "'Answer:'"), ("'Assistant:'", "'Assistant: '")] {
        let place = Workplace::new();
        change(&place, "model/chat_template.json", |content| {
            let template = content["chat_template"].as_str().expect("a template");
            assert!(template.contains(old), "{template}");
            content["chat_template"] = template.replace(old, new).into();
        });
        let ran = place.run("train recipe.toml --set benchmark.suite=none");
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(!ran.stderr.contains("\nstep "), "{}", ran.stderr);
        said.push_str(&format!("{old} -> {new}: {}", ran.error()));
    }
    insta::assert_snapshot!(said);
}

#[cfg(unix)]
#[test]
fn never_03_a_resume_differs_by_a_bit() {
    crate::killed::twenty_times();
}

const ASK: &str = "--question what? --max-new-tokens 1 --options CT MRI --json";

/// Log-likelihoods of the options for the model `who`.
pub fn likelihoods(place: &Workplace, who: &str) -> Vec<f64> {
    let answer = place.done(&format!("ask --model_name_or_path {who} {ASK}")).json();
    let options = answer["options"].as_array().expect("a list");
    options.iter().map(|option| option["loglikelihood"].as_f64().expect("a number")).collect()
}

#[test]
fn never_04_an_exported_adapter_has_no_effect_or_another_one_elsewhere() {
    let place = Workplace::with_run();
    place.done("export run run/peft --format peft");
    let [run, base] = ["run", "model"].map(|who| likelihoods(&place, who));
    assert_ne!(run, base);
    // Only the adapter folder and the base, in another workplace.
    let elsewhere = Workplace::empty();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        elsewhere
            .write(&format!("adapter/{name}"), std::fs::read(place.path("run/peft").join(name)).expect("exported"));
    }
    for entry in std::fs::read_dir(place.path("model")).expect("the model") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        elsewhere.write(&format!("base/{name}"), std::fs::read(&path).expect("a file"));
    }
    assert_eq!(likelihoods(&elsewhere, "base --adapter adapter"), run);
    // An adapter whose tensors match no module is refused, instead of answering like the base.
    elsewhere.edit("adapter/adapter_config.json", "adapter/adapter_config.json", "q_proj", "q_projection");
    insta::assert_snapshot!(elsewhere.refused(&format!("ask --model_name_or_path base --adapter adapter {ASK}")));
}

#[test]
fn never_05_merged_weights_answer_differently() {
    let place = Workplace::with_run();
    let [run, base] = ["run", "model"].map(|who| likelihoods(&place, who));
    for (dtype, tolerance) in [("float32", 1e-4), ("bfloat16", 0.05)] {
        place.done(&format!("export run {dtype} --format merged --dtype {dtype}"));
        let merged = likelihoods(&place, dtype);
        for (merged, run) in merged.iter().zip(&run) {
            assert!((merged - run).abs() <= tolerance, "{dtype}: {merged} instead of {run}");
        }
        assert_ne!(merged, base, "{dtype} answers as the base does");
    }
    // All answers in the benchmark are equal too.
    place.done("data synth cases --cases 24 --seed 1 --image-size 64");
    place.done("eval float32 --base model --suite suite.toml --data cases --out merged");
    place.done("eval run --suite suite.toml --data cases --out run-again");
    let verdicts = |name: &str| -> Vec<(Value, Value)> {
        let lines = place.read(name);
        let read = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
        let white_box = |line: &Value| line["attack"].is_object();
        let asked = lines.lines().map(read).filter(|line| !white_box(line));
        asked.map(|line| (line["item_id"].clone(), line["verdict"].clone())).collect()
    };
    let [merged, run] = ["merged", "run-again"].map(|folder| verdicts(&format!("{folder}/tuned/outcomes.jsonl")));
    assert!(merged.len() > 10);
    assert_eq!(merged, run);
}

#[test]
fn never_06_a_test_uses_another_template_resize_or_system_prompt_than_the_training() {
    let mut said = String::new();
    for (file, key, value) in [
        ("chat_template.json", "chat_template", None),
        ("preprocessor_config.json", "resample", Some(json!(3))),
        ("preprocessor_config.json", "size", Some(json!({ "longest_edge": 128 }))),
        ("preprocessor_config.json", "image_mean", Some(json!([0.4, 0.5, 0.5]))),
    ] {
        let place = Workplace::with_run();
        change(&place, &format!("model/{file}"), |content| {
            // A system prompt that was not used in training.
            let system = || json!(format!("System: be brief\n{}", content[key].as_str().expect("a template")));
            let value = value.clone().unwrap_or_else(system);
            assert_ne!(content[key], value);
            content[key] = value;
        });
        let lines = ["eval run", "ask --model_name_or_path run --question what?", "train recipe.toml --resume"];
        for line in lines {
            said.push_str(&format!("{file}: {key}: $ stepwise {line}\n{}", place.refused(line)));
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn never_07_a_score_depends_on_a_lenient_parser() {
    // Published rules, some of which guess the intended answer, are reported next to the score and do not change it.
    let strict = TRAINED.0.done("eval run --max-cases 2 --scoring generate --json").json();
    let with_rules = TRAINED.0.done("eval run --max-cases 2 --scoring generate --compat --json").json();
    assert_eq!((&strict["metrics"], &strict["conditions"]), (&with_rules["metrics"], &with_rules["conditions"]));
    assert!(strict.get("compat").is_none() && with_rules["compat"].as_array().is_some_and(|rules| rules.len() > 5));
    // A response that must be guessed is not an answer.
    let case = stepwise_data::synth::record(0, &stepwise_data::synth::SynthOptions::default());
    let item = case.chain.iter().find(|item| matches!(item.answer, Answer::Choice { .. })).expect("a choice");
    let asked = prompt(&case, item, &PromptOptions::default());
    let read = |reply: &str| parse::option(reply, &asked, &item.answer, AnswerForm::Text);
    let right = asked.answer.as_str();
    assert!(read(right).is_some() && read(&format!(" {right}.\n")).is_some());
    for reply in [
        format!("I think it is {right}"),
        format!("{right} or something else"),
        format!("not {right}"),
        format!("The answer: {right}, I am sure"),
        right[..right.len() - 1].to_owned(),
        String::new(),
    ] {
        assert_eq!(read(&reply), None, "{reply}");
    }
    assert_eq!((parse::number("12", None), parse::number("about 12", None)), (Some(12.0), None));
    assert_eq!(parse::boxes("it is at [1, 2, 3, 4]", [100, 100]), None);
}

#[test]
#[cfg(target_os = "linux")]
fn never_08_memory_runs_out_late() {
    let place = Workplace::new();
    let small = "train recipe.toml --set benchmark.suite=none --set train.max_steps=1 --set data.synth.cases=900";
    let large =
        format!("{small} --set train.per_device_train_batch_size=600 --set train.gradient_accumulation_steps=1");
    // The address space of the small run, plus half of the additional memory of the large run.
    let mut child = place
        .command(&format!("{small} --set output_dir=small").split(' ').collect::<Vec<_>>())
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut taken = 0;
    while child.try_wait().expect("known").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmPeak:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        taken = taken.max(peak.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let checked = place.done(&large.replacen("train", "check", 1)).stdout;
    let of = |name: &str| -> u64 {
        let line = checked.lines().find_map(|line| line.strip_prefix(name)).expect("an estimate");
        line.trim().parse().expect("MiB")
    };
    let kept = of("kept for the backward pass");
    assert!(kept > 200, "{checked}");
    let limit = format!("ulimit -v {}", taken + kept * 1024 / 2);

    let ran = place.limited(&limit, &large);
    assert_ne!(ran.code, Some(0));
    // A warning with advice came before, and the run failed before its first step, in the dry run of
    // the largest micro-batch.
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let place_of = |what: &str| {
        lines.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}: {lines:#?}"))
    };
    let warned = place_of("-> lower `train.per_device_train_batch_size`");
    assert!(lines[warned].starts_with("warning: "), "{}", lines[warned]);
    let trying = place_of("dry run of the largest micro-batch: ");
    assert!(warned < trying && trying < place_of("memory allocation of "), "{lines:#?}");
    assert!(!ran.stderr.contains("\nstep "), "{}", ran.stderr);
    // Following the advice helps.
    let ran = place.limited(&limit, &format!("{small} --resume"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn never_09_an_unknown_or_misspelt_key_is_dropped() {
    // Every key of a recipe with one extra letter.
    let mut tried = 0;
    for key in reference().keys {
        let section = key.section.replace("curriculum.phase", "curriculum.phase.0");
        let misspelt = format!("{}z", key.name);
        let dotted = if section.is_empty() { misspelt.clone() } else { format!("{section}.{misspelt}") };
        let refused = Recipe::parse(Path::new("r.toml"), RECIPE.to_owned(), &[format!("{dotted}=1")]);
        let message = refused.map(|_| ()).expect_err(&dotted).to_string();
        assert!(message.contains(&format!("`{misspelt}`")), "{dotted}: {message}");
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
    // Misspelt keys in suites, cases and studies.
    let place = Workplace::new();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    place.edit("suite.toml", "misspelt.toml", "control =", "contrl =");
    place.edit("cases/cases.jsonl", "cases/cases.jsonl", "\"modality\"", "\"modalty\"");
    let mut said = String::new();
    for line in [
        "eval model --suite misspelt.toml",
        "check cases --files skip",
        "train recipe.toml --set data.dataset=cases",
        "train recipe.toml --ressume",
    ] {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        let first: Vec<&str> = ran.stdout.lines().chain(ran.stderr.lines()).take(2).collect();
        said.push_str(&format!("$ stepwise {line}\n{}\n", first.join("\n")));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn never_10_a_target_matches_nothing() {
    let place = Workplace::new();
    let mut said = String::new();
    for target in [r#"["q_proj","q_prj"]"#, "nothing_.*", "["] {
        for command in ["check", "train"] {
            let set = format!("lora.target_modules={target}");
            let ran = place.run_args(&[command, "recipe.toml", "--set", &set]);
            assert_eq!(ran.code, Some(2), "{}", ran.stderr);
            said.push_str(&format!("$ stepwise {command} recipe.toml --set '{set}'\n{}", ran.shown()));
        }
    }
    insta::assert_snapshot!(said);
    assert!(!place.path("run").exists());
}

#[test]
fn never_11_a_loss_is_averaged_over_micro_batches_instead_of_supervised_tokens() {
    let place = Workplace::new();
    let run = |name: &str, batch: u32, accumulated: u32| -> Vec<Value> {
        place.done(&format!(
            "train recipe.toml --set benchmark.suite=none --set train.logging_steps=1 --set output_dir={name} \
             --set train.per_device_train_batch_size={batch} --set train.gradient_accumulation_steps={accumulated}"
        ));
        let log = place.read(&format!("{name}/trainer_log.jsonl"));
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.filter(|line| line["loss"].is_f64()).collect()
    };
    let [apart, together] = [run("apart", 1, 4), run("together", 4, 1)];
    assert_eq!((apart.len(), together.len()), (11, 11));
    for (apart, together) in apart.iter().zip(&together) {
        assert_eq!(apart["supervised_tokens"], together["supervised_tokens"]);
        for key in ["loss", "grad_norm"] {
            let [apart, together] = [apart, together].map(|line| line[key].as_f64().expect("a number"));
            assert!((apart - together).abs() < 1e-4 * together, "{key}: {apart} apart, {together} together");
        }
    }
    // Answers differ in their number of tokens, so a mean of means would give another loss.
    let (_, _, made) = examples(&place, &[]);
    let mut lengths: Vec<usize> = made
        .iter()
        .map(|(_, example)| {
            example.example.conversation.messages.last().map_or(0, |answer| format!("{answer:?}").len())
        })
        .collect();
    lengths.dedup();
    assert!(lengths.len() > 10);
}

#[test]
fn never_12_a_deep_or_turned_picture_is_clipped_or_turned_unnoticed() {
    let place = Workplace::new();
    let save = |name: &str, picture: &dyn Fn(&Path)| picture(&place.path(name));
    // 16-bit images: clipping to 8 bits would keep only the darkest 256th of the values.
    let deep = ImageBuffer::<Luma<u16>, _>::from_fn(64, 64, |x, y| Luma([(x * 1000 + y * 24) as u16]));
    let scaled = ImageBuffer::<Luma<u8>, _>::from_fn(64, 64, |x, y| {
        Luma([(f64::from(deep.get_pixel(x, y).0[0]) / 257.0).round() as u8])
    });
    let clipped = ImageBuffer::<Luma<u8>, _>::from_fn(64, 64, |x, y| Luma([deep.get_pixel(x, y).0[0].min(255) as u8]));
    save("deep.png", &|path| deep.save(path).expect("saved"));
    save("scaled.png", &|path| scaled.save(path).expect("saved"));
    save("clipped.png", &|path| clipped.save(path).expect("saved"));
    let asked = |name: &str| likelihoods(&place, &format!("model --image {name}"));
    assert_eq!(asked("deep.png"), asked("scaled.png"));
    assert_ne!(asked("deep.png"), asked("clipped.png"));

    // EXIF orientation 6: the image is shown turned by 90 degrees.
    let lying = ImageBuffer::<Luma<u8>, _>::from_fn(64, 48, |x, y| Luma([(x * 3 + y) as u8]));
    let jpeg = |turn: Option<u8>| {
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
        if let Some(turn) = turn {
            let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            exif.extend([turn, 0, 0, 0, 0, 0, 0, 0]);
            encoder.set_exif_metadata(exif).expect("JPEG has EXIF");
        }
        encoder.write_image(&lying, 64, 48, image::ExtendedColorType::L8).expect("encodes");
        bytes
    };
    place.write("turned.jpg", jpeg(Some(6)));
    place.write("lying.jpg", jpeg(None));
    let upright = image::imageops::rotate90(&image::open(place.path("lying.jpg")).expect("decodes").to_rgb8());
    save("upright.png", &|path| upright.save(path).expect("saved"));
    assert_eq!(asked("turned.jpg"), asked("upright.png"));
    assert_ne!(asked("turned.jpg"), asked("lying.jpg"));

    // Formats in which 0 may mean white are refused, because the meaning would be a guess.
    place.write("scan.dcm", [&[0u8; 128][..], b"DICM"].concat());
    place.write("scan.tif", b"II*\0\x08\0\0\0\0\0\0\0\0\0");
    let refused =
        |name: &str| place.refused(&format!("ask --model_name_or_path model --question what? --image {name}"));
    insta::assert_snapshot!(refused("scan.dcm") + &refused("scan.tif"));
}

#[test]
fn never_13_patients_near_duplicates_or_paraphrases_are_on_both_sides_of_a_split() {
    let place = Workplace::new();
    place.done("data synth cases --cases 24 --seed 1 --image-size 64");
    let text = place.read("cases/cases.jsonl");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |split: &str| cases.iter().position(|case| case["split"] == split).expect("a case");
    let (train, test) = (of("train"), of("test"));
    let picture = |case: usize| cases[case]["images"][0]["path"].as_str().expect("a path").to_owned();
    // The same image, slightly brighter.
    let mut brighter = image::open(place.path("cases").join(picture(train))).expect("an image").to_rgb8();
    brighter.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value.saturating_add(2)));
    brighter.save(place.path("cases/images/brighter.png")).expect("saved");
    let digest =
        stepwise_data::image::sha256_hex(&std::fs::read(place.path("cases/images/brighter.png")).expect("there"));
    let mut said = String::new();
    for name in ["patient", "picture", "near-duplicate"] {
        let mut changed = cases.clone();
        let case = &mut changed[test];
        match name {
            "patient" => case["group_id"] = cases[train]["group_id"].clone(),
            "picture" => case["images"][0] = cases[train]["images"][0].clone(),
            _ => {
                case["images"][0]["path"] = json!("images/brighter.png");
                case["images"][0]["sha256"] = json!(digest);
                case["images"][0].as_object_mut().expect("an object").remove("phash");
            }
        }
        place.write("cases/cases.jsonl", changed.iter().map(|case| format!("{case}\n")).collect::<String>());
        let ran = place.run("check cases");
        assert_eq!(ran.code, Some(2), "{name}: {}", ran.stdout);
        let problem = ran
            .stdout
            .lines()
            .find(|line| line.contains(" is in train "))
            .unwrap_or_else(|| panic!("{name}: {}", ran.stdout));
        said.push_str(&format!("{name}: {problem}\n"));
        if name != "near-duplicate" {
            // Every command that reads cases refuses problems that show without reading images.
            said.push_str(&place.refused("train recipe.toml --set data.dataset=cases"));
        }
    }
    // Training with the held-out sentences of the benchmark is refused.
    let held_out = "curriculum.augment={ hint_plus = { share = 0.1, families = \"held_out\" } }";
    let ran = place.run_args(&["train", "recipe.toml", "--set", held_out]);
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!(said + &ran.stderr);
}

#[test]
fn never_14_an_unparsed_reply_counts_as_right_or_as_fooled() {
    // An untrained model gives no response that can be parsed.
    let summary = TRAINED.0.done("eval model --suite suite.toml --max-cases 6 --scoring generate --json").json();
    let (mut unparsed, mut hinted) = (0, 0);
    for condition in summary["conditions"].as_array().expect("a list") {
        let count = |key: &str| condition[key].as_u64().expect("a count");
        assert_eq!(count("right") + count("wrong") + count("unparsed"), count("n"), "{condition}");
        assert!(count("followed") <= count("right") + count("wrong"), "{condition}");
        if count("n") > 0 {
            assert_eq!(condition["accuracy"].as_f64(), Some(count("right") as f64 / count("n") as f64), "{condition}");
        }
        unparsed += count("unparsed");
        hinted += if condition["id"] == "hint_minus" { count("unparsed") } else { 0 };
    }
    assert!(unparsed > 50 && hinted > 5, "{unparsed} {hinted}");
    // If no response is right, both accuracies are 0.
    for (id, value) in [("robust_accuracy", 0.0), ("accuracy:clean", 0.0)] {
        let all = summary["conditions"].as_array().expect("a list").iter().all(|condition| condition["right"] == 0);
        assert!(!all || metric(&summary, id)["value"].as_f64() == Some(value), "{id}");
    }
}

#[test]
#[cfg(target_os = "linux")]
#[allow(clippy::print_stderr)]
fn never_15_a_command_but_fetch_uses_the_network() {
    // There is no command `fetch`. The exception is `eval --endpoint`, which sends questions to the server that the
    // command line names, or a table file. `one_crate_uses_the_network` in the tests of the repository keeps sockets out of all crates
    // but its client.
    let help = Workplace::empty().done("--help").stdout;
    assert!(!help.contains("  fetch "), "the command `fetch` needs its exception here: {help}");
    let program = env!("CARGO_BIN_EXE_stepwise");
    // The program does not use the network: a run and an evaluation finish in a namespace without a network.
    let alone = std::process::Command::new("unshare").args(["-rn", "true"]).status();
    if !alone.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no space without a network can be had");
        return;
    }
    let place = Workplace::with_run();
    place.write("none.jsonl", "");
    for line in [
        "train recipe.toml --set output_dir=new",
        "eval new --max-cases 1",
        "ask --model_name_or_path new --question what?",
        "data synth drawn --cases 4 --image-size 64",
        "questions drawn pack --split train",
        "score pack none.jsonl",
        "table run/benchmark/base run/benchmark/epoch-1",
        "eval --endpoint http://example.org --model m --suite suite.toml --max-cases 1 --dry-run",
    ] {
        let ran = place.limited(&format!("exec unshare -rn {program} {line}"), "");
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
    }
}
