//! Packs: what is written, and the way back from replies to outcomes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use stepwise_benchmark::mock::{HintFollower, Oracle, Planted, Policy};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_GRADIENTS, NO_SURROGATE, Run};
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;
use stepwise_data::synth::{SynthCase, SynthOptions, case};
use stepwise_served::pack::{self, Manifest, Pack, PackError, PackOptions, Replies, of_pack};
use stepwise_testing::attacks;
use stepwise_testing::benchmark::evaluate::MockEvaluation;

const SUITE: &str = concat!(
    r#"name = "short"
version = 3
seed = 2
[[condition]]
id = "clean"
kind = "clean"
[[condition]]
id = "hint_minus"
kind = "hint_minus"
[[condition]]
id = "permutation"
kind = "permutation"
[[condition]]
id = "blank"
kind = "blank"
[[condition]]
id = "no_image"
kind = "no_image"
[[condition]]
id = "rebuttal"
kind = "rebuttal_doubt"
[[condition]]
id = "parents_predicted"
kind = "parents_predicted"
"#,
    attacks!(fgsm, transfer, random_sign)
);

/// A pack of drawn cases in a temporary folder.
struct Written {
    folder: tempfile::TempDir,
    drawn: Vec<SynthCase>,
    cases: Vec<Case>,
    suite: Suite,
    manifest: Manifest,
}

impl Written {
    fn new() -> Self {
        let options = SynthOptions { image_size: 64, ..SynthOptions::default() };
        let drawn: Vec<SynthCase> = (0..3).map(|number| case(number, &options)).collect();
        let with_digest = |drawn: &SynthCase| {
            let mut case = drawn.case.clone();
            // A case file needs the digest of every image.
            case.images.iter_mut().for_each(|image| image.sha256 = pack_digest(&case.case_id));
            case
        };
        let cases: Vec<Case> = drawn.iter().map(with_digest).collect();
        let suite = of_pack(Suite::parse(SUITE, "short.toml".as_ref()).expect("valid"), None);
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("pack");
        let options = PackOptions { out: &out, suite: SUITE, model: "any", data_urls: false };
        let manifest = pack::write(&Plan::new(&suite, &cases), &images(&drawn), options, None).expect("written");
        Self { folder, drawn, cases, suite, manifest }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pack")
    }

    fn rows(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path().join(name)).expect(name);
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn plan(&self) -> Plan<'_> {
        Plan::new(&self.suite, &self.cases)
    }

    /// Outcomes of a mock model in the runner.
    fn local<P: Policy>(&self, policy: P) -> Run {
        let plan = self.plan();
        let mut model = Planted::knowing(&plan, policy);
        MockEvaluation::on(&images(&self.drawn)).run(&plan, &mut model)
    }

    /// Writes the replies of `outcomes` to the requests of a file of the pack, and returns the file.
    fn replies(&self, requests: &str, outcomes: &[Outcome]) -> PathBuf {
        let gold: HashMap<String, Value> = ["answers.jsonl", "answers-2.jsonl"]
            .iter()
            .filter(|name| self.path().join("gold").join(name).exists())
            .flat_map(|name| self.rows(&format!("gold/{name}")))
            .map(|row| (row["custom_id"].as_str().expect("a key").to_owned(), row))
            .collect();
        let of: HashMap<[&str; 3], &Outcome> = outcomes
            .iter()
            .map(|outcome| ([outcome.case_id.as_str(), &outcome.item_id, &outcome.condition], outcome))
            .collect();
        let reply = |row: &Value| {
            let key = row["custom_id"].as_str().expect("a key");
            let place = ["case_id", "item_id", "condition"].map(|name| gold[key][name].as_str().expect("an id"));
            // The mock model has no pixels, so it was not asked about noise.
            let reply = of.get(&place).and_then(|outcome| outcome.reply.as_deref()).unwrap_or("none");
            json!({"custom_id": key, "reply": reply}).to_string()
        };
        let lines: Vec<String> = self.rows(requests).iter().map(reply).collect();
        let path = self.folder.path().join(format!("replies-{requests}"));
        fs::write(&path, lines.join("\n")).expect("written");
        path
    }

    fn score(&self, replies: &[PathBuf]) -> Result<pack::Scored, PackError> {
        let pack = Pack::open(&self.path())?;
        pack.score(&Plan::new(&pack.suite, &pack.cases), &Replies::read(replies)?)
    }
}

fn pack_digest(case_id: &str) -> String {
    stepwise_served::picture::digest(case_id.as_bytes())
}

fn images(drawn: &[SynthCase]) -> impl stepwise_benchmark::runner::Images + '_ {
    |case: &Case, _: usize| {
        let drawn = drawn.iter().find(|drawn| drawn.case.case_id == case.case_id).ok_or("no such case")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Arc::new(drawn.image.clone()))
    }
}

#[test]
fn a_pack_holds_requests_images_and_apart_from_them_the_answers() {
    let written = Written::new();
    let requests = written.rows("requests.jsonl");
    assert_eq!(requests.len(), written.manifest.requests);
    let answers = written.rows("gold/answers.jsonl");
    assert_eq!(answers.len(), requests.len());
    let files = fs::read_dir(written.path().join("images")).expect("images").count();
    assert_eq!(files, written.manifest.images);
    let mut keys: Vec<&str> = requests.iter().map(|row| row["custom_id"].as_str().expect("a key")).collect();
    assert!(keys.iter().all(|key| key.len() == 64));
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), requests.len());
    for (request, answer) in requests.iter().zip(&answers) {
        assert_eq!(request["custom_id"], answer["custom_id"]);
        assert_eq!(request["url"], "/v1/chat/completions");
        let has_image = request.to_string().contains("\"images/");
        assert_eq!(has_image, answer["condition"] != "no_image", "{request}");
        for key in ["gold", "named", "condition", "case_id"] {
            assert!(request["body"].get(key).is_none(), "{request}");
        }
        if let Some(url) = request["body"]["messages"][0]["content"][0]["image_url"]["url"].as_str() {
            let bytes = fs::read(written.path().join(url)).expect("an image");
            assert_eq!(format!("images/{}.png", stepwise_served::picture::digest(&bytes)), url);
        }
    }
    // Options are in the order shown: a permuted question has the order of its letters in the text.
    let permuted = answers.iter().position(|row| row["condition"] == "permutation").expect("a permutation");
    let text = requests[permuted]["body"]["messages"][0]["content"][1]["text"].as_str().expect("a text").to_owned();
    for (place, option) in answers[permuted]["options"].as_array().expect("options").iter().enumerate() {
        let line = format!("{}. {}", ["A", "B", "C", "D", "E", "F"][place], option.as_str().expect("a text"));
        assert!(text.contains(&line), "{text}");
    }
    // Noise is asked, and what needs gradients or another model is named.
    assert!(answers.iter().any(|row| row["condition"] == "random_sign"));
    let reasons = |condition: &str| written.manifest.not_asked[condition].keys().cloned().collect::<Vec<_>>();
    assert_eq!((reasons("fgsm"), reasons("transfer")), (vec![NO_GRADIENTS.to_owned()], vec![NO_SURROGATE.to_owned()]));
    assert_eq!(written.manifest.not_asked.len(), 2);
    let second = written.rows("second-turns.jsonl");
    assert_eq!(second.len(), written.manifest.second_turns);
    assert!(second.iter().all(|row| row.to_string().contains("{{first reply}}")), "{second:?}");
}

#[test]
fn a_second_pack_has_the_same_bytes() {
    let (one, other) = (Written::new(), Written::new());
    for name in ["requests.jsonl", "second-turns.jsonl", "pack.json", "gold/answers.jsonl", "gold/cases.jsonl"] {
        assert_eq!(one.rows_text(name), other.rows_text(name), "{name}");
    }
}

impl Written {
    fn rows_text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect(name)
    }
}

#[test]
fn replies_give_the_outcomes_of_the_local_evaluation() {
    let written = Written::new();
    let local = written.local(HintFollower(Oracle));
    let expected: Vec<&Outcome> =
        local.outcomes.iter().filter(|outcome| !["fgsm", "transfer"].contains(&outcome.condition.as_str())).collect();
    let first = written.replies("requests.jsonl", &local.outcomes);
    let scored = written.score(std::slice::from_ref(&first)).expect("scored");
    assert_eq!(scored.answered, written.manifest.requests);
    assert_eq!(scored.missing, written.manifest.second_turns, "second turns wait for their replies");

    let out = written.path();
    let options = PackOptions { out: &out, suite: SUITE, model: "any", data_urls: false };
    let replies = Replies::read(std::slice::from_ref(&first)).expect("read");
    let count = pack::write_second(&written.plan(), &images(&written.drawn), options, None, &replies).expect("written");
    assert_eq!(count, written.manifest.second_turns);
    let second = written.rows("requests-2.jsonl");
    assert!(second.iter().any(|row| row["body"]["messages"].as_array().is_some_and(|turns| turns.len() > 2)));
    let second = written.replies("requests-2.jsonl", &local.outcomes);
    let scored = written.score(&[first, second]).expect("scored");
    assert_eq!((scored.missing, scored.answered), (0, written.manifest.requests + written.manifest.second_turns));
    let by_pack: Vec<Outcome> =
        scored.run.outcomes.into_iter().filter(|outcome| outcome.condition != "random_sign").collect();
    assert_eq!(by_pack.len(), expected.len());
    for (found, expected) in by_pack.iter().zip(expected) {
        // The key names the model, which a pack does not know.
        assert_eq!(found, &Outcome { key: found.key.clone(), ..expected.clone() });
        assert!(!found.asked.is_empty());
    }
}

#[test]
fn a_reply_of_an_unknown_key_a_changed_first_reply_and_another_suite_are_named() {
    let written = Written::new();
    let stray = written.folder.path().join("stray.jsonl");
    fs::write(&stray, "{\"custom_id\": \"abc\", \"reply\": \"CT\"}\n").expect("written");
    let problem = written.score(std::slice::from_ref(&stray)).expect_err("unknown").to_string();
    assert!(problem.contains("stray.jsonl:1: custom_id: `abc` is no question of the pack"), "{problem}");

    let local = written.local(Oracle);
    let first = written.replies("requests.jsonl", &local.outcomes);
    let out = written.path();
    let options = PackOptions { out: &out, suite: SUITE, model: "any", data_urls: false };
    let replies = Replies::read(std::slice::from_ref(&first)).expect("read");
    pack::write_second(&written.plan(), &images(&written.drawn), options, None, &replies).expect("written");
    let second = written.replies("requests-2.jsonl", &local.outcomes);
    let changed = fs::read_to_string(&first).expect("read").replace("\"reply\":\"", "\"reply\":\"x");
    fs::write(&first, changed).expect("written");
    let problem = written.score(&[first, second]).expect_err("stale").to_string();
    assert!(problem.contains("repeats a first reply that has changed since"), "{problem}");

    let manifest = written.path().join("pack.json");
    let text = fs::read_to_string(&manifest).expect("read").replace(&written.manifest.suite.digest, "0");
    fs::write(&manifest, text).expect("written");
    let problem = Pack::open(&written.path()).expect_err("another suite").to_string();
    assert!(problem.contains("digest 0") && problem.contains(" -> "), "{problem}");
    let none = Pack::open(Path::new("nowhere")).expect_err("no pack").to_string();
    assert!(none.contains("pack.json") && none.contains(" -> "), "{none}");
    let options = PackOptions { out: &out, suite: SUITE, model: "any", data_urls: false };
    let again = pack::write(&written.plan(), &images(&written.drawn), options, None).expect_err("exists").to_string();
    assert!(again.contains("exists and is not empty -> "), "{again}");
}
