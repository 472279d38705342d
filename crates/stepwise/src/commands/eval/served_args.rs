//! Arguments of an evaluation of a served model.

use std::path::PathBuf;
use std::time::Duration;

use stepwise_served::client::{Limits, Patience};

/// Arguments of `eval --endpoint`.
#[derive(clap::Args)]
pub struct ServedArgs {
    /// Instead of a model here: address of an OpenAI-compatible server, such as `http://localhost:8000/v1`. Images are
    /// sent to it; no other address is reached.
    #[arg(
        long,
        value_name = "URL",
        requires = "model",
        conflicts_with_all = ["path", "base", "ceiling", "cache", "no_cache"],
        help_heading = "Served models"
    )]
    pub endpoint: Option<String>,
    /// Name of the model on the server.
    #[arg(long, value_name = "NAME", requires = "endpoint", conflicts_with = "path", help_heading = "Served models")]
    pub model: Option<String>,
    /// Environment variable that holds the API key; without the option no key is sent.
    #[arg(
        long,
        value_name = "VARIABLE",
        requires = "endpoint",
        conflicts_with = "path",
        help_heading = "Served models"
    )]
    pub api_key_env: Option<String>,
    /// Local model on which transferred attacks and noise are made: run, checkpoint, PEFT folder or model folder. The server
    /// is sent the attacked images in the size in which this model sees them.
    #[arg(long, value_name = "DIR", requires = "endpoint", conflicts_with = "path", help_heading = "Served models")]
    pub surrogate: Option<PathBuf>,
    /// Send cases of data sets that need credentials to another machine.
    #[arg(long, requires = "endpoint", conflicts_with = "path", help_heading = "Served models")]
    pub allow_upload: bool,
    /// Print the number of questions, images and tokens, and send nothing.
    #[arg(long, requires = "endpoint", conflicts_with = "path", help_heading = "Served models")]
    pub dry_run: bool,
    /// Stop after this number of requests; the same command goes on from there.
    #[arg(long, value_name = "N", requires = "endpoint", conflicts_with = "path", help_heading = "Served models")]
    pub max_requests: Option<u64>,
    /// Stop after this number of tokens of prompts and answers together; the same command goes on from there.
    #[arg(long, value_name = "N", requires = "endpoint", conflicts_with = "path", help_heading = "Served models")]
    pub max_tokens_total: Option<u64>,
    /// Maximum number of requests under way; fewer where the server is overloaded.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 32,
        requires = "endpoint",
        conflicts_with = "path",
        help_heading = "Served models"
    )]
    pub concurrency: usize,
    /// Seconds after which a request is sent again.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 120.0,
        requires = "endpoint",
        conflicts_with = "path",
        help_heading = "Served models"
    )]
    pub timeout: f64,
}

impl ServedArgs {
    /// Returns the limits on requests and tokens.
    pub fn limits(&self) -> Limits {
        Limits { requests: self.max_requests, tokens: self.max_tokens_total }
    }

    /// Returns the time limits of requests; at least a millisecond and at most a day.
    pub fn patience(&self) -> Patience {
        let seconds = if self.timeout.is_nan() { 0.0 } else { self.timeout.clamp(0.001, 86_400.0) };
        Patience { timeout: Duration::from_secs_f64(seconds.max(0.001)), ..Patience::default() }
    }
}
