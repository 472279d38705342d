//! Served model: queries of the benchmark as requests to a server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use stepwise_benchmark::model::{
    Model, ModelError, Objective, PixelGradient, PixelGrid, Query, QueryImage, Request, Response,
};
use stepwise_benchmark::score::Scoring;
use stepwise_data::prompt::letter;

use super::likelihood::{by_first_token, by_prompt};
use super::probe::{TOP_LOGPROBS, with};
use super::{Answer, Client, ClientError};
use crate::picture;
use crate::request::chat_body;

/// Settings of a served model.
pub struct ServedOptions<'a> {
    /// Scoring of the suite, which decides how options are scored.
    pub scoring: Scoring,
    /// Called with the number of answers so far, after every answer.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

/// A model behind a server. It answers queries and has no pixel gradients. The server resizes attacked images like all
/// others.
pub struct ServedModel<'a> {
    client: &'a Client,
    options: ServedOptions<'a>,
    answered: AtomicUsize,
}

/// One request of a query.
struct Job<'a> {
    query: &'a Query,
    form: Form<'a>,
}

/// Kind of a request.
#[derive(Clone, Copy)]
enum Form<'a> {
    /// A text of at most this many tokens.
    Text(usize),
    /// The likeliest first tokens.
    FirstToken,
    /// Log-probabilities of the prompt.
    Prompt,
    /// Log-probabilities of the prompt with this answer.
    Answered(&'a str),
}

impl<'a> ServedModel<'a> {
    /// Creates the model behind `client`.
    #[must_use]
    pub fn new(client: &'a Client, options: ServedOptions<'a>) -> Self {
        Self { client, options, answered: AtomicUsize::new(0) }
    }

    /// Requests of a query, in a fixed order.
    fn jobs<'q>(&self, query: &'q Query) -> Vec<Job<'q>> {
        let job = |form| Job { query, form };
        match &query.ask {
            Request::Generate { max_new_tokens } => vec![job(Form::Text(*max_new_tokens))],
            Request::Options(_) if self.options.scoring == Scoring::Letter => vec![job(Form::FirstToken)],
            Request::Options(options) => {
                let answered = options.iter().map(|option| job(Form::Answered(option)));
                std::iter::once(job(Form::Prompt)).chain(answered).collect()
            }
        }
    }

    /// Response to a query from the answers to its requests; missing where one of them is.
    fn response(&self, query: &Query, answers: &[Option<Answer>]) -> Response {
        let known: Option<Vec<&Answer>> = answers.iter().map(Option::as_ref).collect();
        match (&query.ask, known.as_deref()) {
            (Request::Generate { .. }, Some([answer])) => Response::Text(answer.text.clone()),
            (Request::Options(options), Some([answer])) if self.options.scoring == Scoring::Letter => {
                let are_letters = options.iter().enumerate().all(|(place, option)| *option == letter(place));
                Response::Options(by_first_token(answer, options, !are_letters))
            }
            (Request::Options(_), Some([prefix, whole @ ..])) => {
                Response::Options(whole.iter().map(|whole| by_prompt(prefix, whole)).collect())
            }
            _ => Response::Missing,
        }
    }
}

/// Data URLs of the images of a call, by the address of the decoded image.
#[derive(Default)]
struct Urls(Mutex<HashMap<usize, Arc<str>>>);

impl Urls {
    fn of(&self, shown: &QueryImage) -> Result<Arc<str>, String> {
        let encoded = |png: Result<Vec<u8>, image::ImageError>| {
            png.map(|png| Arc::from(picture::data_url(&png))).map_err(|error| error.to_string())
        };
        match shown {
            QueryImage::Pixels(grid) => {
                let picture = grid.to_image().ok_or("the pixels are divided into tiles, which no request can hold")?;
                encoded(picture::png(&picture))
            }
            QueryImage::Image(shown) => {
                let address = Arc::as_ptr(shown) as usize;
                let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&address).cloned();
                if let Some(url) = known {
                    return Ok(url);
                }
                let url = encoded(picture::png(shown))?;
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(address, Arc::clone(&url));
                Ok(url)
            }
        }
    }
}

/// Body of a request.
fn body(model: &str, job: &Job<'_>, urls: &Urls) -> Result<Value, String> {
    let images: Vec<String> =
        job.query.images.iter().map(|shown| Ok(urls.of(shown)?.to_string())).collect::<Result<_, String>>()?;
    let most = if let Form::Text(most) = job.form { most } else { 1 };
    let body = chat_body(model, &job.query.conversation, &images, most);
    Ok(match job.form {
        Form::Text(_) => body,
        Form::FirstToken => with(&body, &[("logprobs", json!(true)), ("top_logprobs", json!(TOP_LOGPROBS))]),
        Form::Prompt => with(&body, &[("prompt_logprobs", json!(0))]),
        Form::Answered(option) => {
            let mut body = with(&body, &[("prompt_logprobs", json!(0)), ("add_generation_prompt", json!(false))]);
            if let Some(messages) = body["messages"].as_array_mut() {
                messages.push(json!({"role": "assistant", "content": option}));
            }
            body
        }
    })
}

impl Model for ServedModel<'_> {
    fn has_gradients(&self) -> bool {
        false
    }

    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        let of_query: Vec<Vec<Job<'_>>> = queries.iter().map(|query| self.jobs(query)).collect();
        let counts: Vec<usize> = of_query.iter().map(Vec::len).collect();
        let jobs: Vec<Job<'_>> = of_query.into_iter().flatten().collect();
        let urls = Urls::default();
        let done = || (self.options.progress)(self.answered.fetch_add(1, Ordering::Relaxed) + 1);
        let asked = self.client.ask(jobs.len(), &|number| body(self.client.model(), &jobs[number], &urls), &done);
        let answers = asked.map_err(|error| match error {
            ClientError::Limit(_) | ClientError::Stopped => ModelError::Stopped,
            error => ModelError::new(error),
        })?;
        let mut rest = answers.as_slice();
        let responses = queries.iter().zip(counts).map(|(query, count)| {
            let (own, after) = rest.split_at(count);
            rest = after;
            self.response(query, own)
        });
        Ok(responses.collect())
    }

    /// Returns the first image in its own size: the server's pixel pipeline is not known.
    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(match query.images.first() {
            Some(QueryImage::Image(shown)) => Some(PixelGrid::of_image(shown)),
            Some(QueryImage::Pixels(grid)) => Some(PixelGrid::clone(grid)),
            None => None,
        })
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Err(ModelError::new("a served model gives no pixel gradients"))
    }
}
