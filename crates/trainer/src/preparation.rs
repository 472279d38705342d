//! Everything that is known of a run before its first step.

use crate::cases::Cases;
use crate::course::Course;
use crate::learner::Learner;
use crate::lessons::LessonError;
use crate::memory::{self, Estimate, Pictures};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::survey::Survey;
use crate::trained::Inventory;

/// What a run will do and need.
#[derive(Clone, Debug, PartialEq)]
pub struct Preparation {
    /// What learns, and what does not.
    pub inventory: Inventory,
    /// Lowest and highest peak learning rate of its phases.
    pub learning_rates: [f64; 2],
    /// Steps and lessons.
    pub survey: Survey,
    /// No lesson is longer.
    pub cutoff_len: usize,
    /// Training cases.
    pub training_cases: usize,
    /// Cases the benchmark asks.
    pub evaluation_cases: usize,
    /// Memory.
    pub memory: Estimate,
}

impl Preparation {
    /// Looks at the learner and measures every lesson.
    ///
    /// # Errors
    /// When a lesson cannot be encoded or is longer than `cutoff_len`.
    pub fn new(
        recipe: &Recipe,
        cases: &Cases,
        course: &Course,
        learner: &mut Learner,
        progress: &mut dyn Progress,
    ) -> Result<Self, LessonError> {
        let processor = &learner.reader.processor;
        let survey = Survey::new(recipe, cases, course, processor, progress)?;
        let images = cases.train.iter().chain(&cases.eval).flat_map(|case| &case.images);
        let tiles = images.map(|image| processor.grid(image.width, image.height).tiles() as u64);
        let pictures = tiles.fold(Pictures { tiles: 0, most: 0 }, |sum, tiles| Pictures {
            tiles: sum.tiles + tiles,
            most: sum.most.max(tiles),
        });
        let inventory = Inventory::of(&mut learner.reader.model);
        let memory = memory::estimate(recipe, learner.reader.model.config(), &inventory, &survey.largest, pictures);
        let rates = recipe.curriculum.phase.iter().map(|phase| phase.learning_rate);
        let learning_rates = [rates.clone().fold(f64::INFINITY, f64::min), rates.fold(0.0, f64::max)];
        let (training_cases, evaluation_cases) = (cases.train.len(), cases.eval.len());
        Ok(Self {
            inventory,
            learning_rates,
            survey,
            cutoff_len: recipe.cutoff_len,
            training_cases,
            evaluation_cases,
            memory,
        })
    }
}
