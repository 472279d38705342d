//! Answer of a server to one chat request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Failure;

/// Number of log-probabilities at the end of a prompt that are kept. An option of an answer is shorter.
const TAIL: usize = 512;

/// Answer to one request, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Generated text.
    pub text: String,
    /// Likeliest first tokens with their natural log-probabilities; empty unless they were requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<(String, f64)>,
    /// Number of prompt tokens with a log-probability; 0 unless they were requested.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scored: usize,
    /// Natural log-probabilities of the last prompt tokens, at most 512; empty unless they were requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<f64>,
    /// Name of the model, as the server gives it; empty where it gives none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Number of tokens of the prompt, as the server counts; 0 where it does not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_tokens: usize,
    /// Number of generated tokens, as the server counts; 0 where it does not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub answer_tokens: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Answer {
    /// Reads the body of a response of the chat API.
    ///
    /// # Errors
    /// [`Failure::Passing`] when the body has no choice with a message.
    pub fn of_body(body: &Value) -> Result<Self, Failure> {
        let text = answer_text(body)
            .ok_or_else(|| Failure::passing("answers JSON without a text at `choices[0].message.content`"))?;
        let count = |key: &str| body["usage"][key].as_u64().unwrap_or_default() as usize;
        let prompt =
            prompt_scores(&body["prompt_logprobs"]).or_else(|| prompt_scores(&body["choices"][0]["prompt_logprobs"]));
        let prompt = prompt.unwrap_or_default();
        Ok(Self {
            text,
            first: first_tokens(&body["choices"][0]["logprobs"]),
            scored: prompt.len(),
            tail: prompt[prompt.len().saturating_sub(TAIL)..].to_vec(),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            prompt_tokens: count("prompt_tokens"),
            answer_tokens: count("completion_tokens"),
        })
    }
}

/// Returns the text at `choices[0].message.content` of a chat response: a string, or the texts of its parts. A content
/// that is null is an empty text. None where there is no message.
#[must_use]
pub fn answer_text(body: &Value) -> Option<String> {
    let message = body.get("choices")?.get(0)?.get("message")?.as_object()?;
    match message.get("content") {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(parts)) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        Some(_) => None,
    }
}

/// Likeliest tokens at the first place of the answer.
fn first_tokens(logprobs: &Value) -> Vec<(String, f64)> {
    let listed = logprobs["content"][0]["top_logprobs"].as_array();
    let token = |entry: &Value| Some((entry["token"].as_str()?.to_owned(), entry["logprob"].as_f64()?));
    listed.into_iter().flatten().filter_map(token).collect()
}

/// Log-probabilities of the prompt tokens but the first, which has none. Each entry lists the token itself first. None
/// where one of them is missing.
fn prompt_scores(listed: &Value) -> Option<Vec<f64>> {
    let entries = listed.as_array()?.iter().skip(1);
    entries.map(|entry| entry.as_object()?.values().next()?.get("logprob")?.as_f64()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_of_the_chat_api_are_read() {
        let body = json!({
            "model": "m",
            "choices": [{
                "message": {"content": "B"},
                "logprobs": {"content": [{"top_logprobs": [{"token": "B", "logprob": -0.5}, {"token": " A", "logprob": -1.5}]}]},
            }],
            "prompt_logprobs": [null, {"7": {"logprob": -0.25}}, {"9": {"logprob": -2.0, "rank": 3}, "1": {"logprob": -0.1}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 1},
        });
        let answer = Answer::of_body(&body).expect("an answer");
        let expected = Answer {
            text: "B".into(),
            first: vec![("B".into(), -0.5), (" A".into(), -1.5)],
            scored: 2,
            tail: vec![-0.25, -2.0],
            model: "m".into(),
            prompt_tokens: 12,
            answer_tokens: 1,
        };
        assert_eq!(answer, expected);
        let stored: Answer = serde_json::from_str(&serde_json::to_string(&answer).expect("JSON")).expect("read");
        assert_eq!(stored, answer);
        let nothing = json!({"choices": [{"message": {"content": null}}]});
        assert_eq!(Answer::of_body(&nothing).expect("an empty answer"), Answer::default());
        for body in [json!({}), json!([]), json!("text"), json!({"choices": []}), json!({"choices": [{"text": "a"}]})] {
            assert!(Answer::of_body(&body).is_err(), "{body}");
        }
    }
}
