//! Memory of a run on large images: few decoded images are kept at once.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use image::RgbImage;
use stepwise_benchmark::model::{
    Model, ModelError, Objective, OptionLikelihood, PixelGradient, PixelGrid, Query, QueryImage, Request, Response,
};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::DECODED_AT_ONCE;
use stepwise_data::case::Case;
use stepwise_testing::benchmark::constructed;
use stepwise_testing::benchmark::evaluate::MockEvaluation;
use stepwise_testing::benchmark::suite::suite_of;

/// A model that records the bytes of the decoded images of each call.
#[derive(Default)]
struct Scale {
    most: u64,
    calls: usize,
    queries: usize,
}

impl Model for Scale {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        let mut images: BTreeMap<*const RgbImage, u64> = BTreeMap::new();
        for image in queries.iter().flat_map(|query| &query.images) {
            let QueryImage::Image(picture) = image else { panic!("no attack is made") };
            images.insert(Arc::as_ptr(picture), picture.as_raw().len() as u64);
        }
        self.most = self.most.max(images.values().sum());
        self.calls += 1;
        self.queries += queries.len();
        let reply = |query: &Query| match &query.ask {
            Request::Options(options) => {
                Response::Options(vec![OptionLikelihood { loglikelihood: -1.0, tokens: 1 }; options.len()])
            }
            Request::Generate { .. } => Response::Text(String::new()),
        };
        Ok(queries.iter().map(reply).collect())
    }

    fn pixels(&mut self, _: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(None)
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Err(ModelError::new("no gradients"))
    }
}

/// Evaluates the constructed cases with images of this size. Returns the model, the number of entries, and how often an
/// image was loaded.
fn weighed(side: u32) -> (Scale, usize, usize) {
    let mut cases = constructed::cases(6);
    cases.iter_mut().flat_map(|case| &mut case.images).for_each(|image| (image.width, image.height) = (side, side));
    let suite =
        suite_of("seed = 1", &["clean", "blank", "cue_true", "cue_wrong", "cue_neutral", "flip", "permutation"]);
    let plan = Plan::new(&suite, &cases);
    let loads = Cell::new(0);
    let load = |_: &Case, _: usize| {
        loads.set(loads.get() + 1);
        Ok(Arc::new(RgbImage::new(side, side)))
    };
    let mut model = Scale::default();
    let run = MockEvaluation::on(&load).run(&plan, &mut model);
    (model, run.outcomes.len(), loads.get())
}

#[test]
fn few_large_images_are_in_memory_at_once() {
    let (small, outcomes, loads) = weighed(200);
    assert_eq!((small.calls, small.queries), (6, outcomes), "the questions of a case are answered together");
    assert_eq!(loads, 6);
    let (large, same, loads) = weighed(4000);
    assert_eq!((large.queries, same), (outcomes, outcomes));
    assert!(large.calls > 6 && large.most <= DECODED_AT_ONCE, "{} calls, {} bytes", large.calls, large.most);
    // An original is loaded again for each piece at most.
    assert!(loads <= large.calls, "{loads} loads, {} calls", large.calls);
}
