//! Errors of the client.

use std::path::PathBuf;
use std::time::Duration;

/// Why a single request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A later attempt may succeed.
    Passing {
        /// What happened.
        what: String,
        /// Time that the server asks to wait; None where it asks for none.
        wait: Option<Duration>,
        /// Whether the server is overloaded, so that fewer requests should be under way.
        is_overload: bool,
    },
    /// No attempt will succeed, for this question.
    Lasting(String),
    /// No attempt will succeed, for any question.
    Fatal(String),
}

impl Failure {
    /// Makes a failure that may pass, without a wait and without an overload.
    pub(super) fn passing(what: impl Into<String>) -> Self {
        Self::Passing { what: what.into(), wait: None, is_overload: false }
    }

    /// Returns what happened, in words.
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Passing { what, .. } | Self::Lasting(what) | Self::Fatal(what) => what,
        }
    }
}

/// Why an evaluation of a served model cannot begin or go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address is invalid.
    #[error("--endpoint {url}: {what} -> write an address such as `http://localhost:8000/v1`")]
    Address {
        /// Address as written, without secrets.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// The server does not answer, or answers something else than the chat API.
    #[error("{url}: {what} -> check that a server with the OpenAI chat API answers there and that it has the model")]
    Server {
        /// Address of the server.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// The server lacks what the scoring needs.
    #[error("--scoring {scoring}: the server {url} does not offer {lacks} -> choose {offered}")]
    NotOffered {
        /// Scoring that was chosen.
        scoring: &'static str,
        /// Address of the server.
        url: String,
        /// What the server lacks.
        lacks: &'static str,
        /// Scorings that it offers.
        offered: String,
    },
    /// The answers cannot be read or stored.
    #[error("{}: {problem} -> check that the folder is writable and that the disk has space", path.display())]
    Answers {
        /// File of the answers.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A limit of the command line is reached.
    #[error("{0}")]
    Limit(String),
    /// The evaluation was asked to stop.
    #[error("the evaluation was asked to stop")]
    Stopped,
}
