//! What a lesson shows beside the question as it is stored: a condition of the benchmark, a mark on the evidence, answers
//! to earlier questions. And which answer is right then.
//!
//! All of it is a function of (seed, epoch, case, question): whoever makes a lesson again, before or after a resume, makes
//! the same. Sentences come from the families of templates for training; the benchmark asks with the others, so what is
//! gained there was not learned by heart.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rand::{Rng, RngCore};
use stepwise_benchmark::perturb::{self, Draws, Kind, Perturbation, Perturbed, Pictures, Pool, Purpose, Scene};
use stepwise_benchmark::score::fold;
use stepwise_curriculum::Sample;
use stepwise_curriculum::run_plan::Place;
use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::prompt::{Known, gold_context, gold_text};
use stepwise_data::random::stream;
use stepwise_recipe::{Augmentation, Context, Evidence, Phase, Recipe, build};

use crate::evaluation::predicted::Predicted;

/// Version of the draws below, in the place of a suite's.
const VERSION: u32 = 1;

/// How many of the lessons that have evidence ask where it is, where it is asked for.
const BOX_SHARE: f64 = 0.5;

/// What such a lesson is counted as.
const EVIDENCE_BOX: &str = "evidence_box";

/// Which answers to earlier questions a lesson is shown with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Told {
    /// None.
    Nothing,
    /// The right ones.
    Gold,
    /// The right ones but one.
    Wrong,
    /// What the model itself answered when the phase began.
    Predicted,
}

impl Told {
    /// In a word, as recipes have it; none for nothing.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Gold => Some("gold"),
            Self::Wrong => Some("wrong"),
            Self::Predicted => Some("predicted"),
        }
    }
}

/// A question as a lesson asks it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose question it is.
    pub sample: Sample,
    /// The kind of condition it stands under.
    pub condition: Option<&'static str>,
    /// Which answers to earlier questions it is shown with.
    pub told: Told,
    /// Whether its pictures are blanked, whatever it stands under.
    pub is_blank: bool,
    /// The change. Its item, where it has one, has the answer that is right under the condition.
    pub perturbed: Perturbed,
}

/// Decides what each lesson shows.
pub struct Augmenter<'a> {
    seed: u64,
    pool: Pool<'a>,
    phases: Vec<Legend>,
    cue: Arc<dyn Perturbation>,
    wrong_parent: Arc<dyn Perturbation>,
    blank: Arc<dyn Perturbation>,
    /// Of the phase under way; where there are none, right answers stand in for what nobody has answered yet.
    predicted: Option<Arc<Predicted>>,
}

/// What a phase's lessons show.
struct Legend {
    context: Context,
    evidence: Evidence,
    blank_images: bool,
    conditions: Vec<(f64, &'static Kind, Arc<dyn Perturbation>)>,
}

impl<'a> Augmenter<'a> {
    /// For the phases of `recipe` over its training cases, from which swapped pictures and other cases' answers come too.
    #[must_use]
    pub fn new(recipe: &Recipe, cases: &'a [Case]) -> Self {
        let legend = |phase: &Phase| Legend {
            context: phase.lesson.context,
            evidence: phase.lesson.evidence,
            blank_images: phase.lesson.blank_images,
            conditions: phase.lesson.augment.conditions.iter().map(built).collect(),
        };
        Self {
            seed: recipe.seed,
            pool: Pool::new(cases),
            phases: recipe.curriculum.phase.iter().map(legend).collect(),
            cue: plain("cue_true"),
            wrong_parent: plain("parents_wrong"),
            blank: plain("blank"),
            predicted: None,
        }
    }

    /// The same with what the model answered when the phase under way began.
    #[must_use]
    pub fn with_predicted(self, predicted: Option<Arc<Predicted>>) -> Self {
        Self { predicted, ..self }
    }

    /// The cases lessons are made from.
    #[must_use]
    pub fn cases(&self) -> &'a [Case] {
        self.pool.cases()
    }

    /// The question `sample` as the step at `place` asks it.
    #[must_use]
    pub fn asked(&self, place: Place, sample: Sample) -> Asked {
        let Legend { context, evidence, blank_images, conditions } = &self.phases[place.phase];
        let case = &self.cases()[sample.case];
        let item = &case.chain[sample.item];
        let draws = self.draws(place);
        let scene = Scene { case, item, pool: &self.pool, draws };
        let uniform = |purpose: &str| scene.draw(purpose).random::<f64>();

        // One draw a lesson; each condition has a piece of the unit interval as long as its share.
        let mut left = uniform("condition");
        let drawn = conditions.iter().find(|(share, ..)| {
            left -= share;
            left < 0.0
        });
        let mut asked = Asked {
            sample,
            condition: None,
            told: Told::Nothing,
            is_blank: *blank_images,
            perturbed: Perturbed::default(),
        };
        let mut told_too = true;
        // A condition that does not apply leaves the lesson as it would be without it: on a blank picture, one of pictures.
        let applies = |perturbed: &Perturbed| {
            !blank_images || (matches!(perturbed.pictures, Pictures::Own) && perturbed.attack.is_none())
        };
        let standing = drawn
            .and_then(|(_, kind, perturbation)| Some((kind, answered(kind, &**perturbation, &scene)?)))
            .filter(|(_, perturbed)| applies(perturbed));
        if let Some((kind, perturbed)) = standing {
            asked.condition = Some(kind.name);
            asked.perturbed = perturbed;
            told_too = kind.purpose != Purpose::Removal && !matches!(kind.name, "swap_same" | "flip");
        } else if matches!(evidence, Evidence::Box | Evidence::Both)
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
        // What was right of the case's own picture says nothing of another one, or says what is to be seen no more.
        if told_too {
            let (told, known) = self.told(*context, uniform("context"), &scene);
            asked.told = told;
            asked.perturbed.frame.context = known;
        }
        if *blank_images && let Ok(blank) = self.blank.perturb(&scene) {
            asked.perturbed.pictures = blank.pictures;
        }
        asked
    }

    /// Where the random numbers of the lessons of an epoch come from.
    #[must_use]
    pub fn draws(&self, place: Place) -> Draws {
        let epoch = place.epochs_before.to_string();
        Draws { seed: stream(self.seed, &["augment", &epoch]).next_u64(), version: VERSION }
    }

    fn told(&self, context: Context, drawn: f64, scene: &Scene<'_>) -> (Told, Vec<Known>) {
        let gold = || gold_context(scene.case, scene.item);
        let (told, known) = if drawn < context.wrong {
            match self.wrong_parent.perturb(scene) {
                Ok(perturbed) => (Told::Wrong, perturbed.frame.context),
                // No wrong answer to what it builds on: those of its kind are told what is right.
                Err(_) => (Told::Gold, gold()),
            }
        } else if drawn < context.wrong + context.gold {
            (Told::Gold, gold())
        } else if drawn < context.wrong + context.gold + context.predicted {
            (Told::Predicted, self.predicted_context(scene))
        } else {
            (Told::Nothing, Vec::new())
        };
        if known.is_empty() { (Told::Nothing, known) } else { (told, known) }
    }

    /// The questions that the scene's one builds on, with the model's own answers.
    fn predicted_context(&self, scene: &Scene<'_>) -> Vec<Known> {
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

/// The share of lessons with a mark on the evidence.
fn marked(evidence: Evidence, place: Place) -> f64 {
    match evidence {
        Evidence::None | Evidence::Box => 0.0,
        Evidence::Drawn | Evidence::Both => 1.0,
        Evidence::Fading => 1.0 - place.phase_step as f64 / place.phase_total.saturating_sub(1).max(1) as f64,
    }
}

fn built(condition: &Augmentation) -> (f64, &'static Kind, Arc<dyn Perturbation>) {
    let kind = perturb::kind(condition.kind).unwrap_or_else(|| unreachable!("a recipe names kinds of the registry"));
    let perturbation = condition.perturbation();
    (condition.share, kind, perturbation.unwrap_or_else(|error| unreachable!("the recipe was checked: {error}")))
}

fn plain(name: &str) -> Arc<dyn Perturbation> {
    let kind = perturb::kind(name).unwrap_or_else(|| unreachable!("`{name}` is in the registry"));
    build(kind, toml::Table::new()).unwrap_or_else(|error| unreachable!("`{name}` needs no parameter: {error}"))
}

/// The question under a condition with the answer that is right there; none where the condition does not apply, or no
/// answer is known to be right.
fn answered(kind: &Kind, perturbation: &dyn Perturbation, scene: &Scene<'_>) -> Option<Perturbed> {
    let mut perturbed = perturbation.perturb(scene).ok()?;
    match (kind.name, kind.purpose) {
        ("swap_near", _) => perturbed.item = Some(as_shown(scene, &perturbed.pictures)?),
        // The control of it is only one where the same question has the same answer.
        ("swap_same", _) => {
            let shown = as_shown(scene, &perturbed.pictures)?;
            if gold_text(scene.case, &shown) != gold_text(scene.case, scene.item) {
                return None;
            }
        }
        // Any picture answers what the first stage asks of it.
        ("swap_far", _) if scene.item.stage == 1 => return None,
        (_, Purpose::Removal) => perturbed.item = Some(declined(scene.item)?),
        _ => {}
    }
    Some(perturbed)
}

/// The question where the evidence for `item` is; none where it has none, or asks that already.
fn located(item: &Item) -> Option<Item> {
    if item.evidence.is_empty() || matches!(item.answer, Answer::Box { .. }) {
        return None;
    }
    let question = format!("Mark what must be seen to answer this: {}", item.question);
    let answer = Answer::Box { gold: item.evidence.clone(), iou_ok: 0.5 };
    Some(Item { question, answer, ..item.clone() })
}

/// `item` with declining as its right answer, where it can be declined.
fn declined(item: &Item) -> Option<Item> {
    let Answer::Choice { options, refusal: Some(refusal), .. } = &item.answer else { return None };
    let answer = Answer::Choice { options: options.clone(), gold: vec![*refusal], refusal: Some(*refusal) };
    Some(Item { answer, ..item.clone() })
}

/// `item` with what is right of another case's picture. Nothing in such a lesson tells that the picture is not the case's
/// own, so a reader that looks can but say what it shows; declining would be taught at random. Where the other case was
/// not asked the same question among the same options, it is not known.
fn as_shown(scene: &Scene<'_>, pictures: &Pictures) -> Option<Item> {
    let Pictures::Of(other) = pictures else { return None };
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
