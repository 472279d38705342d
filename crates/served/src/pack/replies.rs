//! Replies to the requests of a pack: the output of a batch API, or plain lines with `custom_id` and `reply`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;
use stepwise_data::io::json_lines::other_format;
use stepwise_data::problem_groups::{self, Located};

use super::PackError;

/// Reply to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Text of the model, word for word.
    Text(String),
    /// The request failed, as the file says.
    Failed,
}

/// Replies by the key of their question.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    replies: HashMap<String, (Reply, Place)>,
    files: Vec<PathBuf>,
}

/// File (by index) and row of a reply.
#[derive(Clone, Copy, Debug)]
struct Place {
    file: usize,
    row: usize,
}

impl Replies {
    /// Reads the replies of all `paths`. A reply that is given twice with the same words counts once, and a text wins
    /// over a failed request.
    ///
    /// # Errors
    /// [`PackError::Io`] when a file cannot be read, and otherwise [`PackError::Replies`] with all lines that are no
    /// replies, or give other words to a request that has a reply.
    pub fn read(paths: &[PathBuf]) -> Result<Self, PackError> {
        let mut found = Self { files: paths.to_vec(), ..Self::default() };
        let mut problems = Vec::new();
        for file in 0..paths.len() {
            found.read_file(file, &mut problems)?;
        }
        if problems.is_empty() { Ok(found) } else { Err(PackError::Replies(problem_groups::lines(&problems))) }
    }

    fn read_file(&mut self, file: usize, problems: &mut Vec<Located>) -> Result<(), PackError> {
        let path = self.files[file].clone();
        let io = PackError::io(&path);
        let mut reader = BufReader::new(File::open(&path).map_err(&io)?);
        if let Some((what, advice)) = other_format(reader.fill_buf().map_err(&io)?) {
            return Err(PackError::Replies(vec![format!("{}: {what} -> {advice}", path.display())]));
        }
        for (row, line) in reader.lines().enumerate() {
            let line = line.map_err(&io)?;
            let line = if row == 0 { line.trim_start_matches('\u{FEFF}') } else { &line };
            if line.trim().is_empty() {
                continue;
            }
            let place = Place { file, row: row + 1 };
            if let Err(text) = parse(line).and_then(|(key, reply)| self.add(key, reply, place)) {
                problems.push(located(&path, place.row, text));
            }
        }
        Ok(())
    }

    fn add(&mut self, key: String, reply: Reply, place: Place) -> Result<(), String> {
        let earlier = self.replies.get(&key);
        match (earlier, &reply) {
            (Some((Reply::Text(earlier), first)), Reply::Text(words)) if earlier != words => Err(format!(
                "custom_id: `{key}` has another reply in {}:{} -> keep one of the two lines",
                self.files[first.file].display(),
                first.row
            )),
            (Some((Reply::Text(_), _)), _) => Ok(()),
            _ => {
                self.replies.insert(key, (reply, place));
                Ok(())
            }
        }
    }

    /// Returns the reply to the question with this key; None where there is none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Reply> {
        self.replies.get(key).map(|(reply, _)| reply)
    }

    /// Returns the number of requests that have a reply, failed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Returns whether there is no reply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Returns one line for each reply whose key is not `known`, in the order of files and rows; equal problems of many
    /// rows are one line.
    pub(super) fn unknown(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        let mut stray: Vec<(&String, Place)> =
            self.replies.iter().filter(|(key, _)| !known(key)).map(|(key, (_, place))| (key, *place)).collect();
        stray.sort_unstable_by_key(|(_, place)| (place.file, place.row));
        let problems: Vec<Located> = stray
            .into_iter()
            .map(|(key, place)| {
                let text = format!(
                    "custom_id: `{key}` is no question of the pack, or repeats a first reply that has changed since -> \
                     remove the line, or ask the second turns again"
                );
                located(&self.files[place.file], place.row, text)
            })
            .collect();
        problem_groups::lines(&problems)
    }
}

fn located(path: &Path, row: usize, text: String) -> Located {
    Located { place: format!("{}:{row}", path.display()), row: Some(row), text }
}

/// Parses a line: the key of the request and the reply.
fn parse(line: &str) -> Result<(String, Reply), String> {
    const ADVICE: &str = "write `custom_id` and `reply`, or a line of a batch API's output";
    let value: Value = serde_json::from_str(line)
        .map_err(|error| format!("{} -> {ADVICE}", error.to_string().replacen("line 1 column", "column", 1)))?;
    let key = value.get("custom_id").and_then(Value::as_str).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| format!("custom_id: is missing or no text -> {ADVICE}"))?.to_owned();
    if let Some(reply) = value.get("reply") {
        let reply = reply.as_str().ok_or_else(|| format!("reply: is no text -> {ADVICE}"))?;
        return Ok((key, Reply::Text(reply.to_owned())));
    }
    let response = value.get("response").filter(|response| !response.is_null());
    let has_error = value.get("error").is_some_and(|error| !error.is_null());
    let Some(response) = response.filter(|_| !has_error) else {
        return match has_error {
            true => Ok((key, Reply::Failed)),
            false => Err(format!("reply: is missing, and so is `response` -> {ADVICE}")),
        };
    };
    if response.get("status_code").and_then(Value::as_u64).is_some_and(|status| status != 200) {
        return Ok((key, Reply::Failed));
    }
    let body = response.get("body").unwrap_or(response);
    let text = crate::client::answer_text(body)
        .ok_or_else(|| format!("response: has no text at `choices[0].message.content` -> {ADVICE}"))?;
    Ok((key, Reply::Text(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Replies, PackError> {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |(place, text): (usize, &&str)| {
            let path = folder.path().join(format!("{place}.jsonl"));
            std::fs::write(&path, text).expect("written");
            path
        };
        Replies::read(&texts.iter().enumerate().map(write).collect::<Vec<_>>())
    }

    fn problem(texts: &[&str]) -> String {
        read(texts).expect_err("a problem").to_string()
    }

    #[test]
    fn both_forms_of_replies_are_read() {
        let batch = r#"{"id": "1", "custom_id": "b", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "MRI"}}]}}, "error": null}"#;
        let parts = r#"{"custom_id": "c", "response": {"body": {"choices": [{"message": {"content": [{"type": "text", "text": "X-"}, {"type": "text", "text": "ray"}]}}]}}}"#;
        let failed = r#"{"custom_id": "d", "response": {"status_code": 500, "body": {}}, "error": null}"#;
        let error = r#"{"custom_id": "e", "response": null, "error": {"code": "expired"}}"#;
        let plain = r#"{"custom_id": "a", "reply": "CT"}"#;
        let replies = read(&[&[plain, batch, "", parts].join("\n"), &[failed, error].join("\n")]).expect("read");
        let text = |key: &str| replies.get(key).cloned();
        assert_eq!(["a", "b", "c"].map(text), ["CT", "MRI", "X-ray"].map(|text| Some(Reply::Text(text.to_owned()))));
        assert_eq!(["d", "e", "f"].map(text), [Some(Reply::Failed), Some(Reply::Failed), None]);
        assert_eq!(replies.len(), 5);
    }

    #[test]
    fn what_is_no_reply_is_named_with_its_row() {
        for (text, what) in [
            ("{", "0.jsonl:1: "),
            ("\n{\"reply\": \"CT\"}", "0.jsonl:2: custom_id: is missing"),
            (r#"{"custom_id": "a", "reply": 3}"#, "0.jsonl:1: reply: is no text"),
            (r#"{"custom_id": "a"}"#, "0.jsonl:1: reply: is missing, and so is `response`"),
            (r#"{"custom_id": "a", "response": {"body": {"choices": []}}}"#, "response: has no text at"),
        ] {
            let problem = problem(&[text]);
            assert!(problem.contains(what) && problem.contains(" -> "), "{text}: {problem}");
        }
    }

    #[test]
    fn a_second_reply_with_other_words_is_refused_and_one_with_the_same_is_not() {
        let one = r#"{"custom_id": "a", "reply": "CT"}"#;
        let other = r#"{"custom_id": "a", "reply": "MRI"}"#;
        let failed = r#"{"custom_id": "a", "error": {"code": "x"}}"#;
        assert!(problem(&[one, other]).contains("1.jsonl:1: custom_id: `a` has another reply in "));
        let replies = read(&[&[failed, one, one, failed].join("\n")]).expect("read");
        assert_eq!(replies.get("a"), Some(&Reply::Text("CT".to_owned())));
    }
}
