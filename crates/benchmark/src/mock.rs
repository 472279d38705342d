//! Mock models. Each behaves in one known way, so every metric has a known value. Tests use them to check that the
//! benchmark measures what it claims to measure.

use std::collections::HashMap;

use image::RgbImage;
use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::conversation::{Part, Role};
use stepwise_data::prompt::{PromptOptions, gold_text, prompt};

use crate::model::{
    Model, ModelError, Objective, OptionLikelihood, PixelGradient, PixelGrid, Query, QueryImage, Request, Response,
};
use crate::perturb::support::evidence::evidence;
use crate::perturb::support::geometry::Rect;
use crate::perturb::support::mark::Style;
use crate::plan::Plan;
use crate::score::fold;

/// Behaviour of a mock model: a function from a question to the text of its answer.
pub trait Policy {
    /// Returns the text of the answer to the question in `view`. Where options are scored and the text is none of them,
    /// every option gets the log-likelihood NaN, which makes the response unparsed.
    fn say(&self, view: &PolicyInput<'_>) -> String;
}

/// Input of a policy: the query and, unlike for a real model, the case with its right answers.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'a> {
    /// Case of the query.
    pub case: &'a Case,
    /// Item of the query. With [`Planted::knowing`], the item that a condition puts in place of the stored one.
    pub item: &'a Item,
    /// The query.
    pub query: &'a Query,
}

impl PolicyInput<'_> {
    /// Returns the right answer as text; the first one of a choice with several right options.
    #[must_use]
    pub fn gold(&self) -> String {
        gold_text(self.case, self.item)
    }

    /// Returns a wrong answer: the first wrong stored option (empty where all are right), the opposite of yes or no,
    /// the right number plus 1e6, or a fixed text or box. That number, text or box is assumed to be wrong.
    #[must_use]
    pub fn wrong(&self) -> String {
        match &self.item.answer {
            Answer::Choice { options, gold, .. } => {
                let wrong = (0..options.len()).find(|index| !gold.contains(index));
                wrong.map_or_else(String::new, |index| options[index].clone())
            }
            Answer::Yesno { gold, .. } => ["yes", "no"][usize::from(*gold)].to_owned(),
            Answer::Number { gold, .. } => (gold + 1e6).to_string(),
            Answer::Text { .. } => "none of the known".to_owned(),
            Answer::Box { .. } => "[0, 0, 1, 1]".to_owned(),
        }
    }

    /// Returns the options of a choice or yes/no question: as shown where options are scored, in stored order where the
    /// answer is generated. Empty for other generated answers.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        match (&self.query.ask, &self.item.answer) {
            (Request::Options(options), _) => options.clone(),
            (Request::Generate { .. }, Answer::Yesno { .. }) => vec!["yes".to_owned(), "no".to_owned()],
            (Request::Generate { .. }, Answer::Choice { options, .. }) => options.clone(),
            (Request::Generate { .. }, _) => Vec::new(),
        }
    }

    /// Returns the lines of system and user messages that the clean question does not have; empty for the clean
    /// question. Options under another letter do not count as added.
    #[must_use]
    pub fn added_lines(&self) -> Vec<String> {
        let lines = |conversation: &stepwise_data::conversation::Conversation| -> Vec<String> {
            let said = conversation.messages.iter().filter(|message| message.role != Role::Assistant);
            said.flat_map(|message| &message.content)
                .filter_map(|part| match part {
                    Part::Text { text } => Some(text.lines().map(str::to_owned)),
                    Part::Image { .. } => None,
                })
                .flatten()
                .collect()
        };
        let clean = lines(&prompt(self.case, self.item, &PromptOptions::default()).conversation);
        let mut added = lines(&self.query.conversation);
        let is_option = |line: &str| match (&self.item.answer, line.split_once(". ")) {
            (Answer::Choice { options, .. }, Some((_, words))) => options.iter().any(|option| option == words),
            _ => false,
        };
        added.retain(|line| !clean.contains(line) && !is_option(line));
        added
    }

    /// Returns the first image; None where the query shows no image or attacked pixels.
    #[must_use]
    pub fn picture(&self) -> Option<&RgbImage> {
        match self.query.images.first()? {
            QueryImage::Image(picture) => Some(picture),
            QueryImage::Pixels(_) => None,
        }
    }
}

/// Policy that always gives the right answer, the best possible model.
#[derive(Clone, Copy, Debug)]
pub struct Oracle;

impl Policy for Oracle {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        view.gold()
    }
}

/// Policy that gives the answer that an added line of the prompt names. Without such a line it gives the answer of the
/// inner policy.
#[derive(Clone, Copy, Debug)]
pub struct HintFollower<P>(pub P);

impl<P: Policy> Policy for HintFollower<P> {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let own = self.0.say(view);
        let mut candidates = view.options();
        candidates.push(view.gold());
        // Longest first: "mass" must not match within "large mass".
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.len()));
        for line in view.added_lines() {
            let words = format!(" {} ", fold(&line));
            if let Some(named) = candidates.iter().find(|candidate| words.contains(&format!(" {} ", fold(candidate)))) {
                return named.clone();
            }
        }
        own
    }
}

/// Policy that ignores the image: it always gives the first stored option, "yes", or a fixed number, text or box.
#[derive(Clone, Copy, Debug)]
pub struct BlindPrior;

impl Policy for BlindPrior {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        match &view.item.answer {
            Answer::Choice { options, .. } => options[0].clone(),
            Answer::Yesno { .. } => "yes".to_owned(),
            Answer::Number { .. } => "1".to_owned(),
            Answer::Text { .. } => "normal".to_owned(),
            Answer::Box { .. } => "[25, 25, 75, 75]".to_owned(),
        }
    }
}

/// Policy that gives the option shown last, or the answer of [`BlindPrior`] where there are no options.
#[derive(Clone, Copy, Debug)]
pub struct LastOption;

impl Policy for LastOption {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        view.options().pop().unwrap_or_else(|| BlindPrior.say(view))
    }
}

/// Policy that gives a text that the strict parser cannot parse, for every question.
#[derive(Clone, Copy, Debug)]
pub struct Unparsable;

impl Policy for Unparsable {
    fn say(&self, _: &PolicyInput<'_>) -> String {
        "I think that several answers are possible".to_owned()
    }
}

/// Policy that puts the inner policy's answer into a sentence, which the strict parser rejects: a format failure and
/// not a wrong answer.
#[derive(Clone, Copy, Debug)]
pub struct Wordy<P>(pub P);

impl<P: Policy> Policy for Wordy<P> {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        format!("The answer is {}.", self.0.say(view))
    }
}

/// Policy that exchanges the words "left" and "right" in the inner policy's answer.
#[derive(Clone, Copy, Debug)]
pub struct LateralitySwapper<P>(pub P);

impl<P: Policy> Policy for LateralitySwapper<P> {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let said = self.0.say(view);
        let swap = |word| match word {
            "left" => "right",
            "right" => "left",
            other => other,
        };
        said.split(' ').map(swap).collect::<Vec<_>>().join(" ")
    }
}

/// Policy that follows drawn marks: right where the mark encloses all evidence, wrong where it does not. Without a mark
/// or without evidence it gives the answer of the inner policy. Marks are found by the colour of the default style.
#[derive(Clone, Copy, Debug)]
pub struct CueFollower<P>(pub P);

impl<P: Policy> Policy for CueFollower<P> {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let Some(mark) = view.picture().and_then(marked) else { return self.0.say(view) };
        let evidence = evidence(view.case, view.item);
        let rects: Vec<&Rect> = evidence.iter().flat_map(|on| &on.rects).collect();
        if rects.is_empty() {
            return self.0.say(view);
        }
        let is_marked = rects.iter().all(|rect| rect.clipped(mark) == **rect);
        if is_marked { view.gold() } else { view.wrong() }
    }
}

/// Returns the bounding box of all pixels in the default colour of marks, or `None` without such pixels.
fn marked(picture: &RgbImage) -> Option<Rect> {
    let colour = Style::default().colour;
    let drawn = picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == colour);
    drawn.fold(None, |bounds: Option<Rect>, (x, y, _)| {
        let (x, y) = (i64::from(x), i64::from(y));
        let known = bounds.unwrap_or(Rect { x0: x, y0: y, x1: x, y1: y });
        Some(Rect { x0: known.x0.min(x), y0: known.y0.min(y), x1: known.x1.max(x + 1), y1: known.y1.max(y + 1) })
    })
}

/// Policy that chooses the abstain option where there is one. Otherwise it gives the answer of the inner policy.
#[derive(Clone, Copy, Debug)]
pub struct Decliner<P>(pub P);

impl<P: Policy> Policy for Decliner<P> {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        match &view.item.answer {
            Answer::Choice { options, refusal: Some(refusal), .. } => options[*refusal].clone(),
            _ => self.0.say(view),
        }
    }
}

/// Mock model that answers by its policy. It gives no pixel gradients: its pixels are None, and its gradients are an
/// error.
#[derive(Debug)]
pub struct Planted<'a, P> {
    cases: HashMap<&'a str, &'a Case>,
    /// Asked case and item by case id, item id and condition id.
    asked: HashMap<[&'a str; 3], (&'a Case, &'a Item)>,
    policy: P,
    /// Number of queries answered so far.
    pub answered: usize,
}

impl<'a, P: Policy> Planted<'a, P> {
    /// Creates a mock model for queries about `cases`. The policy sees the stored items. Of several cases with one id,
    /// the last counts; a query about another case is an error.
    pub fn new(cases: &'a [Case], policy: P) -> Self {
        let cases = cases.iter().map(|case| (case.case_id.as_str(), case)).collect();
        Self { cases, asked: HashMap::new(), policy, answered: 0 }
    }

    /// Creates a mock model for the queries of `plan`. The policy sees the items that conditions put in place of the
    /// stored ones, so that [`Oracle`] answers these right as well. For other queries about the plan's cases it sees
    /// the stored items.
    pub fn knowing(plan: &'a Plan<'a>, policy: P) -> Self {
        let asked = plan.entries.iter().map(|&entry| {
            let (case, item) = plan.item(entry);
            ([case.case_id.as_str(), &item.id, &plan.condition(entry).id], (case, item))
        });
        Self { asked: asked.collect(), ..Self::new(plan.pool.cases(), policy) }
    }

    fn view<'b>(&'b self, query: &'b Query) -> Result<PolicyInput<'b>, ModelError> {
        let stored = || {
            let case = *self.cases.get(query.case_id.as_str())?;
            Some((case, case.chain.iter().find(|item| item.id == query.item_id)?))
        };
        let asked = self.asked.get(&[query.case_id.as_str(), &query.item_id, &query.condition]).copied();
        asked
            .or_else(stored)
            .map(|(case, item)| PolicyInput { case, item, query })
            .ok_or_else(|| ModelError::new(format!("no item {} in case {}", query.item_id, query.case_id)))
    }
}

impl<P: Policy> Model for Planted<'_, P> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.answered += queries.len();
        queries
            .iter()
            .map(|query| {
                let said = self.policy.say(&self.view(query)?);
                Ok(match &query.ask {
                    Request::Generate { .. } => Response::Text(said),
                    Request::Options(options) => Response::Options(likelihoods(options, &said)),
                })
            })
            .collect()
    }

    fn pixels(&mut self, _: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(None)
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Err(ModelError::new("a mock model with a policy has no gradients"))
    }
}

/// Scores `said` with -0.1 and every other option with -5; all NaN where `said` is not an option.
fn likelihoods(options: &[String], said: &str) -> Vec<OptionLikelihood> {
    let known = options.iter().any(|option| option == said);
    options
        .iter()
        .map(|option| {
            let loglikelihood = match (known, option == said) {
                (false, _) => f64::NAN,
                (true, true) => -0.1,
                (true, false) => -5.0,
            };
            OptionLikelihood { loglikelihood, tokens: option.split_whitespace().count() + 1 }
        })
        .collect()
}

/// Mock model for yes/no questions that is linear in the pixels, so that every attack has a closed form. The log-odds
/// of "yes" are `weight * (mean pixel - threshold)`. A signed step of size eps moves the mean by exactly eps while
/// nothing is clipped.
#[derive(Clone, Copy, Debug)]
pub struct LinearModel {
    /// Change of the log-odds of "yes" per unit of the mean pixel.
    pub weight: f64,
    /// Mean pixel, 0 to 1, at which "yes" and "no" are equally likely.
    pub threshold: f64,
}

impl LinearModel {
    fn odds(&self, pixels: &[f32]) -> f64 {
        let mean = pixels.iter().map(|value| f64::from(*value)).sum::<f64>() / pixels.len().max(1) as f64;
        self.weight * (mean - self.threshold)
    }

    fn shown(query: &Query) -> Result<PixelGrid, ModelError> {
        match query.images.first() {
            Some(QueryImage::Image(picture)) => Ok(grid(picture)),
            Some(QueryImage::Pixels(pixels)) => Ok(PixelGrid::clone(pixels)),
            None => Err(ModelError::new("a linear mock model needs an image")),
        }
    }
}

/// Converts an image into a grid of one tile, see [`PixelGrid::of_image`].
#[must_use]
pub fn grid(picture: &RgbImage) -> PixelGrid {
    PixelGrid::of_image(picture)
}

impl Model for LinearModel {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        queries
            .iter()
            .map(|query| {
                let odds = self.odds(&Self::shown(query)?.values);
                let of = |option: &String| OptionLikelihood {
                    loglikelihood: if option == "yes" { odds / 2.0 } else { -odds / 2.0 },
                    tokens: 1,
                };
                Ok(match &query.ask {
                    Request::Options(options) => Response::Options(options.iter().map(of).collect()),
                    Request::Generate { .. } => Response::Text(if odds >= 0.0 { "yes" } else { "no" }.to_owned()),
                })
            })
            .collect()
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Self::shown(query).map(Some)
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        attacked
            .iter()
            .map(|(query, objective)| {
                let pixels = Self::shown(query)?;
                // The margin log p(other) - log p(gold) is minus the log-odds where "yes" is right; the negative
                // log-likelihood of "yes" is minus half of the log-odds.
                let side = match objective {
                    Objective::Margin { options, gold } if options.get(*gold).is_some_and(|gold| gold == "yes") => -1.0,
                    Objective::Margin { .. } => 1.0,
                    Objective::Nll { target } if target == "yes" => -0.5,
                    Objective::Nll { .. } => 0.5,
                };
                let slope = (side * self.weight / pixels.values.len() as f64) as f32;
                let gradient = PixelGrid { values: vec![slope; pixels.values.len()], ..pixels.clone() };
                Ok(PixelGradient { loss: side * self.odds(&pixels.values), gradient })
            })
            .collect()
    }
}

/// A [`LinearModel`] with masked gradients: attacks that use them fail, so the model looks robust and is not.
#[derive(Clone, Copy, Debug)]
pub struct Masker {
    /// Model that gives the answers.
    pub inside: LinearModel,
    /// Kind of masking.
    pub mask: GradientMasking,
}

/// Way in which a mock model masks its gradients, so that attacks that follow them fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradientMasking {
    /// Gradients are zero, as behind a rounding operation.
    Flat,
    /// Gradients point in the opposite direction.
    Reversed,
}

impl Model for Masker {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.inside.reply(queries)
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        self.inside.pixels(query)
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        let mut gradients = self.inside.pixel_gradients(attacked)?;
        let factor = match self.mask {
            GradientMasking::Flat => 0.0,
            GradientMasking::Reversed => -1.0,
        };
        gradients.iter_mut().flat_map(|found| &mut found.gradient.values).for_each(|slope| *slope *= factor);
        Ok(gradients)
    }
}
