//! Connects a model (adapted, or as its untouched base) to the benchmark.

use std::collections::{HashMap, HashSet, VecDeque};
use std::error::Error;
use std::sync::{Arc, Weak};

use image::RgbImage;
use stepwise_benchmark::model::{
    Model, ModelError, Objective, OptionLikelihood, PixelGradient, PixelGrid, Query, QueryImage, Request, Response,
};
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::images::grid::ImageGrid;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::pixel_gradient::PixelObjective;
use stepwise_vlm::processor::{Prepared, ProcessorError};

use crate::interrupt::Interrupt;

/// A vision-language model that answers the queries of the benchmark.
pub struct VlmModel<'a> {
    pipeline: &'a VlmPipeline,
    pass: Pass,
    interrupt: &'a Interrupt,
    /// Cache of recently prepared images with the decoded image of each. Consecutive queries about a case show the same
    /// images.
    recent: VecDeque<(Weak<RgbImage>, Arc<Prepared>)>,
}

/// Number of images in the cache of prepared images.
const RECENT: usize = 64;
/// Largest size in bytes of the prepared images of questions that are scored together, and of the cache of prepared
/// images. A single question or image may take more.
pub(crate) const PREPARED_AT_ONCE: usize = 128 << 20;
/// Number of questions scored between two checks of the interrupt.
const SCORED_AT_ONCE: usize = 256;
/// Number of gradients computed between two checks of the interrupt.
const GRADIENTS_AT_ONCE: usize = 16;

impl<'a> VlmModel<'a> {
    /// Creates the connection to the adapted model ([`Pass::ANSWER`]) or its base ([`Pass::BASE`]) of `pipeline`. After
    /// `interrupt` was requested, every query fails with [`ModelError::Stopped`].
    #[must_use]
    pub fn new(pipeline: &'a VlmPipeline, pass: Pass, interrupt: &'a Interrupt) -> Self {
        Self { pipeline, pass, interrupt, recent: VecDeque::new() }
    }

    fn go_on(&self) -> Result<(), ModelError> {
        if self.interrupt.requested() { Err(ModelError::Stopped) } else { Ok(()) }
    }

    /// Order in which queries are prepared: their own, or by image if their prepared images do not fit into memory
    /// together.
    fn order(&self, queries: &[Query]) -> Vec<usize> {
        let processor = &self.pipeline.processor;
        let mut numbers: HashMap<*const RgbImage, usize> = HashMap::new();
        let mut bytes = 0;
        let mut number = |query: &Query| {
            let Some(QueryImage::Image(first)) = query.images.first() else { return 0 };
            let next = numbers.len() + 1;
            *numbers.entry(Arc::as_ptr(first)).or_insert_with(|| {
                bytes += processor.grid(first.width(), first.height()).values();
                next
            })
        };
        let shown: Vec<usize> = queries.iter().map(&mut number).collect();
        let mut order: Vec<usize> = (0..queries.len()).collect();
        if bytes > PREPARED_AT_ONCE {
            order.sort_by_key(|index| shown[*index]);
        }
        order
    }

    /// Scores the waiting questions, which are among `queries`, and stores the responses at their places.
    fn score(&self, queries: &[Query], waiting: Waiting, replies: &mut [Option<Response>]) -> Result<(), ModelError> {
        self.go_on()?;
        let scored = self.pipeline.score(&waiting.asked, &self.pass).map_err(|error| {
            // Each question alone shows which one cannot be scored.
            let alone = waiting.asked.chunks(1).map(|asked| self.pipeline.score(asked, &self.pass));
            let named = waiting.places.iter().zip(alone).find_map(|(place, scored)| Some((*place, scored.err()?)));
            named.map_or_else(|| ModelError::new(error), |(place, error)| failed(&queries[place], error))
        })?;
        for (place, scores) in waiting.places.into_iter().zip(scored) {
            let scores = scores
                .into_iter()
                .map(|score| OptionLikelihood { loglikelihood: score.loglikelihood, tokens: score.token_ids.len() });
            replies[place] = Some(Response::Options(scores.collect()));
        }
        Ok(())
    }

    fn example(&mut self, query: &Query) -> Result<EncodableExample, ModelError> {
        let images = query.images.iter().map(|shown| self.prepared(shown)).collect::<Result<_, _>>();
        let images = images.map_err(|error| failed(query, error))?;
        Ok(EncodableExample { conversation: query.conversation.clone(), images })
    }

    fn prepared(&mut self, shown: &QueryImage) -> Result<Arc<Prepared>, ProcessorError> {
        match shown {
            QueryImage::Image(picture) => {
                // A weak reference keeps the address from being reused by another image, but not the pixels in memory.
                let is_same = |known: &Weak<RgbImage>| known.as_ptr() == Arc::as_ptr(picture);
                if let Some((_, known)) = self.recent.iter().find(|(known, _)| is_same(known)) {
                    return Ok(Arc::clone(known));
                }
                let prepared = Arc::new(self.pipeline.processor.prepare(picture)?);
                self.recent.push_back((Arc::downgrade(picture), Arc::clone(&prepared)));
                let bytes = |recent: &VecDeque<(_, Arc<Prepared>)>| {
                    recent.iter().map(|(_, known)| known.bytes()).sum::<usize>()
                };
                while self.recent.len() > RECENT || (self.recent.len() > 1 && bytes(&self.recent) > PREPARED_AT_ONCE) {
                    self.recent.pop_front();
                }
                Ok(prepared)
            }
            QueryImage::Pixels(pixels) => {
                let grid = grid_of(pixels).ok_or_else(|| ProcessorError::Conversation {
                    problem: format!("pixels of the shape {:?} are given", pixels.shape),
                    advice: "give `[tiles, 3, height, width]`",
                })?;
                Ok(Arc::new(self.pipeline.processor.repainted(grid, pixels.values.clone())?))
            }
        }
    }
}

/// Error that names the question which the model could not answer.
fn failed(query: &Query, error: impl Error) -> ModelError {
    let Query { case_id, item_id, condition, .. } = query;
    ModelError::new(format!("case {case_id}, question {item_id}, condition {condition}: {error}"))
}

/// Questions with options that are scored together.
#[derive(Default)]
struct Waiting {
    /// Index of each question among the queries.
    places: Vec<usize>,
    asked: Vec<(EncodableExample, Vec<String>)>,
    /// Prepared images of the questions, by address, and their size in bytes.
    images: HashSet<*const Prepared>,
    bytes: usize,
}

impl Waiting {
    /// Whether a further question fits.
    fn has_room(&self, example: &EncodableExample) -> bool {
        let more: usize = self.unseen(example).map(|image| image.bytes()).sum();
        self.asked.is_empty()
            || (self.asked.len() < SCORED_AT_ONCE && (more == 0 || self.bytes + more <= PREPARED_AT_ONCE))
    }

    fn push(&mut self, place: usize, example: EncodableExample, options: Vec<String>) {
        self.bytes += self.unseen(&example).map(|image| image.bytes()).sum::<usize>();
        self.images.extend(example.images.iter().map(Arc::as_ptr));
        self.places.push(place);
        self.asked.push((example, options));
    }

    fn unseen<'e>(&self, example: &'e EncodableExample) -> impl Iterator<Item = &'e Arc<Prepared>> {
        example.images.iter().filter(|image| !self.images.contains(&Arc::as_ptr(image)))
    }
}

impl Model for VlmModel<'_> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        let mut replies: Vec<Option<Response>> = vec![None; queries.len()];
        let mut waiting = Waiting::default();
        for index in self.order(queries) {
            let query = &queries[index];
            let example = self.example(query)?;
            match &query.ask {
                Request::Options(options) => {
                    if !waiting.has_room(&example) {
                        self.score(queries, std::mem::take(&mut waiting), &mut replies)?;
                    }
                    waiting.push(index, example, options.clone());
                }
                Request::Generate { max_new_tokens } => {
                    self.go_on()?;
                    let generated = self.pipeline.generate(&example, *max_new_tokens, &self.pass);
                    let ids = generated.map_err(|error| failed(query, error))?.ids;
                    replies[index] = Some(Response::Text(self.pipeline.processor.decode(&ids)));
                }
            }
        }
        self.score(queries, waiting, &mut replies)?;
        Ok(replies.into_iter().flatten().collect())
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        let Some(first) = query.images.first() else { return Ok(None) };
        let prepared = self.prepared(first).map_err(|error| failed(query, error))?;
        Ok(Some(unit_pixels(self.pipeline, &prepared)))
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        let mut shapes = Vec::with_capacity(attacked.len());
        let mut asked = Vec::with_capacity(attacked.len());
        for (query, objective) in attacked {
            let Some(QueryImage::Pixels(pixels)) = query.images.first() else {
                return Err(ModelError::new("an attack needs an image given as pixels"));
            };
            shapes.push((pixels.shape.clone(), pixels.cut, pixels.margins));
            asked.push((self.example(query)?, pixel_objective(objective)));
        }
        let mut slopes = Vec::with_capacity(asked.len());
        for asked in asked.chunks(GRADIENTS_AT_ONCE) {
            self.go_on()?;
            slopes.extend(self.pipeline.pixel_gradients(asked, &self.pass).map_err(ModelError::new)?);
        }
        let gradients = slopes.into_iter().zip(shapes).map(|(slope, (shape, cut, margins))| PixelGradient {
            loss: slope.value,
            gradient: PixelGrid { shape, cut, margins, values: slope.gradient },
        });
        Ok(gradients.collect())
    }
}

/// Returns the tiles that the pixels of an attack belong to; None if their shape is not `[tiles, 3, height, width]`.
fn grid_of(pixels: &PixelGrid) -> Option<ImageGrid> {
    let ([rows, columns], [_, _, height, width]) = (pixels.cut, <[usize; 4]>::try_from(pixels.shape.clone()).ok()?);
    Some(ImageGrid { rows, columns, height, width, margins: pixels.margins })
}

/// Pixels of all tiles of an image in the unit range, `[tiles, 3, height, width]`, as attacks change them.
pub(crate) fn unit_pixels(pipeline: &VlmPipeline, prepared: &Prepared) -> PixelGrid {
    let ImageGrid { rows, columns, height, width, margins } = prepared.grid;
    PixelGrid {
        shape: vec![prepared.grid.tiles(), 3, height, width],
        cut: [rows, columns],
        margins,
        values: pipeline.processor.unit_pixels(prepared),
    }
}

fn pixel_objective(objective: &Objective) -> PixelObjective {
    match objective.clone() {
        Objective::Nll { target } => PixelObjective::Nll { target },
        Objective::Margin { options, gold } => PixelObjective::Margin { options, gold },
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use stepwise_data::conversation::{Conversation, Part, Role};
    use stepwise_testing::model::pipeline;

    use super::*;

    fn query(shown: QueryImage) -> Query {
        let mut conversation = Conversation::default();
        conversation.push(Role::User, vec![Part::Image { index: 0 }, Part::text("Which modality is shown?")]);
        Query {
            case_id: "case".to_owned(),
            item_id: "item".to_owned(),
            condition: "clean".to_owned(),
            conversation,
            images: vec![shown],
            ask: Request::Options(vec!["CT".to_owned(), "MRI".to_owned()]),
        }
    }

    #[test]
    fn decoded_images_are_not_kept_and_prepared_ones_are_found_again() {
        let pipeline = pipeline();
        let interrupt = Interrupt::new();
        let mut model = VlmModel::new(&pipeline, Pass::BASE, &interrupt);
        let picture = Arc::new(RgbImage::from_pixel(900, 900, Rgb([9, 99, 200])));
        let shown = QueryImage::Image(Arc::clone(&picture));
        let first = model.prepared(&shown).expect("prepared");
        assert!(Arc::ptr_eq(&first, &model.prepared(&shown).expect("prepared")));
        drop(shown);
        assert_eq!(Arc::strong_count(&picture), 1);
    }

    #[test]
    fn an_error_names_the_question() {
        let pipeline = pipeline();
        let interrupt = Interrupt::new();
        let mut model = VlmModel::new(&pipeline, Pass::BASE, &interrupt);
        let picture = QueryImage::Image(Arc::new(RgbImage::from_pixel(64, 64, Rgb([9, 99, 200]))));
        let good = query(picture.clone());
        for (ask, empty) in [
            (Request::Options(vec!["CT".repeat(9000), "MRI".to_owned()]), false),
            (Request::Options(vec!["CT".to_owned()]), true),
            (Request::Generate { max_new_tokens: 4 }, true),
        ] {
            let mut bad =
                Query { case_id: "case-7".to_owned(), condition: "hint".to_owned(), ask, ..query(picture.clone()) };
            if empty {
                bad.images = vec![QueryImage::Image(Arc::new(RgbImage::new(0, 0)))];
            }
            let error = model.reply(&[good.clone(), bad]).expect_err("refused").to_string();
            assert!(error.contains("case case-7, question item, condition hint: "), "{error}");
        }
    }

    #[test]
    fn a_tiled_image_is_attacked_in_every_tile() {
        let mut pipeline = pipeline();
        pipeline.processor.set_image_splitting(Some(true));
        let interrupt = Interrupt::new();
        let mut model = VlmModel::new(&pipeline, Pass::BASE, &interrupt);

        let colour = |x: u32, y: u32| Rgb([(x * 2 % 256) as u8, (y * 3 % 256) as u8, ((x + y) % 256) as u8]);
        let picture = RgbImage::from_fn(120, 70, colour);
        let seen = query(QueryImage::Image(Arc::new(picture)));
        let grid = model.pixels(&seen).expect("prepared").expect("pixels");
        let [rows, columns] = grid.cut;
        assert!(rows * columns > 1 && grid.shape[0] == rows * columns + 1, "{:?} {:?}", grid.cut, grid.shape);

        // An image and its pixels get the same scores.
        let painted = query(QueryImage::Pixels(Arc::new(grid.clone())));
        let replies = model.reply(&[seen, painted.clone()]).expect("replies");
        let rates = |reply: &Response| match reply {
            Response::Options(scores) => scores.iter().map(|score| score.loglikelihood).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        for (own, handed) in rates(&replies[0]).into_iter().zip(rates(&replies[1])) {
            assert!((own - handed).abs() < 1e-4, "{own} {handed}");
        }

        let objective = Objective::Margin { options: vec!["CT".to_owned(), "MRI".to_owned()], gold: 1 };
        let mut slope = |grid: PixelGrid| {
            let asked = [(query(QueryImage::Pixels(Arc::new(grid))), objective.clone())];
            model.pixel_gradients(&asked).expect("a gradient").remove(0)
        };
        let at = slope(grid.clone());
        assert_eq!((&at.gradient.shape, at.gradient.cut), (&grid.shape, grid.cut));
        let size = grid.values.len() / grid.shape[0];
        for (number, tile) in at.gradient.values.chunks(size).enumerate() {
            assert!(tile.iter().any(|value| *value != 0.0), "tile {number}");
            // A small step along the gradient of this tile changes the objective by the amount that
            // the gradient predicts.
            let length = tile.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let step = 0.02 / length;
            let moved = |sign: f64| {
                let mut moved = grid.clone();
                for (value, slope) in moved.values[number * size..].iter_mut().zip(tile) {
                    *value += (sign * step * f64::from(*slope)) as f32;
                }
                moved
            };
            let (up, down) = (slope(moved(1.0)).loss, slope(moved(-1.0)).loss);
            let (found, said) = ((up - down) / (2.0 * step), length * length);
            assert!((found - said).abs() < 0.02 * said, "tile {number}: {found} {said}");
        }
    }
}
