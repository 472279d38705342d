//! Stub of a server on the loopback address: one thread a connection, with the response of every request from a function.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What the stub does with a request.
#[derive(Clone)]
pub enum Act {
    /// Answers with a status, further header lines and a body.
    Say(u16, Vec<String>, String),
    /// Announces a body of this length and sends less.
    CutOff(String),
    /// Does not answer for this time.
    Hang(Duration),
    /// Answers with a body of this many bytes.
    Huge(usize),
    /// Closes the connection without a word.
    Close,
}

/// Chat response with `text` of the model `model`.
pub fn said_by(model: &str, text: &str) -> Act {
    let body = json!({
        "model": model,
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2},
    });
    Act::Say(200, Vec::new(), body.to_string())
}

/// Chat response with `text` of the model `stub`.
pub fn said(text: &str) -> Act {
    said_by("stub", text)
}

/// Server on the loopback address.
pub struct Stub {
    pub url: String,
    /// Bodies of all requests, in the order of their arrival.
    pub requests: Arc<Mutex<Vec<Value>>>,
    /// Header lines of all requests.
    pub headers: Arc<Mutex<Vec<String>>>,
    /// Largest number of requests under way at one time.
    pub most: Arc<AtomicUsize>,
}

impl Stub {
    /// Starts a server whose response to the request with the number `n` (from 0, in the order of arrival) and the body
    /// `body` is `act(n, body)`.
    pub fn start(act: impl Fn(usize, &Value) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (requests, headers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (most, under_way) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let shared = (Arc::clone(&requests), Arc::clone(&headers), Arc::clone(&most));
        let act = Arc::new(act);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, headers, most) = shared.clone();
                let (act, under_way) = (Arc::clone(&act), Arc::clone(&under_way));
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
                    while let Some((lines, body)) = read(&mut reader) {
                        let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        let number = {
                            let mut requests = requests.lock().expect("alive");
                            requests.push(body.clone());
                            headers.lock().expect("alive").extend(lines);
                            requests.len() - 1
                        };
                        let goes_on = answer(&mut &stream, act(number, &body));
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        if !goes_on {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, requests, headers, most }
    }

    /// Number of requests so far.
    pub fn count(&self) -> usize {
        self.requests.lock().expect("alive").len()
    }
}

/// Reads a request: its header lines and its JSON body. None at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> Option<(Vec<String>, Value)> {
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((lines, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Sends a response and returns whether the connection stays open.
fn answer(stream: &mut impl Write, act: Act) -> bool {
    let head = |status: u16, length: usize, more: &[String]| {
        let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
        format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n")
    };
    match act {
        Act::Say(status, more, body) => {
            stream.write_all((head(status, body.len(), &more) + &body).as_bytes()).is_ok() && stream.flush().is_ok()
        }
        Act::CutOff(body) => {
            let _ = stream.write_all((head(200, body.len() + 100, &[]) + &body).as_bytes());
            false
        }
        Act::Hang(time) => {
            thread::sleep(time);
            false
        }
        Act::Huge(bytes) => {
            let _ = stream.write_all(head(200, bytes, &[]).as_bytes());
            let piece = vec![b' '; 1 << 16];
            (0..bytes / piece.len()).all(|_| stream.write_all(&piece).is_ok())
        }
        Act::Close => false,
    }
}
