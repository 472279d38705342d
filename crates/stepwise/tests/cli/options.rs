//! Options that are the beginning of other options, put to a model that always gives the longest one.

use serde_json::{Value, json};

use crate::common::Workplace;

const ANSWER: &str = "effusion left and small";
const QUESTION: &str = "What does this image show?";

/// Learns the answer by heart, so that its probability is near 1: all of the model is trained.
const RECIPE: &str = r#"model_name_or_path = "model"
output_dir = "run"
seed = 5
finetuning_type = "full"

[data]
dataset = "cases"
eval_split = "test"

[train]
per_device_train_batch_size = 8
gradient_accumulation_steps = 1
learning_rate = 5e-3
warmup_steps = 0

[[curriculum.phase]]
stages = [2]
num_train_epochs = 160

[benchmark]
suite = "none"
"#;

const SUITE: &str = "name = \"clean\"\nversion = 1\nseed = 1\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n";

/// Eight cases to train on and eight to test with. All have the same right option, at every place in turn.
fn place() -> Workplace {
    let place = Workplace::new();
    place.done("data synth cases --cases 16 --image-size 64");
    let options = ["effusion", ANSWER, "effusion left", "mass"];
    let written = place.read("cases/cases.jsonl");
    let cases = written.lines().enumerate().map(|(number, line)| {
        let mut case: Value = serde_json::from_str(line).expect("JSON");
        let mut shown = options;
        shown.rotate_left(number % options.len());
        let gold = shown.iter().position(|option| *option == ANSWER);
        case["group_id"] = json!(format!("patient-{number}"));
        case["split"] = json!(if number < 8 { "train" } else { "test" });
        case["regions"] = json!([]);
        case["chain"] = json!([{"id": "q1", "stage": 2, "category": "11", "question": QUESTION,
            "answer": {"type": "choice", "options": shown, "gold": [gold]}}]);
        format!("{case}\n")
    });
    place.write("cases/cases.jsonl", cases.collect::<String>());
    place.write("recipe.toml", RECIPE);
    place.write("suite.toml", SUITE);
    place
}

#[test]
fn an_option_that_begins_the_models_answer_does_not_win() {
    let place = place();
    place.done("train recipe.toml");
    let accuracy = |scoring: &str| -> (Option<f64>, Option<u64>) {
        let line =
            format!("eval run --data cases --split test --suite suite.toml --scoring {scoring} --json --no-cache");
        let summary = place.done(&line).json();
        assert_eq!((&summary["scoring_version"], &summary["parser"]), (&json!("options/2"), &json!("parse/4")));
        (summary["conditions"][0]["accuracy"].as_f64(), summary["conditions"][0]["n"].as_u64())
    };
    for scoring in ["generate", "loglikelihood"] {
        assert_eq!(accuracy(scoring), (Some(1.0), Some(8)), "{scoring}");
    }

    // The answer that the model generates is the likeliest option, and its score is the likelihood of the generation.
    let question = format!("{QUESTION}\nA. mass\nB. effusion\nC. effusion left\nD. {ANSWER}\nAnswer with one option.");
    let asked = ["ask", "--model_name_or_path", "run", "--json", "--image", "cases/images/synth-0-000009.png"];
    let options = ["--question", &question, "--options", "mass", "effusion", "effusion left", ANSWER];
    let answer = place.run_args(&[&asked[..], &options[..]].concat()).json();
    let scores: Vec<f64> = answer["options"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|option| option["loglikelihood"].as_f64().expect("a number"))
        .collect();
    assert!(scores[..3].iter().all(|score| *score < scores[3]), "{scores:?}");
    assert_eq!((&answer["text"], &answer["token_ids"]), (&json!(ANSWER), &answer["options"][3]["token_ids"]));
    let generated: f64 = answer["logprobs"].as_array().expect("a list").iter().filter_map(Value::as_f64).sum();
    assert!((generated - scores[3]).abs() < 1e-3, "{generated} {}", scores[3]);
}
