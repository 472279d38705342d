//! Measures the client against a stub that answers in 50 ms: 1,000 requests with 32 at a time. The bound is the time
//! in which the stub can answer them.

#![allow(clippy::print_stdout)]

#[path = "../tests/served/stub.rs"]
#[allow(dead_code)]
mod stub;

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use stepwise_served::client::{Address, Answers, Client, Http, Limits, Patience};

const REQUESTS: usize = 1000;
const AT_ONCE: usize = 32;
const LATENCY: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn Error>> {
    let server = stub::Stub::start(|_, _| {
        thread::sleep(LATENCY);
        stub::said("CT")
    });
    let folder = std::env::temp_dir().join(format!("stepwise-throughput-{}", std::process::id()));
    let patience = Patience::default();
    let http = Http::new(Address::parse(&server.url)?, None, &patience, AT_ONCE)?;
    let answers = Answers::open(&folder.join("answers.jsonl"))?;
    let client = Client::new(http, "stub", patience, AT_ONCE, Limits::default(), answers, Box::new(|| false));
    let began = Instant::now();
    let found = client.ask(REQUESTS, &|number| Ok(json!({"number": number})), &|| {})?;
    let took = began.elapsed().as_secs_f64();
    let bound = LATENCY.as_secs_f64() * REQUESTS.div_ceil(AT_ONCE) as f64;
    let answered = found.iter().flatten().count();
    println!("{answered} of {REQUESTS} requests in {took:.2} s, {:.2} of the bound of {bound:.2} s", took / bound);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
