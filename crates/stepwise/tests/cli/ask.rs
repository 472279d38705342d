//! `stepwise ask`.

use serde_json::Value;

use crate::common::{TRAINED, Workplace};

const ASK: [&str; 5] = ["ask", "--model_name_or_path", "model", "--question", "Which modality is this?"];

fn place() -> Workplace {
    let place = Workplace::with_run();
    place.done("data synth cases --cases 3 --image-size 64");
    place.copy("cases/images/synth-0-000000.png", "image.png");
    place
}

fn ask(place: &Workplace, more: &[&str]) -> Value {
    let ran = place.run_args(&[&ASK[..], &["--json"], more].concat());
    assert!(ran.code == Some(0) && ran.stderr.lines().all(|line| line.contains(" is taken: ")), "{}", ran.stderr);
    ran.json()
}

fn ids(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().map(|id| id.as_u64().expect("an id")).collect()
}

#[test]
fn json_has_ids_text_logprobs_and_options() {
    let place = place();
    let more = ["--image", "image.png", "--max-new-tokens", "3", "--options", "CT", "magnetic resonance"];
    let answer = ask(&place, &more);
    let keys: Vec<&String> = answer.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["prompt_token_ids", "text", "token_ids", "logprobs", "options"]);
    let generated = ids(&answer["token_ids"]);
    let logprobs = answer["logprobs"].as_array().expect("a list");
    assert!((1..=3).contains(&generated.len()) && logprobs.len() == generated.len(), "{answer}");
    assert!(logprobs.iter().all(|value| value.as_f64().is_some_and(|value| value < 0.0)), "{answer}");
    assert!(answer["text"].is_string());
    for (option, text) in answer["options"].as_array().expect("a list").iter().zip(["CT", "magnetic resonance"]) {
        assert_eq!(option["text"], text);
        assert!(!ids(&option["token_ids"]).is_empty());
        assert!(option["loglikelihood"].as_f64().is_some_and(|value| value < 0.0), "{option}");
    }
    // An image takes one token per image feature, always the image token.
    let with = ids(&answer["prompt_token_ids"]);
    let without = ask(&place, &["--max-new-tokens", "1"]);
    assert!(without.get("options").is_none());
    assert_eq!(with.iter().filter(|id| **id == 4).count(), 4);
    assert_eq!(ids(&without["prompt_token_ids"]).iter().filter(|id| **id == 4).count(), 0);
}

#[test]
fn an_adapter_changes_the_answer_wherever_it_is_named() {
    let place = place();
    let options = ["--max-new-tokens", "1", "--options", "CT", "MRI"];
    let base = ask(&place, &options);
    let adapted = ask(&place, &[&["--adapter", "run"], &options[..]].concat());
    assert_eq!(adapted["prompt_token_ids"], base["prompt_token_ids"]);
    assert_ne!(adapted["options"], base["options"]);
    let run = place.run_args(&[&["ask", "--model_name_or_path", "run", "--json"], &ASK[3..], &options[..]].concat());
    assert_eq!(run.json(), adapted);
}

#[test]
fn people_read_the_answer_and_then_the_options() {
    let more = ["--image", "image.png", "--max-new-tokens", "0", "--options", "CT", "MRI"];
    let ran = place().run_args(&[&ASK[..], &more].concat());
    assert!(ran.code == Some(0) && ran.stderr.lines().all(|line| line.contains(" is taken: ")), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, ""));
    assert!(lines[1].ends_with(" tokens  CT") && lines[2].ends_with(" tokens  MRI"), "{lines:?}");
    // The last digits of log-likelihoods differ between processors.
    let measured = regex::Regex::new(r"-\d+\.\d{4}").expect("a pattern");
    insta::assert_snapshot!(measured.replace_all(&ran.shown(), "-LIKELY"));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let place = place();
    place.write("text.png", "text");
    place.write("half.png", &std::fs::read(place.path("image.png")).expect("there")[..300]);
    place.write("nothing/file", "text");
    let mut said = String::new();
    for more in
        ["--image no.png", "--image text.png", "--image half.png", "--image .", "--adapter nothing", "--adapter model"]
    {
        let line = format!("ask --model_name_or_path model --question what? {more}");
        said.push_str(&format!("$ ... {more}\n{}\n", place.refused(&line)));
    }
    for line in
        ["ask --model_name_or_path nowhere --question what?", "ask --question what?", "ask --model_name_or_path model"]
    {
        said.push_str(&format!("$ stepwise {line}\n{}\n", place.refused(line)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn words_that_are_special_tokens_are_not_smuggled_in() {
    let question = ["ask", "--model_name_or_path", "model", "--question", "What is <image> here?"];
    let ran = TRAINED.0.run_args(&question);
    insta::assert_snapshot!(ran.shown());
}
