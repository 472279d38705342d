//! A served model in the runner of the benchmark.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepwise_benchmark::model::Model;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_GRADIENTS, NO_RESPONSE, Options, Run, RunProgress, Surrogate, run};
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;
use stepwise_data::synth::{SynthOptions, case};
use stepwise_served::client::{Address, Answers, Client, Http, Limits, Patience, ServedModel, ServedOptions};

use stepwise_testing::attacks;
use stepwise_testing::files::{json as read_json, repository};

use crate::stub::{Act, Stub, said};

const SUITE: &str = concat!(
    r#"name = "short"
version = 1
seed = 1
[[condition]]
id = "clean"
kind = "clean"
[[condition]]
id = "rebuttal"
kind = "rebuttal_doubt"
"#,
    attacks!(fgsm, random_sign)
);

fn suite(scoring: Scoring) -> Suite {
    Suite { scoring, ..Suite::parse(SUITE, "short.toml".as_ref()).expect("valid") }
}

fn evaluated(suite: &Suite, act: impl Fn(usize, &Value) -> Act + Send + Sync + 'static) -> (Run, Stub) {
    evaluated_with(suite, None, act)
}

/// Key of the surrogate.
pub const SURROGATE: &str = "local";

/// Evaluates a stub on two drawn cases, with attacks on `surrogate`.
pub fn evaluated_with(
    suite: &Suite,
    surrogate: Option<&mut dyn Model>,
    act: impl Fn(usize, &Value) -> Act + Send + Sync + 'static,
) -> (Run, Stub) {
    let drawn: Vec<_> =
        (0..2).map(|number| case(number, &SynthOptions { image_size: 64, ..SynthOptions::default() })).collect();
    let cases: Vec<Case> = drawn.iter().map(|drawn| drawn.case.clone()).collect();
    let images = |case: &Case, _: usize| {
        let drawn = drawn.iter().find(|drawn| drawn.case.case_id == case.case_id).ok_or("no such case")?;
        Ok(Arc::new(drawn.image.clone()))
    };
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(act);
    let patience = Patience { attempts: 2, first_wait: Duration::from_millis(1), ..Patience::default() };
    let http = Http::new(Address::parse(&stub.url).expect("an address"), None, &patience, 4).expect("a sender");
    let answers = Answers::open(&folder.path().join("answers")).expect("a file");
    let client = Client::new(http, "stub", patience, 4, Limits::default(), answers, Box::new(|| false));
    let plan = Plan::new(suite, &cases);
    let mut model = ServedModel::new(&client, ServedOptions { scoring: suite.scoring, progress: &|_| {} });
    let mut progress = |_: RunProgress<'_>| ControlFlow::Continue(());
    let known: HashMap<String, Outcome> = HashMap::new();
    let surrogate = surrogate.map(|model| Surrogate { key: SURROGATE, model });
    let options = Options { model: "served", known: &known, batch: 512, surrogate, progress: &mut progress };
    let run = run(&plan, &images, &mut model, options).expect("answered");
    (run, stub)
}

/// Text of the last turn of a request.
fn question(body: &Value) -> String {
    let content = &body["messages"].as_array().expect("messages").last().expect("a turn")["content"];
    let parts = content.as_array().map(|parts| parts.iter().filter_map(|part| part["text"].as_str()).collect());
    parts.unwrap_or_else(|| content.as_str().expect("a text").to_owned())
}

#[test]
fn conditions_without_gradients_are_asked_and_second_turns_repeat_the_reply() {
    let (run, stub) = evaluated(&suite(Scoring::Generate), |_, _| said("no"));
    let asked = |condition: &str| run.outcomes.iter().filter(|outcome| outcome.condition == condition).count();
    assert!(asked("clean") > 5 && asked("rebuttal") > 5 && asked("random_sign") > 5, "{run:?}");
    assert_eq!(asked("fgsm"), 0);
    assert!(run.unanswerable[2].keys().eq([&NO_GRADIENTS]) && run.unanswerable[1].is_empty());
    let requests = stub.requests.lock().expect("alive").clone();
    let second: Vec<&Value> =
        requests.iter().filter(|body| body["messages"].as_array().is_some_and(|turns| turns.len() > 2)).collect();
    assert_eq!(second.len(), asked("rebuttal"));
    assert!(second.iter().all(|body| body["messages"][1] == json!({"role": "assistant", "content": "no"})));
    for body in &requests {
        assert_eq!((&body["model"], &body["temperature"], &body["seed"]), (&json!("stub"), &json!(0), &json!(0)));
        let url = body["messages"][0]["content"][0]["image_url"]["url"].as_str().expect("an image");
        assert!(url.starts_with("data:image/png;base64,"), "{url}");
    }
}

#[test]
fn a_request_that_failed_is_missing_and_never_an_answer() {
    let refuse = |_: usize, body: &Value| match question(body).contains("modality") {
        true => Act::Say(400, vec![], "refused".to_owned()),
        false => said("yes"),
    };
    let (run, _) = evaluated(&suite(Scoring::Generate), refuse);
    let missing = |condition: usize| run.unanswerable[condition].get(NO_RESPONSE).copied().unwrap_or_default();
    assert!(missing(0) > 0, "{:?}", run.unanswerable);
    // A second turn that repeats a missing reply is missing as well.
    assert_eq!(missing(1), missing(0));
    assert!(run.outcomes.iter().all(|outcome| outcome.reply.as_deref() == Some("yes")));
}

#[test]
fn letters_are_scored_over_all_rotations() {
    // The first option in the order shown has the largest probability: a taste for the letter A.
    let answer = |_: usize, _: &Value| {
        let top = json!([{"token": "A", "logprob": -0.2}, {"token": "yes", "logprob": -2.5}, {"token": "B", "logprob": -3.0}]);
        let body = json!({
            "model": "stub",
            "choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"top_logprobs": top}]}}],
        });
        Act::Say(200, Vec::new(), body.to_string())
    };
    let (run, stub) = evaluated(&suite(Scoring::Letter), answer);
    let choices: Vec<&Outcome> = run.outcomes.iter().filter(|outcome| outcome.is_choice()).collect();
    assert!(!choices.is_empty());
    for outcome in choices {
        // A taste for a letter averages out: all options have one score.
        let scores: Vec<f64> = outcome.scores.iter().filter_map(|score| score.loglikelihood).collect();
        assert!(
            scores.len() == outcome.options && scores.iter().all(|score| (score - scores[0]).abs() < 1e-9),
            "{outcome:?}"
        );
    }
    let yes_no = run.outcomes.iter().find(|outcome| outcome.is_yes_no()).expect("a yes/no question");
    assert_eq!(yes_no.index, Some(0), "the listed word wins over the one that is not listed");
    assert!(stub.requests.lock().expect("alive").iter().any(|body| body["top_logprobs"] == json!(20)));
}

#[test]
fn options_are_scored_by_the_log_probabilities_of_prompts() {
    // Every option has two more tokens than the question; options with an "e" are likelier.
    let answer = |_: usize, body: &Value| {
        let mut scores = vec![Value::Null, json!({"1": {"logprob": -9.0}})];
        if body["add_generation_prompt"] == json!(false) {
            let likely = if question(body).contains('e') { -0.5 } else { -4.0 };
            scores.extend([json!({"2": {"logprob": likely}}), json!({"3": {"logprob": -0.25}})]);
        }
        let body = json!({"model": "stub", "choices": [{"message": {"content": "x"}}], "prompt_logprobs": scores});
        Act::Say(200, Vec::new(), body.to_string())
    };
    let (run, _) = evaluated(&suite(Scoring::Loglikelihood), answer);
    let yes_no = run.outcomes.iter().find(|outcome| outcome.is_yes_no()).expect("a yes/no question");
    let scores: Vec<(Option<f64>, usize)> =
        yes_no.scores.iter().map(|score| (score.loglikelihood, score.tokens)).collect();
    assert_eq!(scores, [(Some(-0.75), 2), (Some(-4.25), 2)]);
    assert_eq!(yes_no.answer.as_deref(), Some("yes"));
}

/// Record of `tests/served/run`: `transformers serve` and the program answered the same questions.
#[test]
fn recorded_replies_of_a_real_server_equal_those_of_the_program() {
    let record = read_json(&repository().join("tests/served/result.json"));
    let results = record["results"].as_array().expect("results");
    assert!(results.len() > 1, "images of several sizes");
    for result in results {
        assert!(result["items"].as_u64() > Some(100), "{result}");
        assert_eq!(result["equal"], result["items"], "{result}");
        // Equal replies prove little where all replies are alike.
        assert!(result["different_replies"].as_u64() > Some(20), "{result}");
    }
}
