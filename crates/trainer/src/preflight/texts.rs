//! Check of all texts that a run shows to the model: every question of both sides in every wording, and every question of
//! the benchmark in every condition. A special token in a text, or a text that is too long, is found before the first step
//! also where the text is only evaluated. Questions that repeat answers of the model cannot be made before it answers; they
//! are left out here.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use stepwise_benchmark::plan::{Plan, PlanEntry};
use stepwise_data::case::{Case, Item, Split};
use stepwise_data::conversation::{Conversation, Part};
use stepwise_data::problem::{Problem, Problems};
use stepwise_data::prompt::{AnswerForm, Prompt, PromptOptions, prompt};
use stepwise_vlm::images::grid::ImageGrid;
use stepwise_vlm::processor::{Processor, ProcessorError};

use crate::cases::{CaseImages, CasePlace};
use crate::progress::Progress;

/// Number of texts that one thread checks at a time.
const AT_ONCE: usize = 2048;
/// Number of texts above one limit that are named, the longest first.
const NAMED: usize = 5;

/// Limits of the texts, and the images that are shown with them.
#[derive(Clone, Copy)]
pub struct TextCheck<'a> {
    /// Processor of the model.
    pub processor: &'a Processor,
    /// Source of the images, which knows the file of each case.
    pub images: &'a CaseImages,
    /// Form in which choices are answered.
    pub answer_form: AnswerForm,
    /// `cutoff_len` of the recipe, in tokens: limit of the stored questions. None where nothing is trained.
    pub cutoff_len: Option<usize>,
    /// `max_position_embeddings` of the model, in tokens.
    pub positions: usize,
}

/// Which text is checked.
#[derive(Clone, Copy)]
enum Text<'a> {
    /// A stored question; wording 0 is the question, and n its paraphrase n.
    Stored(&'a Case, &'a Item, usize),
    /// A question of the benchmark.
    Asked(&'a Plan<'a>, PlanEntry),
}

/// What is wrong with a text.
enum Fault {
    Refused(ProcessorError),
    TooLong { tokens: usize, limit: &'static str, most: usize },
}

impl Fault {
    fn is_of_the_template(&self) -> bool {
        matches!(self, Self::Refused(ProcessorError::Template(_)))
    }
}

impl TextCheck<'_> {
    /// Checks all wordings of the questions of `cases`, and all questions of `plan`.
    ///
    /// # Errors
    /// One problem for every text that the processor refuses, and for the longest texts above each limit.
    pub fn check<'a>(
        &self,
        cases: impl IntoIterator<Item = &'a Case>,
        plan: Option<&'a Plan<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<(), Problems> {
        let items = cases.into_iter().flat_map(|case| case.chain.iter().map(move |item| (case, item)));
        let wordings = |(case, item): (&'a Case, &'a Item)| {
            (0..=item.paraphrases.len()).map(move |wording| Text::Stored(case, item, wording))
        };
        self.all(&items.flat_map(wordings).collect::<Vec<_>>(), progress)?;
        // The conditions show stored texts, so their problems would be repeated here.
        let asked = plan.into_iter().flat_map(|plan| plan.entries.iter().map(move |entry| Text::Asked(plan, *entry)));
        self.all(&asked.collect::<Vec<_>>(), progress)
    }

    fn all(&self, texts: &[Text<'_>], progress: &mut dyn Progress) -> Result<(), Problems> {
        let threads = std::thread::available_parallelism().map_or(1, Into::into);
        let (mut faults, mut done) = (Vec::new(), 0);
        for round in texts.chunks(AT_ONCE * threads) {
            faults.extend(std::thread::scope(|scope| {
                let parts: Vec<_> = round.chunks(AT_ONCE).map(|part| scope.spawn(move || self.part(part))).collect();
                let joined = parts.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined
                    .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect::<Vec<_>>()
            }));
            if let Some(place) = faults.iter().position(|(_, fault): &(_, Fault)| fault.is_of_the_template()) {
                faults.swap(0, place);
                faults.truncate(1);
                break;
            }
            done += round.len();
            progress.advance("checking the texts of all questions", done as u64, texts.len() as u64);
        }
        let problems = self.problems(faults);
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }

    fn part<'a>(&self, texts: &[Text<'a>]) -> Vec<(Text<'a>, Fault)> {
        let mut known = HashSet::new();
        let mut faults = Vec::new();
        for text in texts {
            let Some(fault) = self.fault(text, &mut known) else { continue };
            let ends = fault.is_of_the_template();
            faults.push((*text, fault));
            // A template that fails on one text fails on most, and may take long to do so.
            if ends {
                break;
            }
        }
        faults
    }

    /// Checks one text. Returns None where it has no fault, or was checked before.
    fn fault(&self, text: &Text<'_>, known: &mut HashSet<u64>) -> Option<Fault> {
        let frame = PromptOptions { answer_form: self.answer_form, ..PromptOptions::default() };
        let (prompt, shown, limits) = match *text {
            Text::Stored(case, item, wording) => {
                let question = wording.checked_sub(1).and_then(|place| item.paraphrases.get(place)).cloned();
                (
                    prompt(case, item, &PromptOptions { question, ..frame }),
                    case,
                    [self.cutoff(), Some(self.positions())],
                )
            }
            Text::Asked(plan, entry) => {
                let perturbed = plan.perturbed(entry).filter(|perturbed| perturbed.recall.is_none())?;
                let (case, item) = plan.item(entry);
                let shown = &plan.pool.cases()[perturbed.shown_case(entry.case)];
                let frame = PromptOptions { answer_form: plan.suite.form(), ..perturbed.frame };
                (prompt(case, item, &frame), shown, [None, Some(self.positions())])
            }
        };
        let grids: Vec<ImageGrid> = shown
            .images
            .iter()
            .take(prompt.images.len())
            .map(|image| self.processor.grid(image.width, image.height))
            .collect();
        let conversation = answered(prompt);
        let mut hasher = DefaultHasher::new();
        (&conversation, &grids).hash(&mut hasher);
        if !known.insert(hasher.finish()) {
            return None;
        }
        let limits = limits.into_iter().flatten();
        let least = limits.clone().map(|(_, most)| most).min().unwrap_or(usize::MAX);
        if self.most_tokens(&conversation, &grids) <= least {
            return self.processor.check_texts(&conversation).err().map(Fault::Refused);
        }
        match self.processor.encode(&conversation, &grids, false) {
            Err(error) => Some(Fault::Refused(error)),
            Ok(encoded) => {
                let tokens = encoded.ids.len();
                let above = limits.filter(|(_, most)| tokens > *most).max_by_key(|(_, most)| *most);
                above.map(|(limit, most)| Fault::TooLong { tokens, limit, most })
            }
        }
    }

    fn cutoff(&self) -> Option<(&'static str, usize)> {
        Some(("cutoff_len", self.cutoff_len?))
    }

    fn positions(&self) -> (&'static str, usize) {
        ("max_position_embeddings of the model", self.positions)
    }

    /// Upper limit of the number of tokens, which needs no tokenizer: a token has at least one byte.
    fn most_tokens(&self, conversation: &Conversation, grids: &[ImageGrid]) -> usize {
        /// Most tokens that the chat template puts around a turn, and the processor around a tile.
        const AROUND: [usize; 2] = [64, 32];
        let parts = conversation.messages.iter().flat_map(|message| &message.content);
        let bytes: usize = parts.map(|part| if let Part::Text { text } = part { text.len() } else { 0 }).sum();
        let [turn, tile] = AROUND;
        let images = grids.iter().map(|grid| self.processor.image_tokens(*grid) + grid.tiles() * tile);
        bytes + (conversation.messages.len() + 1) * turn + images.sum::<usize>()
    }

    /// Problems of the texts that are refused, and of the longest texts above each limit.
    fn problems(&self, faults: Vec<(Text<'_>, Fault)>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut long: Vec<(Text<'_>, usize, (&'static str, usize))> = Vec::new();
        for (text, fault) in faults {
            match fault {
                Fault::Refused(error) => {
                    let error = error.to_string();
                    let (what, advice) = error.split_once(" -> ").unwrap_or((&error, "reword the question"));
                    problems.push(self.problem(&text, what.to_owned(), advice));
                }
                Fault::TooLong { tokens, limit, most } => long.push((text, tokens, (limit, most))),
            }
        }
        long.sort_by_key(|(_, tokens, limit)| (*limit, std::cmp::Reverse(*tokens)));
        for above in long.chunk_by(|a, b| a.2 == b.2) {
            for (place, (text, tokens, (limit, most))) in above.iter().take(NAMED).enumerate() {
                let rank = if place == 0 && above.len() > 1 {
                    format!("the longest of {} texts above the limit ", above.len())
                } else {
                    String::new()
                };
                let advice = match *limit {
                    "cutoff_len" => "raise `cutoff_len`, or lower the image's size",
                    _ => "shorten the text, or lower the image's size",
                };
                problems.push(self.problem(text, format!("{rank}has {tokens} tokens, {limit} is {most}"), advice));
            }
        }
        problems
    }

    fn problem(&self, text: &Text<'_>, what: String, advice: &str) -> Problem {
        let (case, item, of) = match *text {
            Text::Stored(case, item, 0) => (case, item, String::new()),
            Text::Stored(case, item, wording) => (case, item, format!(", paraphrase {wording}")),
            Text::Asked(plan, entry) => {
                let (case, item) = plan.item(entry);
                (case, item, format!(", condition \"{}\"", plan.condition(entry).id))
            }
        };
        let side = match case.split {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        };
        let field = format!("case \"{}\" ({side}), question \"{}\"{of}", case.case_id, item.id);
        match self.images.place(&case.case_id) {
            Some(CasePlace { file, row }) => Problem::new(file.as_ref(), what, advice).at_row(*row),
            None => Problem::new("synthetic cases", what, advice),
        }
        .in_field(field)
    }
}

/// The conversation with its longest possible answer: of the options or, where there are none, the right answer.
fn answered(prompt: Prompt) -> Conversation {
    let longest = prompt.options.iter().max_by_key(|option| option.len()).unwrap_or(&prompt.answer);
    prompt.conversation.answered(longest)
}
