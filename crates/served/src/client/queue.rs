//! Requests of an evaluation: several under way at a time, repeated where they fail, and answered once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::backoff;
use super::budget::Budget;
use super::window::{Ended, Window};
use super::{Address, Answer, Answers, ClientError, Failure, Http, Limits, Patience};
use crate::picture::digest;
use crate::request::CHAT;

/// Requests that fail for good, one after the other, before the evaluation ends: the server is then gone.
const MOST_IN_A_ROW: u32 = 8;

/// Counts of the requests of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests sent, repeated attempts included.
    pub sent: u64,
    /// Answers that the server gave.
    pub answered: u64,
    /// Answers taken from the file of answers.
    pub reused: u64,
    /// Tokens of the prompts of all answers, reused ones included, as the server counts.
    pub prompt_tokens: u64,
    /// Generated tokens of all answers, reused ones included, as the server counts.
    pub answer_tokens: u64,
    /// Number of requests that failed for good, by reason.
    pub failed: BTreeMap<String, u64>,
}

/// Client of one model on one server.
pub struct Client {
    http: Http,
    model: String,
    patience: Patience,
    most: usize,
    window: Window,
    budget: Budget,
    answers: Answers,
    usage: Mutex<Usage>,
    failed_in_a_row: AtomicU32,
    stop: AtomicBool,
    reason: Mutex<Option<ClientError>>,
    interrupted: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("http", &self.http).field("model", &self.model).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates the client of `model`. At most `most` requests are under way at a time. New answers are appended to
    /// `answers`, and requests that it has an answer to are not sent. Once `interrupted` returns true, no request is sent.
    #[must_use]
    pub fn new(
        http: Http,
        model: &str,
        patience: Patience,
        most: usize,
        limits: Limits,
        answers: Answers,
        interrupted: Box<dyn Fn() -> bool + Send + Sync>,
    ) -> Self {
        Self {
            http,
            model: model.to_owned(),
            patience,
            most: most.max(1),
            window: Window::new(most),
            budget: Budget::new(limits),
            answers,
            usage: Mutex::default(),
            failed_in_a_row: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            reason: Mutex::new(None),
            interrupted,
        }
    }

    /// Returns the name of the model that requests carry.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns the address of the server.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.http.address()
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the requests that failed for good so far.
    pub(super) fn forget_failures(&self) {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner).failed.clear();
        self.failed_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Returns why the client sends no further requests; None while it does.
    #[must_use]
    pub fn stopped(&self) -> Option<ClientError> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends the requests whose bodies `body` builds from the numbers 0 to `count` - 1, several at a time, and returns
    /// the answers by number. None stands for a request that failed for good. `done` is called after every answer.
    ///
    /// # Errors
    /// When the evaluation cannot go on: [`ClientError::Server`], [`ClientError::Answers`], [`ClientError::Limit`] or
    /// [`ClientError::Stopped`]. All answers so far are stored.
    pub fn ask(
        &self,
        count: usize,
        body: &(dyn Fn(usize) -> Result<Value, String> + Sync),
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<Option<Answer>>, ClientError> {
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<Option<Answer>>> = Mutex::new(vec![None; count]);
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count || self.is_stopped() {
                    return;
                }
                match body(number)
                    .map_err(Failure::Lasting)
                    .map_or_else(|failure| self.failed(failure), |body| self.one(&body))
                {
                    Ok(answer) => found.lock().unwrap_or_else(PoisonError::into_inner)[number] = answer,
                    Err(error) => self.end(error),
                }
                done();
            }
        };
        thread::scope(|scope| (0..self.most.min(count)).for_each(|_| drop(scope.spawn(work))));
        if (self.interrupted)() {
            self.end(ClientError::Stopped);
        }
        match self.stopped() {
            Some(error) => Err(error),
            None => Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Sends one request until it is answered. `Ok(None)` where it failed for good.
    fn one(&self, body: &Value) -> Result<Option<Answer>, ClientError> {
        let bytes = body.to_string().into_bytes();
        let key = digest(&bytes);
        if let Some(answer) = self.answers.get(&key) {
            self.count(|usage| usage.reused += 1, Some(&answer));
            return Ok(Some(answer));
        }
        let mut attempt = 1;
        loop {
            if !self.window.enter(&|| self.is_stopped()) {
                return Err(self.stopped().unwrap_or(ClientError::Stopped));
            }
            let sent = self.budget.take().map(|()| {
                let began = Instant::now();
                let reply = self.http.post(CHAT, &bytes).and_then(|value| self.checked(&value));
                self.window.leave(ended(&reply, began.elapsed()));
                reply
            });
            let failure = match sent {
                Err(error) => {
                    self.window.leave(Ended::Failed);
                    return Err(error);
                }
                Ok(Ok(answer)) => {
                    self.failed_in_a_row.store(0, Ordering::Relaxed);
                    self.answers.keep(&key, &answer)?;
                    self.budget.add_tokens((answer.prompt_tokens + answer.answer_tokens) as u64);
                    self.count(
                        |usage| (usage.sent, usage.answered) = (usage.sent + 1, usage.answered + 1),
                        Some(&answer),
                    );
                    return Ok(Some(answer));
                }
                Ok(Err(failure)) => failure,
            };
            self.count(|usage| usage.sent += 1, None);
            let wait = match &failure {
                Failure::Passing { wait, .. } if attempt < self.patience.attempts => *wait,
                _ => return self.failed(failure),
            };
            attempt += 1;
            let own = backoff::wait(&key, attempt, self.patience.first_wait, self.patience.longest_wait);
            self.sleep(own.max(wait.unwrap_or_default()));
        }
    }

    /// Counts a request that failed for good. A single one is missing; a fatal one, or many in a row, end the
    /// evaluation.
    fn failed(&self, failure: Failure) -> Result<Option<Answer>, ClientError> {
        let gone = |what: &str| ClientError::Server { url: self.address().url().to_owned(), what: what.to_owned() };
        if let Failure::Fatal(what) = &failure {
            return Err(gone(what));
        }
        // A refused question says nothing about the server.
        if matches!(failure, Failure::Passing { .. })
            && self.failed_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_IN_A_ROW
        {
            return Err(gone(&format!(
                "{MOST_IN_A_ROW} requests in a row failed for good; the last one {}",
                failure.what()
            )));
        }
        self.count(|usage| *usage.failed.entry(failure.what().to_owned()).or_default() += 1, None);
        Ok(None)
    }

    /// Reads an answer and checks that the model gave it.
    fn checked(&self, body: &Value) -> Result<Answer, Failure> {
        let answer = Answer::of_body(body)?;
        // Servers answer with a dated name, a path or a shorter name of the same model.
        let [own, theirs] = [&self.model, &answer.model].map(|name| name.to_lowercase());
        match theirs.is_empty() || theirs.contains(&own) || own.contains(&theirs) {
            true => Ok(answer),
            false => Err(Failure::Fatal(format!(
                "answers as the model `{}` where `{}` was asked; name the model as the server does, with `--model`",
                answer.model, self.model
            ))),
        }
    }

    fn count(&self, change: impl FnOnce(&mut Usage), answer: Option<&Answer>) {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut usage);
        if let Some(answer) = answer {
            usage.prompt_tokens += answer.prompt_tokens as u64;
            usage.answer_tokens += answer.answer_tokens as u64;
        }
    }

    /// Notes why no further request is sent; the first reason stays.
    fn end(&self, error: ClientError) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || (self.interrupted)()
    }

    /// Sleeps in short pieces, so that an interrupt ends the sleep.
    fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// How a request ended, for the window.
fn ended(reply: &Result<Answer, Failure>, time: Duration) -> Ended {
    match reply {
        Ok(_) => Ended::Answered(time),
        Err(Failure::Passing { wait, is_overload: true, .. }) => Ended::Overload(*wait),
        Err(_) => Ended::Failed,
    }
}
