//! Evaluates a model of one's own with the suite `fast` on synthetic cases and prints a table:
//!
//!     cargo run --release -p stepwise-benchmark --example own_model
//!
//! A type that implements `Model` can be evaluated: a client of a server, a model of another library, or a rule as here.
#![allow(clippy::print_stdout)] // A program for people, not a library.

use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use stepwise_benchmark::model::{
    Model, ModelError, Objective, OptionLikelihood, PixelGradient, PixelGrid, Query, QueryImage, Request, Response,
};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{Options, RunProgress, run};
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::Case;
use stepwise_data::synth::{SynthOptions, case};

/// Number of synthetic cases.
const CASES: u64 = 40;

/// Prefers long options in dark images and short options in bright ones.
struct LengthByBrightness;

impl Model for LengthByBrightness {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        queries.iter().map(reply).collect()
    }

    /// Attacks on pixels are left out: this model has no gradients.
    fn pixels(&mut self, _: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(None)
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Err(ModelError::new("this model has no pixel gradients"))
    }
}

fn reply(query: &Query) -> Result<Response, ModelError> {
    let options = match &query.ask {
        Request::Options(options) => options,
        Request::Generate { .. } => return Ok(Response::Text("1".to_owned())),
    };
    let sign = if brightness(query) < 0.4 { 1.0 } else { -1.0 };
    // Option scores are log-likelihoods summed over tokens; the benchmark divides them by the number of tokens.
    let score = |option: &String| OptionLikelihood { loglikelihood: sign * option.len() as f64, tokens: 1 };
    Ok(Response::Options(options.iter().map(score).collect()))
}

/// Mean of the first image, 0 to 1; 0 without an image.
fn brightness(query: &Query) -> f64 {
    match query.images.first() {
        Some(QueryImage::Image(image)) => {
            let sum: f64 = image.as_raw().iter().map(|value| f64::from(*value)).sum();
            sum / 255.0 / image.as_raw().len() as f64
        }
        Some(QueryImage::Pixels(grid)) => {
            let sum: f64 = grid.values.iter().map(|value| f64::from(*value)).sum();
            sum / grid.values.len() as f64
        }
        None => 0.0,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = SynthOptions { image_size: 64, ..SynthOptions::default() };
    let drawn: Vec<_> = (0..CASES).map(|index| case(index, &options)).collect();
    let cases: Vec<Case> = drawn.iter().map(|drawn| drawn.case.clone()).collect();
    let images: HashMap<&str, Arc<_>> =
        drawn.iter().map(|drawn| (drawn.case.case_id.as_str(), Arc::new(drawn.image.clone()))).collect();
    let load = |case: &Case, _index: usize| images.get(case.case_id.as_str()).cloned().ok_or("no such case".into());

    let suite = Suite::fast();
    let plan = Plan::new(&suite, &cases);
    let options = Options {
        model: "length-by-brightness",
        known: &HashMap::new(),
        batch: 64,
        surrogate: None,
        progress: &mut |_: RunProgress<'_>| ControlFlow::Continue(()),
    };
    let answered = run(&plan, &load, &mut LengthByBrightness, options)?;
    let summary = Summary::new(&suite, &answered.skips(&plan), &answered.outcomes, None);

    println!("{:<24} {:>6} {:>9}  95 % interval", "condition", "n", "accuracy");
    for condition in &summary.conditions {
        let accuracy = condition.accuracy.map_or("-".to_owned(), |value| format!("{value:.3}"));
        let interval = condition.ci.map_or(String::new(), |[low, high]| format!("{low:.3} to {high:.3}"));
        println!("{:<24} {:>6} {accuracy:>9}  {interval}", condition.id, condition.n);
    }
    Ok(())
}
