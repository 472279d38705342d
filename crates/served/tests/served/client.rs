//! The client against servers that fail in every way.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use stepwise_served::client::{Address, Answer, Answers, Client, ClientError, Http, Limits, Offers, Patience, probe};

use crate::stub::{Act, Stub, said, said_by};

/// Patience of the tests: short waits, and a time limit that a busy machine keeps.
const PATIENCE: Patience = Patience {
    timeout: Duration::from_secs(20),
    attempts: 4,
    first_wait: Duration::from_millis(5),
    longest_wait: Duration::from_millis(20),
};

fn client_of(url: &str, answers: &Path, patience: Patience, limits: Limits, key: Option<&str>) -> Client {
    let address = Address::parse(url).expect("an address");
    let http = Http::new(address, key.map(str::to_owned), &patience, 8).expect("a sender");
    Client::new(http, "stub", patience, 8, limits, Answers::open(answers).expect("a file"), Box::new(|| false))
}

fn request(number: usize) -> Result<Value, String> {
    Ok(json!({"model": "stub", "number": number}))
}

/// Asks `count` questions, and returns the texts or the error.
fn ask(client: &Client, count: usize) -> Result<Vec<Option<String>>, ClientError> {
    let answers = client.ask(count, &request, &|| {})?;
    Ok(answers.into_iter().map(|answer| answer.map(|answer: Answer| answer.text)).collect())
}

/// Asks one question of a server that acts `first`, and then answers. Returns the text and the requests sent.
fn after(first: Act) -> (Result<Vec<Option<String>>, ClientError>, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(move |number, _| if number == 0 { first.clone() } else { said("CT") });
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
    (ask(&client, 1), stub.count())
}

#[test]
fn a_failure_that_passes_is_asked_again() {
    let text = |text: &str| text.to_owned();
    for (name, act) in [
        ("429", Act::Say(429, vec![text("retry-after: 0.02")], text("{}"))),
        ("500", Act::Say(500, vec![], text("oops"))),
        ("503 without a body", Act::Say(503, vec![], String::new())),
        ("cut off", Act::CutOff(text("{\"choices\": [{\"message\": {\"content\": \"MR"))),
        ("no JSON", Act::Say(200, vec![], text("<html>busy</html>"))),
        ("JSON of another kind", Act::Say(200, vec![], text("{\"object\": \"list\"}"))),
        ("closed", Act::Close),
        ("more than the limit of bytes", Act::Huge(20 << 20)),
    ] {
        let (found, sent) = after(act);
        assert_eq!((found, sent), (Ok(vec![Some(text("CT"))]), 2), "{name}");
    }
}

#[test]
fn a_server_that_does_not_answer_in_time_is_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(|number, _| if number == 0 { Act::Hang(Duration::from_secs(60)) } else { said("CT") });
    let patience = Patience { timeout: Duration::from_millis(1500), ..PATIENCE };
    let client = client_of(&stub.url, &folder.path().join("a"), patience, Limits::default(), None);
    assert_eq!(ask(&client, 1), Ok(vec![Some("CT".to_owned())]));
}

#[test]
fn a_request_that_fails_for_good_is_missing_and_the_others_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(|_, body| match body["number"].as_u64() {
        Some(3) => Act::Say(400, vec![], json!({"error": {"message": "the image is too large"}}).to_string()),
        Some(5) => Act::Say(500, vec![], "oops".to_owned()),
        number => said(&format!("{number:?}")),
    });
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
    let found = ask(&client, 8).expect("asked");
    let missing: Vec<usize> = (0..8).filter(|number| found[*number].is_none()).collect();
    assert_eq!(missing, [3, 5]);
    assert_eq!(found[7].as_deref(), Some("Some(7)"), "answers are in the order of the requests");
    let usage = client.usage();
    // The refused question is sent once, the failing one as often as the patience allows.
    assert_eq!((usage.answered, usage.sent), (6, 6 + 1 + 4));
    let reasons: Vec<&String> = usage.failed.keys().collect();
    assert_eq!(reasons, ["answers with status 400: the image is too large", "answers with status 500: oops"]);
    // A second start asks the missing ones again and nothing else.
    let before = stub.count();
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
    assert_eq!(ask(&client, 8).expect("asked"), found);
    assert_eq!((client.usage().reused, stub.count() - before), (6, 5));
}

#[test]
fn what_no_attempt_can_change_ends_the_evaluation() {
    let other = said_by("another-model", "CT");
    let location = vec!["location: http://example.org/v1/chat/completions".to_owned()];
    for (act, what) in [
        (Act::Say(404, vec![], json!({"error": {"message": "no model `stub`"}}).to_string()), "no model `stub`"),
        (Act::Say(404, vec![], json!({"detail": "no model at all"}).to_string()), "status 404: no model at all"),
        (Act::Say(401, vec![], "{}".to_owned()), "status 401"),
        (other, "answers as the model `another-model` where `stub` was asked"),
        (Act::Say(302, location.clone(), String::new()), "redirects to http://example.org"),
        (Act::Say(307, location, String::new()), "redirects to http://example.org"),
    ] {
        let (found, sent) = after(act);
        let error = found.expect_err("ended").to_string();
        assert!(error.contains(what) && error.contains(" -> "), "{error}");
        assert_eq!(sent, 1, "{error}");
    }
}

#[test]
fn no_server_and_no_tls_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(|_, _| said("CT"));
    for url in ["http://127.0.0.1:1/v1".to_owned(), stub.url.replace("http://", "https://")] {
        let client = client_of(&url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
        let error = probe(&client).expect_err("no server").to_string();
        assert!(error.contains(&url) && error.contains("cannot be reached"), "{error}");
    }
}

#[test]
fn a_server_that_is_gone_ends_the_evaluation_and_answers_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(|number, _| if number < 20 { said("CT") } else { Act::Say(502, vec![], "gone".to_owned()) });
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
    let error = ask(&client, 400).expect_err("gone").to_string();
    assert!(error.contains("requests in a row failed for good") && error.contains("502"), "{error}");
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
    let _ = ask(&client, 400);
    assert_eq!(client.usage().reused, 20);
}

#[test]
fn answers_in_another_order_reach_their_questions() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(|number, body| {
        std::thread::sleep(Duration::from_millis(if number % 2 == 0 { 30 } else { 1 }));
        said(&body["number"].to_string())
    });
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
    let expected: Vec<Option<String>> = (0..40).map(|number| Some(format!("{number}"))).collect();
    assert_eq!(ask(&client, 40), Ok(expected));
    let most = stub.most.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most} requests under way");
}

#[test]
fn limits_end_the_requests_in_order_and_a_second_start_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    let stub = Stub::start(|_, body| said(&body["number"].to_string()));
    let limits = Limits { requests: Some(10), tokens: None };
    let error = ask(&client_of(&stub.url, &path, PATIENCE, limits, None), 25).expect_err("the limit");
    assert!(matches!(&error, ClientError::Limit(what) if what.contains("--max-requests")), "{error}");
    assert_eq!(stub.count(), 10);
    let limits = Limits { requests: None, tokens: Some(60) };
    let error = ask(&client_of(&stub.url, &path, PATIENCE, limits, None), 25).expect_err("the limit");
    assert!(matches!(&error, ClientError::Limit(what) if what.contains("--max-tokens-total")), "{error}");
    // An answer has 12 tokens: the limit is reached after five, and up to seven more are under way by then.
    let count = stub.count();
    assert!((15..=22).contains(&count), "{count}");
    let client = client_of(&stub.url, &path, PATIENCE, Limits::default(), None);
    assert!(ask(&client, 25).expect("asked").iter().all(Option::is_some));
    assert_eq!(stub.count(), 25, "nothing is asked twice");
    assert_eq!((client.usage().prompt_tokens, client.usage().answer_tokens), (250, 50));
}

#[test]
fn an_interrupt_ends_the_requests() {
    let folder = tempfile::tempdir().expect("a folder");
    let stop = Arc::new(AtomicBool::new(false));
    let (own, seen) = (Arc::clone(&stop), Arc::clone(&stop));
    let stub = Stub::start(move |number, _| {
        own.store(number >= 4, Ordering::SeqCst);
        said("CT")
    });
    let http = Http::new(Address::parse(&stub.url).expect("an address"), None, &PATIENCE, 1).expect("a sender");
    let answers = Answers::open(&folder.path().join("a")).expect("a file");
    let interrupted = Box::new(move || seen.load(Ordering::SeqCst));
    let client = Client::new(http, "stub", PATIENCE, 1, Limits::default(), answers, interrupted);
    assert_eq!(ask(&client, 100), Err(ClientError::Stopped));
    assert_eq!(stub.count(), 5);
}

#[test]
fn the_key_is_sent_and_shown_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(|number, _| match number {
        0 => said("CT"),
        _ => Act::Say(401, vec![], json!({"error": {"message": "wrong key: top-secret-1"}}).to_string()),
    });
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), Some("top-secret-1"));
    assert!(ask(&client, 1).is_ok());
    let error = client.ask(1, &|_| Ok(json!({"other": 1})), &|| {}).expect_err("refused").to_string();
    assert!(error.contains("wrong key: ***") && !error.contains("top-secret"), "{error}");
    assert!(!format!("{client:?}").contains("top-secret"));
    assert!(stub.headers.lock().expect("alive").contains(&"authorization: Bearer top-secret-1".to_owned()));
    let stored = std::fs::read_to_string(folder.path().join("a")).expect("read");
    assert!(stored.contains("CT") && !stored.contains("top-secret"), "{stored}");
    let address = Address::parse(&stub.url).expect("an address");
    assert!(Http::new(address, Some("two\nlines".to_owned()), &PATIENCE, 1).is_err());
}

/// Response to a probe that offers what `letters` and `options` say.
fn probed(body: &Value, letters: bool, options: bool) -> Act {
    let mut answer = json!({"model": "stub", "choices": [{"message": {"content": "A"}}]});
    if letters && body.get("top_logprobs").is_some() {
        answer["choices"][0]["logprobs"] = json!({"content": [{"top_logprobs": [{"token": "A", "logprob": -0.1}]}]});
    }
    if options && body.get("prompt_logprobs").is_some() {
        answer["prompt_logprobs"] = json!([null, {"5": {"logprob": -1.0}}]);
    }
    Act::Say(200, Vec::new(), answer.to_string())
}

#[test]
fn what_a_server_offers_is_asked() {
    for (letters, options) in [(false, false), (true, false), (false, true), (true, true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let stub = Stub::start(move |_, body| {
            asked.lock().expect("alive").push(body.clone());
            probed(body, letters, options)
        });
        let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
        assert_eq!(probe(&client), Ok(Offers { letters, options }));
        assert_eq!((probe(&client), stub.count()), (Ok(Offers { letters, options }), 3), "stored like all answers");
    }
    // A server that refuses the keys offers neither, and the refusals are no missing answers.
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(|_, body| match body.get("logprobs").or(body.get("prompt_logprobs")) {
        Some(_) => Act::Say(400, vec![], "unknown key".to_owned()),
        None => said("A"),
    });
    let client = client_of(&stub.url, &folder.path().join("a"), PATIENCE, Limits::default(), None);
    assert_eq!(probe(&client), Ok(Offers::default()));
    assert!(client.usage().failed.is_empty());
}
