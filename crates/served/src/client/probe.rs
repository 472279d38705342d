//! What a server offers beside text: asked, never assumed.

use serde_json::{Value, json};

use super::{Answer, Client, ClientError};
use crate::request::SEED;

/// Number of first tokens that letters are read from.
pub(super) const TOP_LOGPROBS: u64 = 20;

/// Log-probabilities that a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Whether it lists the likeliest first tokens (`top_logprobs`), by which letters are scored.
    pub letters: bool,
    /// Whether it gives the log-probabilities of a prompt (`prompt_logprobs`), by which whole options are scored.
    pub options: bool,
}

/// Asks the server for log-probabilities with short texts, and returns what it gives. A server that ignores a key of a
/// request, or refuses the request, does not offer it.
///
/// # Errors
/// [`ClientError::Server`] when the server does not answer a short text at all; the errors of [`Client::ask`].
pub fn probe(client: &Client) -> Result<Offers, ClientError> {
    let model = client.model();
    let question = json!([{"role": "user", "content": "Reply with the letter A."}]);
    let plain = json!({"model": model, "messages": question, "max_tokens": 1, "temperature": 0, "seed": SEED});
    let letters = with(&plain, &[("logprobs", json!(true)), ("top_logprobs", json!(TOP_LOGPROBS))]);
    let options = with(&plain, &[("prompt_logprobs", json!(0))]);
    let ask = |body: &Value| -> Result<Option<Answer>, ClientError> {
        let body = body.clone();
        Ok(client.ask(1, &move |_| Ok(body.clone()), &|| {})?.into_iter().next().flatten())
    };
    if ask(&plain)?.is_none() {
        let what = client.usage().failed.into_keys().next().unwrap_or_else(|| "gives no answer".to_owned());
        return Err(ClientError::Server { url: client.address().url().to_owned(), what });
    }
    let [letters, options] = [ask(&letters)?, ask(&options)?];
    // A refused probe is no missing answer.
    client.forget_failures();
    Ok(Offers {
        letters: letters.is_some_and(|answer| !answer.first.is_empty()),
        options: options.is_some_and(|answer| answer.scored > 0),
    })
}

/// Returns the request with further keys.
pub(super) fn with(body: &Value, more: &[(&str, Value)]) -> Value {
    let mut body = body.clone();
    for (key, value) in more {
        body[*key] = value.clone();
    }
    body
}
