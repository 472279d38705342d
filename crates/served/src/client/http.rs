//! HTTP requests with time limits and byte limits.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

use super::{Address, ClientError, Failure};

/// Largest response in bytes (16 MiB). An answer with log-probabilities of a long prompt takes less than one.
const MOST_BYTES: u64 = 16 << 20;
/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Number of characters of a server's error message that is shown.
const SHOWN: usize = 200;

/// Time limits and attempts of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Longest time of one attempt, from the connection to the last byte.
    pub timeout: Duration,
    /// Number of attempts before a request has failed for good, at least 1.
    pub attempts: u32,
    /// Wait before the second attempt; doubled with every further one.
    pub first_wait: Duration,
    /// Longest wait between two attempts.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// Sender of requests to one address. The key is sent in a header and shown nowhere.
pub struct Http {
    address: Address,
    key: Option<String>,
    agent: Agent,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Http").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Http {
    /// Creates the sender. `key` is sent as a bearer token; None sends none. `connections` is the largest number of
    /// connections that are kept open. Redirects are not followed and no proxy is used, so no other address is reached.
    ///
    /// # Errors
    /// [`ClientError::Address`] when the key cannot be sent in a header.
    pub fn new(
        address: Address,
        key: Option<String>,
        patience: &Patience,
        connections: usize,
    ) -> Result<Self, ClientError> {
        if key.as_ref().is_some_and(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            let what = "the API key is empty or has characters that no header can hold".to_owned();
            return Err(ClientError::Address { url: address.url().to_owned(), what });
        }
        let config = Agent::config_builder()
            .timeout_global(Some(patience.timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("stepwise/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { address, key, agent: config.into() })
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends the JSON `body` to `path` below the address and returns the JSON of the response.
    ///
    /// # Errors
    /// [`Failure::Passing`] when the connection fails, the time or the bytes run out, the server is overloaded or fails,
    /// or the response is no JSON; [`Failure::Lasting`] when the server refuses this request; [`Failure::Fatal`] when it
    /// refuses the key or the model, or redirects.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Value, Failure> {
        self.send(path, body).map_err(|failure| self.without_key(failure))
    }

    fn send(&self, path: &str, body: &[u8]) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.address.url());
        let mut request = self.agent.post(&url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|error| of_connection(&error))?;
        let (status, wait) = (response.status().as_u16(), retry_after(&response));
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = response.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
        match status {
            200..=299 => {}
            300..=399 => {
                let place = location.unwrap_or_else(|| "another address".to_owned());
                let what = format!("redirects to {}, which is not followed", shown(place.as_bytes()));
                return Err(Failure::Fatal(what));
            }
            _ => return Err(of_status(status, wait, &bytes.unwrap_or_default())),
        }
        let bytes = bytes.map_err(|error| of_connection(&error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::passing(format!("answers no JSON ({error}): {}", shown(&bytes))))
    }

    /// Removes the key from what is said about a failure: servers repeat it in error messages.
    fn without_key(&self, failure: Failure) -> Failure {
        let Some(key) = &self.key else { return failure };
        let hidden = |what: String| what.replace(key.as_str(), "***");
        match failure {
            Failure::Passing { what, wait, is_overload } => Failure::Passing { what: hidden(what), wait, is_overload },
            Failure::Lasting(what) => Failure::Lasting(hidden(what)),
            Failure::Fatal(what) => Failure::Fatal(hidden(what)),
        }
    }
}

/// Failure of a connection, or of a body that did not arrive whole.
fn of_connection(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(_) => {
            Failure::Passing { what: "did not answer in time".to_owned(), wait: None, is_overload: true }
        }
        ureq::Error::BodyExceedsLimit(most) => Failure::passing(format!("answers more than {most} bytes")),
        error => Failure::passing(format!("cannot be reached, or ends the answer early: {error}")),
    }
}

/// Failure by the status of a response.
fn of_status(status: u16, wait: Option<Duration>, body: &[u8]) -> Failure {
    let what = format!("answers with status {status}: {}", shown(body));
    match status {
        401 | 403 | 404 | 405 => Failure::Fatal(what),
        408 | 425 | 429 | 500..=599 => {
            Failure::Passing { what, wait, is_overload: matches!(status, 408 | 425 | 429 | 503 | 529) }
        }
        _ => Failure::Lasting(what),
    }
}

/// Wait that a response asks for in seconds, at most [`LONGEST_WAIT`]; None without one. Dates are not read.
fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?;
    let seconds: f64 = text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
    Some(Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())))
}

/// Beginning of a message of the server on one line, without control characters.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]);
    let message = serde_json::from_slice::<Value>(bytes).ok().and_then(|value| {
        // FastAPI, and so `transformers serve`, puts the message under `detail`.
        let error = value.get("error").or_else(|| value.get("detail"))?;
        Some(error.get("message").unwrap_or(error).as_str()?.to_owned())
    });
    let text = message.unwrap_or_else(|| text.into_owned());
    let line: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(SHOWN).collect();
    if line.trim().is_empty() { "without a message".to_owned() } else { line.trim().to_owned() }
}
