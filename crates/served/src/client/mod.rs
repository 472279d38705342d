//! Client of an OpenAI-compatible server, and the model behind it.
//!
//! [`ServedModel`] implements [`Model`](stepwise_benchmark::model::Model): it turns queries into chat requests, sends
//! several at a time, and stores every answer at once, so that a second start asks only what is left. It reaches no
//! address but the one it is given, and follows no redirect.

mod address;
mod answer;
mod answers;
mod backoff;
mod budget;
mod error;
mod http;
mod likelihood;
mod model;
mod probe;
mod queue;
mod window;

pub use address::Address;
pub use answer::{Answer, answer_text};
pub use answers::Answers;
pub use budget::Limits;
pub use error::{ClientError, Failure};
pub use http::{Http, Patience};
pub use model::{ServedModel, ServedOptions};
pub use probe::{Offers, probe};
pub use queue::{Client, Usage};
