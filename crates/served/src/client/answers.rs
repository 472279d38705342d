//! File of answers, to which every answer is appended at once.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Answer, ClientError};

#[derive(Serialize, Deserialize)]
struct Line {
    request: String,
    answer: Answer,
}

/// Answers by the digest of their request, in memory and in a file. A line that was cut off when a process was killed
/// is ignored, so its question is asked again.
#[derive(Debug)]
pub struct Answers {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: HashMap<String, Answer>,
    file: File,
}

impl Answers {
    /// Opens the file at `path`, or creates it with its folder, and reads its answers.
    ///
    /// # Errors
    /// [`ClientError::Answers`] when the file cannot be created, read or written.
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        let failed = |error: std::io::Error| ClientError::Answers { path: path.to_owned(), problem: error.to_string() };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = File::options().read(true).append(true).create(true).open(path).map_err(failed)?;
        let (mut known, mut is_whole) = (HashMap::new(), true);
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            is_whole = line.last() == Some(&b'\n');
            if let Some(Line { request, answer }) = serde_json::from_slice(&line).ok().filter(|_| is_whole) {
                known.insert(request, answer);
            }
            line.clear();
        }
        if !is_whole {
            // The next answer must not be read as the rest of the one that was cut off.
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), inner: Mutex::new(Inner { known, file }) })
    }

    /// Returns the answer to the request with this digest; None where it is not known.
    #[must_use]
    pub fn get(&self, request: &str) -> Option<Answer> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).known.get(request).cloned()
    }

    /// Appends an answer to the file. The operating system has it when this returns.
    ///
    /// # Errors
    /// [`ClientError::Answers`] when the file cannot be written.
    pub fn keep(&self, request: &str, answer: &Answer) -> Result<(), ClientError> {
        let failed = |problem: String| ClientError::Answers { path: self.path.clone(), problem };
        let line = Line { request: request.to_owned(), answer: answer.clone() };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| failed(error.to_string()))?;
        bytes.push(b'\n');
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.file.write_all(&bytes).map_err(|error| failed(error.to_string()))?;
        inner.known.insert(line.request, line.answer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_and_a_line_that_was_cut_off_is_asked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below/answers.jsonl");
        let answer = |text: &str| Answer { text: text.to_owned(), ..Answer::default() };
        let answers = Answers::open(&path).expect("made");
        answers.keep("a", &answer("CT")).expect("kept");
        answers.keep("b", &answer("MRI")).expect("kept");
        drop(answers);
        let whole = fs::read(&path).expect("read");
        fs::write(&path, &whole[..whole.len() - 5]).expect("cut off");
        let answers = Answers::open(&path).expect("opened");
        assert_eq!((answers.get("a"), answers.get("b")), (Some(answer("CT")), None));
        answers.keep("b", &answer("MRI")).expect("kept");
        let answers = Answers::open(&path).expect("opened");
        assert_eq!((answers.get("a"), answers.get("b")), (Some(answer("CT")), Some(answer("MRI"))));
    }
}
