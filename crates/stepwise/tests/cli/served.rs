//! `stepwise questions`, `stepwise score` and `stepwise eval --endpoint`.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use stepwise_testing::attacks;

use crate::common::Workplace;
use crate::stub::{Act, Stub, said};

/// Suite with a second turn, what no black box can be asked, and noise.
const SUITE: &str = concat!(
    r#"name = "asked"
version = 1
seed = 1
scoring = "generate"
max_new_tokens = 4

[[condition]]
id = "clean"
kind = "clean"

[[condition]]
id = "hint_minus"
kind = "hint_minus"

[[condition]]
id = "no_image"
kind = "no_image"

[[condition]]
id = "rebuttal"
kind = "rebuttal_doubt"
"#,
    attacks!(fgsm, random_sign)
);

/// Workplace with a model, cases and the suite.
fn place() -> Workplace {
    let place = Workplace::new();
    place.write("asked.toml", SUITE);
    place.done("data synth cases --cases 24 --seed 4 --image-size 64");
    place
}

fn lines(place: &Workplace, name: &str) -> Vec<Value> {
    place.read(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Ids of case, item and condition.
fn ids(row: &Value) -> [String; 3] {
    ["case_id", "item_id", "condition"].map(|name| row[name].as_str().expect("an id").to_owned())
}

/// Writes the replies of the outcomes `local` to the requests of a pass of the pack.
fn reply(place: &Workplace, local: &[Value], requests: &str, answers: &str, to: &str) {
    let known: HashMap<[String; 3], &Value> = local.iter().map(|outcome| (ids(outcome), outcome)).collect();
    let of_key: HashMap<String, [String; 3]> =
        lines(place, answers).iter().map(|row| (row["custom_id"].to_string(), ids(row))).collect();
    let reply = |row: &Value| {
        let outcome = known.get(&of_key[&row["custom_id"].to_string()]);
        let text = outcome.and_then(|outcome| outcome["reply"].as_str()).unwrap_or("none");
        format!("{}\n", json!({"custom_id": row["custom_id"], "reply": text}))
    };
    place.write(to, lines(place, requests).iter().map(reply).collect::<String>());
}

#[test]
fn answers_through_a_pack_equal_the_local_evaluation() {
    let place = place();
    let asked = "--suite asked.toml --split train --max-cases 2";
    place.done(&format!("eval model --data cases {asked} --out local"));
    let ran = place.done(&format!("questions cases pack {asked}"));
    assert!(ran.stdout.contains("not asked: fgsm: "), "{}", ran.stdout);
    let local = lines(&place, "local/model/outcomes.jsonl");
    reply(&place, &local, "pack/requests.jsonl", "pack/gold/answers.jsonl", "first.jsonl");
    place.done(&format!("questions cases pack {asked} --replies first.jsonl"));
    reply(&place, &local, "pack/requests-2.jsonl", "pack/gold/answers-2.jsonl", "second.jsonl");
    let ran = place.done("score pack first.jsonl second.jsonl --model tiny --out scored");
    assert!(ran.stdout.contains("accuracy by the reading of generated replies"), "{}", ran.stdout);
    let without_key = |outcomes: Vec<Value>| -> Vec<Value> {
        let own = outcomes
            .into_iter()
            .filter(|row| !["fgsm", "random_sign"].contains(&row["condition"].as_str().expect("an id")));
        own.map(|mut row| {
            row["key"] = Value::Null;
            row
        })
        .collect()
    };
    assert_eq!(without_key(lines(&place, "scored/outcomes.jsonl")), without_key(local));
    let found = place.done("compare local scored --suite asked.toml --json").json();
    assert!(found["both"].as_u64() > Some(20), "{}", found["both"]);
    let clean = &found["conditions"][0];
    assert_eq!((&clean["accuracy_a"], &clean["only_a_right"]), (&clean["accuracy_b"], &json!(0)));
    // The flexible reading is a side of its own.
    let refused = place.refused("compare local scored/flexible --suite asked.toml");
    assert!(refused.contains("flexible reading"), "{refused}");
    place.done("compare scored/flexible scored/flexible --suite asked.toml");
    let rules = place.done("compare local scored --suite asked.toml --cases pack/gold --compat").stdout;
    assert!(rules.contains("published scoring rules of B"), "{rules}");
    // An answer to another question is refused.
    let other = place.read("scored/outcomes.jsonl").replacen("\"asked\":\"", "\"asked\":\"0", 1);
    place.write("other/outcomes.jsonl", other);
    let refused = place.refused("compare local other/outcomes.jsonl --suite asked.toml");
    assert!(refused.contains("asked: is `") && refused.contains("different questions"), "{refused}");
}

#[test]
fn replies_that_cannot_be_used_are_named() {
    let place = place();
    place.done("questions cases pack --suite asked.toml --split train --max-cases 1");
    place.write("stray.jsonl", "{\"custom_id\": \"abc\", \"reply\": \"CT\"}\n");
    assert!(place.refused("score pack stray.jsonl").contains("stray.jsonl:1: custom_id: `abc` is no question"));
    place.write("twice.jsonl", "{\"custom_id\": \"a\", \"reply\": \"x\"}\n{\"custom_id\": \"a\", \"reply\": \"y\"}\n");
    assert!(place.refused("score pack twice.jsonl").contains("has another reply in"));
    place.refused("score cases stray.jsonl");
    place.refused("questions cases pack --suite asked.toml --split train");
}

const ASKED: &str = "--model stub --data cases --suite asked.toml --split train --max-cases 2";

/// Command line of an evaluation of the stub.
fn served(stub: &Stub, out: &str) -> String {
    format!("eval --endpoint {} {ASKED} --out {out}", stub.url)
}

/// Reply that depends on the request only.
fn by_length(body: &Value) -> Act {
    let length = body["messages"].to_string().len();
    said(["yes", "no", "Yes, there is one.", "The answer is A."][length % 4])
}

#[test]
fn a_served_model_is_killed_and_resumed_to_the_same_bytes() {
    let place = place();
    let whole = Stub::start(|_, body| by_length(body));
    let ran = place.done(&served(&whole, "whole"));
    assert!(ran.stderr.contains("scoring: generate"), "{}", ran.stderr);
    assert!(ran.stdout.contains("flexible - strict") && ran.stdout.contains("report  "), "{}", ran.stdout);
    // The stub is slow, so that the command is killed between two answers.
    let slow = Stub::start(|_, body| {
        std::thread::sleep(Duration::from_millis(30));
        by_length(body)
    });
    let line = served(&slow, "killed");
    let mut child = place
        .command(&line.split(' ').collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    while slow.count() < 20 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(!place.path("killed/outcomes.jsonl").exists(), "killed too late");
    place.done(&line);
    // Requests that were under way when the command was killed are sent again.
    assert!(slow.count() <= whole.count() + 32, "{} of {}", slow.count(), whole.count());
    // The key of an outcome holds the address, and the two stubs have two.
    let key = regex::Regex::new("\"key\":\"[0-9a-f]{64}\"").expect("a pattern");
    let keyless = |out: &str, name: &str| key.replace_all(&place.read(&format!("{out}/{name}")), "").into_owned();
    for name in ["outcomes.jsonl", "summary.json", "flexible/outcomes.jsonl", "tables/conditions.csv"] {
        assert_eq!(place.path("whole").join(name).exists(), place.path("killed").join(name).exists(), "{name}");
        if place.path("whole").join(name).exists() {
            assert_eq!(keyless("whole", name), keyless("killed", name), "{name}");
        }
    }
    let before = slow.count();
    place.done(&line);
    assert_eq!(slow.count(), before, "nothing is asked twice");
}

#[test]
fn limits_end_in_order_and_a_dry_run_sends_nothing() {
    let place = place();
    let stub = Stub::start(|_, body| by_length(body));
    let dry = place.done(&format!("eval --endpoint {} {ASKED} --dry-run", stub.url)).stdout;
    assert!(dry.contains("questions") && dry.contains("tokens of images, about"), "{dry}");
    assert_eq!(stub.count(), 0);
    let ran = place.run(&format!("{} --max-requests 9", served(&stub, "out")));
    assert_eq!((ran.code, stub.count()), (Some(130), 9), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`--max-requests`") && ran.stderr.contains("the same command goes on"),
        "{}",
        ran.stderr
    );
    let ran = place.done(&served(&stub, "out"));
    assert!(ran.stderr.contains("answers reused"), "{}", ran.stderr);
}

#[test]
fn missing_answers_are_shown_and_too_many_are_not_compared() {
    let place = place();
    let stub = Stub::start(|_, body| match body["messages"].to_string().contains("modality") {
        true => Act::Say(400, vec![], "refused".to_owned()),
        false => by_length(body),
    });
    let ran = place.done(&served(&stub, "out"));
    assert!(ran.stderr.contains("have no answer; no number counts them"), "{}", ran.stderr);
    assert!(ran.stderr.contains("status 400: refused"), "{}", ran.stderr);
    assert!(place.read("out/report.html").contains("have no answer"), "the report shows them");
    let refused = place.refused("compare out out --suite asked.toml");
    assert!(refused.contains("--allow-missing"), "{refused}");
    let ran = place.done("compare out out --suite asked.toml --allow-missing");
    assert!(ran.stderr.contains("have no answer"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let place = place();
    let nobody = "eval --endpoint http://127.0.0.1:1/v1 --out out";
    // Tries again for a while first, and says that it works.
    let ran = place.run(&format!("{nobody} {ASKED}"));
    assert!(ran.code == Some(2) && ran.stderr.contains("cannot be reached"), "{}", ran.stderr);
    assert!(place.refused(&format!("eval --endpoint ftp://x {ASKED} --out out")).contains("another scheme"));
    assert!(place.refused(&format!("eval --endpoint http://127.0.0.1:1 {ASKED}")).contains("--out DIR"));
    assert!(place.refused(&format!("{nobody} {ASKED} --api-key-env NO_SUCH_VARIABLE")).contains("NO_SUCH_VARIABLE"));
    place.refused("eval --endpoint http://127.0.0.1:1 --out out");
    place.refused("eval model --model m");
    let lacking = Stub::start(|_, _| Act::Say(404, vec![], "no such model".to_owned()));
    assert!(place.refused(&served(&lacking, "out")).contains("no such model"));
    let text = Stub::start(|_, body| by_length(body));
    let refused = place.refused(&format!("{} --scoring letter", served(&text, "out")));
    assert!(refused.contains("does not offer") && refused.contains("choose `generate`"), "{refused}");
    // A data set that needs credentials is not sent to another machine.
    place.edit("cases/cases.jsonl", "cases/cases.jsonl", "\"credentialed\":false", "\"credentialed\":true");
    let refused = place.refused(&format!("eval --endpoint http://192.0.2.1/v1 {ASKED} --out out"));
    assert!(refused.contains("needs credentials") && refused.contains("--allow-upload"), "{refused}");
    place.done(&served(&text, "here"));
}

#[test]
fn the_key_is_in_no_file_and_no_message() {
    let place = place();
    let stub = Stub::start(|_, body| by_length(body));
    let line = format!("{} --api-key-env STEPWISE_TEST_KEY", served(&stub, "out"));
    let mut command = place.command(&line.split(' ').collect::<Vec<_>>());
    let output = command.env("STEPWISE_TEST_KEY", "hidden-key-7").output().expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stub.headers.lock().expect("alive").contains(&"authorization: Bearer hidden-key-7".to_owned()));
    let mut folders = vec![place.path("out")];
    let mut texts = vec![output.stdout, output.stderr];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => texts.push(std::fs::read(path).expect("a file")),
            }
        }
    }
    assert!(texts.len() > 6);
    for text in texts {
        assert!(!String::from_utf8_lossy(&text).contains("hidden-key"));
    }
}
