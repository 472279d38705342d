//! Augmentation of training examples: a condition of the benchmark, a mark on the evidence, answers to earlier
//! questions as context, and the answer that is right under these changes.
//!
//! The draws depend only on seed, epoch, case and question, so that a resumed run makes the same examples. Sentences
//! are taken from template families reserved for training. The benchmark uses other families, so its results do not
//! measure memorised templates.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rand::{Rng, RngCore};
use stepwise_benchmark::perturb::image::blank::grey;
use stepwise_benchmark::perturb::image::swap_partner::{Agreement, nearest};
use stepwise_benchmark::perturb::{self, Perturbation, PerturbationKind, Perturbed, Pool, Purpose, Scene, ShownImages};
use stepwise_benchmark::rng::SuiteRng;
use stepwise_benchmark::runner::RunError;
use stepwise_benchmark::score::fold;
use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::run_plan::StepPosition;
use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::prompt::{ContextAnswer, ContextKind, gold_context, gold_text};
use stepwise_data::random::stream;
use stepwise_recipe::{Augmentation, Context, Evidence, PairPartner, Pairs, PhaseRecipe, Recipe, build};

use crate::cases::Cases;
use crate::evaluation::predicted::PredictedAnswers;
use crate::thumbnails::Thumbnails;

/// Version of the random draws in this file, used in place of a suite's version.
const VERSION: u32 = 1;

/// Share of the examples with evidence that ask for its location, with `evidence = "box"` or `"both"`.
const BOX_SHARE: f64 = 0.5;

/// Name of the condition under which such examples are counted.
const EVIDENCE_BOX: &str = "evidence_box";

/// Name under which both examples of a pair are counted.
pub(crate) const PAIR: &str = "pair";

/// A question with its augmentation.
#[derive(Clone, Debug)]
pub struct AugmentedQuestion {
    /// Indices of case and question.
    pub sample: SampleIndex,
    /// Kind of the applied condition, `evidence_box` for a question that asks for the location of the evidence, or `pair`
    /// for an example of a pair; None if the question is as stored.
    pub condition: Option<&'static str>,
    /// Which answers to earlier questions are given as context.
    pub context: ContextKind,
    /// Whether the images are blanked because of the phase's `blank_images`, in addition to the condition.
    pub is_blank: bool,
    /// Change of the question. If it has an item, the item contains the answer that is right under the condition.
    pub perturbed: Perturbed,
}

/// Chooses the augmentation of each training example: condition, context and mark on the evidence.
pub struct Augmenter<'a> {
    seed: u64,
    pool: Pool<'a>,
    phases: Vec<Legend>,
    cue: Arc<dyn Perturbation>,
    wrong_parent: Arc<dyn Perturbation>,
    swap: Arc<dyn Perturbation>,
    /// Answers of the model for the current phase. Right answers are used where an answer is missing.
    predicted: Option<Arc<PredictedAnswers>>,
    /// Thumbnails of the cases, by which the partner of a pair is chosen; None where no phase needs them.
    thumbnails: Option<&'a Thumbnails>,
}

/// Augmentation settings of a phase.
struct Legend {
    context: Context,
    evidence: Evidence,
    blank_images: bool,
    pairs: Option<Pairs>,
    conditions: Vec<(f64, &'static PerturbationKind, Arc<dyn Perturbation>)>,
}

impl<'a> Augmenter<'a> {
    /// Creates the augmenter for `recipe` from the training cases of `cases`. If a phase chooses the partners of pairs by
    /// thumbnails, the thumbnails of all training images are made, once for `cases`.
    ///
    /// # Errors
    /// When thumbnails are needed and an image cannot be read.
    ///
    /// # Panics
    /// As [`Augmenter::without_images`].
    pub fn new(recipe: &Recipe, cases: &'a Cases) -> Result<Self, RunError> {
        let thumbnails = recipe.compares_thumbnails().then(|| cases.thumbnails(&mut |_| ())).transpose()?;
        Ok(Self { thumbnails, ..Self::without_images(recipe, &cases.train) })
    }

    /// Creates the augmenter for `recipe` without reading images. `cases` are its training cases; images and answers of
    /// other cases are also taken from them. Where a phase chooses the partners of pairs by thumbnails, this augmenter takes
    /// the first possible partner by case id: the same questions become pairs.
    ///
    /// # Panics
    /// When a condition of the recipe is unknown or has invalid parameters, which a checked recipe excludes.
    #[must_use]
    pub fn without_images(recipe: &Recipe, cases: &'a [Case]) -> Self {
        let legend = |phase: &PhaseRecipe| Legend {
            context: phase.examples.context,
            evidence: phase.examples.evidence,
            blank_images: phase.examples.blank_images,
            pairs: phase.examples.pairs,
            conditions: phase.examples.augment.conditions.iter().map(built).collect(),
        };
        Self {
            seed: recipe.seed,
            pool: Pool::new(cases),
            phases: recipe.curriculum.phase.iter().map(legend).collect(),
            cue: plain("cue_true"),
            wrong_parent: plain("parents_wrong"),
            swap: plain("swap_near"),
            predicted: None,
            thumbnails: None,
        }
    }

    /// Sets the answers that the model gave before the current phase. With None, examples with predicted context get
    /// the right answers.
    #[must_use]
    pub fn with_predicted(self, predicted: Option<Arc<PredictedAnswers>>) -> Self {
        Self { predicted, ..self }
    }

    /// Returns the training cases.
    #[must_use]
    pub fn cases(&self) -> &'a [Case] {
        self.pool.cases()
    }

    /// Returns the training examples of the question `sample` for the step at `place`: both examples of a pair, its own
    /// images first, or the one of [`Augmenter::asked`]. Equal arguments give equal results.
    ///
    /// # Panics
    /// When there is no such phase, case or question.
    #[must_use]
    pub fn all(&self, place: StepPosition, sample: SampleIndex) -> Vec<AugmentedQuestion> {
        self.pair(place, sample).unwrap_or_else(|| vec![self.single(place, sample)])
    }

    /// Returns the question `sample` with its augmentation for the step at `place`; in a pair the example with its own
    /// images. Equal arguments give equal results.
    ///
    /// # Panics
    /// When there is no such phase, case or question.
    #[must_use]
    pub fn asked(&self, place: StepPosition, sample: SampleIndex) -> AugmentedQuestion {
        self.all(place, sample).swap_remove(0)
    }

    /// The two examples of a pair: the question as stored, and with the images of a patient for whom another answer is
    /// right. None if the question is not drawn for a pair or there is no such patient. Neither has context, because
    /// earlier answers describe one of the patients.
    fn pair(&self, place: StepPosition, sample: SampleIndex) -> Option<Vec<AugmentedQuestion>> {
        let pairs = self.phases[place.phase].pairs?;
        let scene = self.scene(place, sample);
        if scene.draw("pair").random::<f64>() >= pairs.share {
            return None;
        }
        let swapped = match pairs.partner {
            PairPartner::Random => contrasting(&scene, self.swap.perturb(&scene).ok()?.pictures)?,
            PairPartner::NearestThumbnail => {
                let distance =
                    |other: usize| self.thumbnails.map_or(0, |thumbnails| thumbnails.distance(sample.case, other));
                let mut partners = nearest(&scene, Agreement::Other, distance);
                partners.find_map(|other| contrasting(&scene, ShownImages::Of(other)))?
            }
        };
        let example = |perturbed: Perturbed| AugmentedQuestion {
            sample,
            condition: Some(PAIR),
            context: ContextKind::Nothing,
            is_blank: false,
            perturbed,
        };
        Some(vec![example(Perturbed::default()), example(swapped)])
    }

    pub(super) fn scene(&self, place: StepPosition, sample: SampleIndex) -> Scene<'_> {
        let case = &self.cases()[sample.case];
        Scene { case, item: &case.chain[sample.item], pool: &self.pool, rng: self.rng(place) }
    }

    fn single(&self, place: StepPosition, sample: SampleIndex) -> AugmentedQuestion {
        let Legend { context, evidence, blank_images, conditions, .. } = &self.phases[place.phase];
        let scene = self.scene(place, sample);
        let item = scene.item;
        let uniform = |purpose: &str| scene.draw(purpose).random::<f64>();

        // One draw per example. Each condition owns a part of the unit interval as long as its share.
        let mut left = uniform("condition");
        let drawn = conditions.iter().find(|(share, ..)| {
            left -= share;
            left < 0.0
        });
        let mut asked = AugmentedQuestion {
            sample,
            condition: None,
            context: ContextKind::Nothing,
            is_blank: *blank_images,
            perturbed: Perturbed::default(),
        };
        let mut told_too = true;
        // A condition that does not apply is left out. With blank images, conditions that change images do not apply.
        let applies = |perturbed: &Perturbed| {
            !blank_images || (matches!(perturbed.pictures, ShownImages::Own) && perturbed.attack.is_none())
        };
        let standing = drawn
            .and_then(|(_, kind, perturbation)| Some((kind, answered(kind, &**perturbation, &scene)?)))
            .filter(|(_, perturbed)| applies(perturbed));
        if let Some((kind, perturbed)) = standing {
            asked.condition = Some(kind.name);
            asked.perturbed = perturbed;
            told_too = kind.purpose != Purpose::EvidenceRemoved && !matches!(kind.name, "swap_same" | "flip");
        } else if matches!(evidence, Evidence::Box | Evidence::BoxAndMarked)
            && uniform("box") < BOX_SHARE
            && let Some(item) = located(item)
        {
            asked.condition = Some(EVIDENCE_BOX);
            asked.perturbed.item = Some(item);
        } else if !blank_images
            && uniform("evidence") < marked(*evidence, place)
            && let Ok(perturbed) = self.cue.perturb(&scene)
        {
            asked.condition = Some("cue_true");
            asked.perturbed = perturbed;
        }
        // Earlier answers describe the original image; do not show them when the image was replaced or blanked.
        if told_too {
            let (context, known) = self.context(*context, uniform("context"), &scene);
            asked.context = context;
            asked.perturbed.frame.context = known;
        }
        // Every question, because the images are a control of training and no condition of it.
        if *blank_images {
            asked.perturbed.pictures = grey();
        }
        asked
    }

    /// Returns the seed and version of the random numbers for the epoch of `place`; all steps of an epoch share them.
    #[must_use]
    pub fn rng(&self, place: StepPosition) -> SuiteRng {
        let epoch = place.epochs_before.to_string();
        SuiteRng { seed: stream(self.seed, &["augment", &epoch]).next_u64(), version: VERSION }
    }

    fn context(&self, context: Context, drawn: f64, scene: &Scene<'_>) -> (ContextKind, Vec<ContextAnswer>) {
        let gold = || gold_context(scene.case, scene.item);
        let (context, known) = if drawn < context.wrong {
            match self.wrong_parent.perturb(scene) {
                Ok(perturbed) => (ContextKind::Wrong, perturbed.frame.context),
                // There is no wrong answer for a parent of this question, so the right answers are given.
                Err(_) => (ContextKind::Gold, gold()),
            }
        } else if drawn < context.wrong + context.gold {
            (ContextKind::Gold, gold())
        } else if drawn < context.wrong + context.gold + context.predicted {
            (ContextKind::Predicted, self.predicted_context(scene))
        } else {
            (ContextKind::Nothing, Vec::new())
        };
        if known.is_empty() { (ContextKind::Nothing, known) } else { (context, known) }
    }

    /// Parents of the question with the answers of the model, or the right answers where the model's are missing.
    fn predicted_context(&self, scene: &Scene<'_>) -> Vec<ContextAnswer> {
        let parents = scene.case.chain.iter().filter(|other| scene.item.parents.contains(&other.id));
        let mut known = gold_context(scene.case, scene.item);
        if let Some(predicted) = &self.predicted {
            for (known, parent) in known.iter_mut().zip(parents) {
                if let Some(answer) = predicted.answer(&scene.case.case_id, &parent.id) {
                    known.answer = answer.to_owned();
                }
            }
        }
        known
    }
}

/// Share of the examples with a mark on the evidence, 0 to 1, at a step position.
fn marked(evidence: Evidence, place: StepPosition) -> f64 {
    match evidence {
        Evidence::None | Evidence::Box => 0.0,
        Evidence::Marked | Evidence::BoxAndMarked => 1.0,
        Evidence::Curriculum => 1.0 - place.phase_step as f64 / place.phase_total.saturating_sub(1).max(1) as f64,
    }
}

fn built(condition: &Augmentation) -> (f64, &'static PerturbationKind, Arc<dyn Perturbation>) {
    let kind =
        perturb::kinds::kind(condition.kind).unwrap_or_else(|| unreachable!("a recipe names kinds of the registry"));
    let perturbation = condition.perturbation();
    (condition.share, kind, perturbation.unwrap_or_else(|error| unreachable!("the recipe was checked: {error}")))
}

pub(super) fn plain(name: &str) -> Arc<dyn Perturbation> {
    let kind = perturb::kinds::kind(name).unwrap_or_else(|| unreachable!("`{name}` is in the registry"));
    build(kind, toml::Table::new()).unwrap_or_else(|error| unreachable!("`{name}` needs no parameter: {error}"))
}

/// The changed question with the answer that is right under the condition. None if the condition does not apply or no
/// answer is known to be right.
fn answered(kind: &PerturbationKind, perturbation: &dyn Perturbation, scene: &Scene<'_>) -> Option<Perturbed> {
    let mut perturbed = perturbation.perturb(scene).ok()?;
    match (kind.name, kind.purpose) {
        ("swap_near", _) => perturbed.item = Some(as_shown(scene, &perturbed.pictures)?),
        // Valid as a control only if the same question has the same answer on the other image.
        ("swap_same", _) => {
            let shown = as_shown(scene, &perturbed.pictures)?;
            if gold_text(scene.case, &shown) != gold_text(scene.case, scene.item) {
                return None;
            }
        }
        // Questions of stage 1 can be answered on any image, so abstaining would be wrong.
        ("swap_far", _) if scene.item.stage == 1 => return None,
        (_, Purpose::EvidenceRemoved) => perturbed.item = Some(declined(scene.item)?),
        _ => {}
    }
    Some(perturbed)
}

/// A question for the location of the evidence of `item`. None if it has no evidence or already asks for a box.
fn located(item: &Item) -> Option<Item> {
    if item.evidence.is_empty() || matches!(item.answer, Answer::Box { .. }) {
        return None;
    }
    let question = format!("Mark what must be seen to answer this: {}", item.question);
    let answer = Answer::Box { gold: item.evidence.clone(), iou_ok: 0.5 };
    Some(Item { question, answer, ..item.clone() })
}

/// `item` with its abstain option as the right answer. None if it has no abstain option.
fn declined(item: &Item) -> Option<Item> {
    let Answer::Choice { options, refusal: Some(refusal), .. } = &item.answer else { return None };
    let answer = Answer::Choice { options: options.clone(), gold: vec![*refusal], refusal: Some(*refusal) };
    Some(Item { answer, ..item.clone() })
}

/// The question with the images of another case and with the answer that is right for them. None if this answer is unknown
/// or is the stored one.
fn contrasting(scene: &Scene<'_>, pictures: ShownImages) -> Option<Perturbed> {
    let item = as_shown(scene, &pictures)?;
    let is_another = gold_text(scene.case, &item) != gold_text(scene.case, scene.item);
    is_another.then(|| Perturbed { item: Some(item), pictures, ..Perturbed::default() })
}

/// `item` with the answer that is right for the image of another case. The example does not show that the image was
/// replaced, so the right answer is what the image shows, not the abstain option. None if the other case does not have
/// the same question with the same options, because its answer is then unknown.
fn as_shown(scene: &Scene<'_>, pictures: &ShownImages) -> Option<Item> {
    let ShownImages::Of(other) = pictures else { return None };
    let item = scene.item;
    let same = |other: &&Item| other.category == item.category && fold(&other.question) == fold(&item.question);
    let mut others = scene.pool.cases()[*other].chain.iter().filter(same);
    others.find_map(|other| {
        let answer = match (&item.answer, &other.answer) {
            (Answer::Choice { options, refusal, .. }, Answer::Choice { options: theirs, gold: their_gold, .. }) => {
                let own = |text: &String| options.iter().position(|option| fold(option) == fold(text));
                let all: Option<Vec<usize>> = theirs.iter().map(own).collect();
                if all?.len() != options.len() {
                    return None;
                }
                let gold: Option<Vec<usize>> = their_gold.iter().map(|&index| own(&theirs[index])).collect();
                Answer::Choice { options: options.clone(), gold: gold?, refusal: *refusal }
            }
            (Answer::Yesno { .. }, Answer::Yesno { gold, .. }) => Answer::Yesno { gold: *gold, pair_of: None },
            (Answer::Number { .. }, theirs @ Answer::Number { .. })
            | (Answer::Text { .. }, theirs @ Answer::Text { .. }) => theirs.clone(),
            _ => return None,
        };
        Some(Item { answer, ..item.clone() })
    })
}
