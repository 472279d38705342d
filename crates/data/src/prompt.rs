//! Rendering of prompts: turns a question and a frame into a conversation. Training and evaluation share this function.

use serde::{Deserialize, Serialize};

use crate::box_grid::BoxGrid;
use crate::case::{Answer, Case, Item};
use crate::conversation::{Conversation, Part, Role};

/// Version of the prompt wording in this file; part of the prompt digest of checkpoints and of the digest of suites.
pub const PROMPT_VERSION: &str = "prompt/1";

/// Form in which a choice is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerForm {
    /// Text of the option.
    #[default]
    Text,
    /// Letter of the option.
    Letter,
}

/// Position of an inserted sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In a system turn before the user turn.
    System,
    /// In the user turn, just before the question.
    BeforeQuestion,
    /// In the user turn, after the question and its options.
    AfterOptions,
}

/// A sentence added to a prompt, for example a hint or a report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InsertedText {
    /// Position of the sentence.
    pub place: Place,
    /// Text of the sentence.
    pub text: String,
}

/// An earlier question and its answer, given to the model as context.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContextAnswer {
    /// Text of the question.
    pub question: String,
    /// Text of the answer, right or wrong.
    pub answer: String,
}

/// Which answers to earlier questions are given as context in a training example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContextKind {
    /// No answers.
    Nothing,
    /// The right answers.
    Gold,
    /// The right answers, except one that is replaced by a wrong answer.
    Wrong,
    /// The answers that the model gave before the training phase began.
    Predicted,
}

impl ContextKind {
    /// Returns the name of the kind in the key `context` of recipes; None for [`ContextKind::Nothing`], which has no
    /// name.
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

/// Frame of a question: everything about a prompt that does not come from the case. The default frame gives the clean
/// question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PromptOptions {
    /// Whether a choice is answered with the text or the letter of an option.
    pub answer_form: AnswerForm,
    /// Earlier questions and answers given as context, in the order shown; empty for none.
    pub context: Vec<ContextAnswer>,
    /// Added sentences, empty for none; several at one position are shown in the order of this list.
    pub inserts: Vec<InsertedText>,
    /// Options to show, in this order, as indices into the question's options; options not named are not shown. None
    /// shows all options in their stored order.
    pub order: Option<Vec<usize>>,
    /// Text that replaces the stored question; None keeps the stored question.
    pub question: Option<String>,
    /// Whether the images are left out.
    pub without_images: bool,
}

/// A rendered question.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// Conversation that ends with a user turn. Its image parts are indices into [`Prompt::images`].
    pub conversation: Conversation,
    /// Ids of the shown images of the case, in order; empty where none is shown.
    pub images: Vec<String>,
    /// Possible responses to a choice or yes/no question, in the order shown; empty for other answer types.
    pub options: Vec<String>,
    /// Index of each shown option among the stored options (for yes/no: 0 is yes, 1 is no); empty for other
    /// answer types.
    pub stored: Vec<usize>,
    /// Right response in the form that the prompt asks for; the first one where several are right.
    pub answer: String,
}

/// Renders the question `item` of `case` in `frame`: images, added sentences, question, options and instruction, each
/// text on a line of its own.
///
/// # Panics
/// When `frame.order` names an option twice or an option that does not exist; when letters are asked for and the first
/// right option is not shown; when the answer has no right option or text, or names a region or image that the case
/// lacks. Cases that pass [`crate::check`] always have these, so only the order needs care.
#[must_use]
pub fn prompt(case: &Case, item: &Item, frame: &PromptOptions) -> Prompt {
    let (options, stored) = shown_options(item, frame);
    let images: Vec<String> =
        if frame.without_images { Vec::new() } else { case.images.iter().map(|image| image.id.clone()).collect() };

    let mut conversation = Conversation::default();
    let system = inserted(frame, Place::System);
    if !system.is_empty() {
        conversation.push(Role::System, vec![Part::text(system.join("\n"))]);
    }
    let mut content: Vec<Part> = (0..images.len()).map(|index| Part::Image { index }).collect();
    content.push(Part::text(user_text(case, item, frame, &stored)));
    conversation.push(Role::User, content);

    Prompt { conversation, images, options, stored, answer: gold_reply(case, item, frame) }
}

impl Prompt {
    /// Appends the response `reply` as an assistant turn and `text` with the answer instruction in `form` as a user
    /// turn, so that the question `item` of `case` is answered again, among the same options. Returns the extended prompt.
    #[must_use]
    pub fn once_more(mut self, case: &Case, item: &Item, form: AnswerForm, reply: &str, text: &str) -> Self {
        self.conversation.push(Role::Assistant, vec![Part::text(reply)]);
        let again = format!("{text}\n{}", instruction(case, &item.answer, form));
        self.conversation.push(Role::User, vec![Part::text(again)]);
        self
    }
}

/// Returns the right response to the question `item` of `case` as text, as it is shown when the answer is given as
/// context; the first one where several are right. Boxes are on the grids of their
/// images.
///
/// # Panics
/// When the answer has no right option or text, or names a region or image that the case lacks. The case checks rule
/// this out.
#[must_use]
pub fn gold_text(case: &Case, item: &Item) -> String {
    gold_reply(case, item, &PromptOptions::default())
}

/// Formats a box `[x0, y0, x1, y1]` in pixels as text, `[left, top, right, bottom]`: four numbers in percent of `width`
/// and `height`, the image's sides in pixels, rounded to whole numbers. Coordinates beyond the image are clipped. The box
/// written always has an area.
#[must_use]
pub fn box_text(bounds: [f64; 4], width: u32, height: u32) -> String {
    written(BoxGrid::default().answer(bounds, [width, height], 0.0))
}

fn written([left, top, right, bottom]: [u32; 4]) -> String {
    format!("[{left}, {top}, {right}, {bottom}]")
}

/// Returns the letter of the option at `position`, from 0: A, B, ... Z, then AA, AB, ...
#[must_use]
pub fn letter(position: usize) -> String {
    let last = char::from(b'A' + (position % 26) as u8);
    if position < 26 { last.to_string() } else { format!("{}{last}", letter(position / 26 - 1)) }
}

fn user_text(case: &Case, item: &Item, frame: &PromptOptions, stored: &[usize]) -> String {
    let mut lines = Vec::new();
    if !frame.context.is_empty() {
        lines.push("Known so far:".to_owned());
        lines.extend(frame.context.iter().map(|known| format!("- {} {}", known.question, known.answer)));
    }
    lines.extend(inserted(frame, Place::BeforeQuestion));
    lines.push(frame.question.clone().unwrap_or_else(|| item.question.clone()));
    if let Answer::Choice { options, .. } = &item.answer {
        lines.extend(
            stored.iter().enumerate().map(|(position, &index)| format!("{}. {}", letter(position), options[index])),
        );
    }
    lines.extend(inserted(frame, Place::AfterOptions));
    lines.push(instruction(case, &item.answer, frame.answer_form));
    lines.join("\n")
}

fn inserted(frame: &PromptOptions, place: Place) -> Vec<String> {
    frame.inserts.iter().filter(|insert| insert.place == place).map(|insert| insert.text.clone()).collect()
}

fn instruction(case: &Case, answer: &Answer, form: AnswerForm) -> String {
    let words = match (answer, form) {
        (Answer::Choice { .. }, AnswerForm::Text) => "Answer with one option.",
        (Answer::Choice { .. }, AnswerForm::Letter) => "Answer with one letter.",
        (Answer::Yesno { .. }, _) => "Answer yes or no.",
        (Answer::Text { .. }, _) => "Answer briefly.",
        (Answer::Box { .. }, _) => {
            return format!("Answer with [left, top, right, bottom] {}.", case.box_format().words());
        }
        (Answer::Number { .. }, _) => "Answer with a number.",
    };
    words.to_owned()
}

fn shown_options(item: &Item, frame: &PromptOptions) -> (Vec<String>, Vec<usize>) {
    match &item.answer {
        Answer::Choice { options, .. } => {
            let stored = frame.order.clone().unwrap_or_else(|| (0..options.len()).collect());
            let once = stored.iter().enumerate().all(|(place, index)| !stored[..place].contains(index));
            assert!(once && stored.iter().all(|index| *index < options.len()), "order names options, each once");
            let shown = stored
                .iter()
                .enumerate()
                .map(|(position, &index)| match frame.answer_form {
                    AnswerForm::Text => options[index].clone(),
                    AnswerForm::Letter => letter(position),
                })
                .collect();
            (shown, stored)
        }
        Answer::Yesno { .. } => (vec!["yes".to_owned(), "no".to_owned()], vec![0, 1]),
        _ => (Vec::new(), Vec::new()),
    }
}

fn gold_reply(case: &Case, item: &Item, frame: &PromptOptions) -> String {
    match &item.answer {
        Answer::Choice { options, gold, .. } => match frame.answer_form {
            AnswerForm::Text => options[gold[0]].clone(),
            AnswerForm::Letter => {
                let position = frame.order.as_ref().map_or(gold[0], |order| {
                    order.iter().position(|index| *index == gold[0]).expect("the right option is shown")
                });
                letter(position)
            }
        },
        Answer::Yesno { gold, .. } => if *gold { "yes" } else { "no" }.to_owned(),
        Answer::Text { gold, .. } => gold[0].clone(),
        Answer::Box { gold, iou_ok } => {
            gold.iter().map(|id| region_text(case, id, *iou_ok)).collect::<Vec<_>>().join(" ")
        }
        Answer::Number { gold, .. } => gold.to_string(),
    }
}

fn region_text(case: &Case, id: &str, iou_ok: f64) -> String {
    let (region, image) =
        case.region_on_image(id).expect("a checked case names only its own regions, which lie on its own images");
    written(image.box_grid.answer(region.shape.bounds(), [image.width, image.height], iou_ok))
}

/// Returns the parents of `item` with their right answers, in the order of the chain; empty without parents. Only
/// direct parents are included.
///
/// # Panics
/// As [`gold_text`], for the answers of the parents.
#[must_use]
pub fn gold_context(case: &Case, item: &Item) -> Vec<ContextAnswer> {
    let parents = case.chain.iter().filter(|other| item.parents.contains(&other.id));
    parents.map(|other| ContextAnswer { question: other.question.clone(), answer: gold_text(case, other) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::box_format::BoxFormat;

    fn case() -> Case {
        serde_json::from_str(
            r#"{"schema":"case/1","case_id":"c","group_id":"g","split":"train",
            "source":{"dataset":"d","licence":"cc0"},"modality":"ct",
            "images":[{"id":"i0","path":"a.png","sha256":"","width":200,"height":100}],
            "regions":[{"id":"r1","image":"i0","label":"nodule","kind":"box","box":[20,10,60.4,50],"role":"finding"}],
            "chain":[
             {"id":"q1","stage":1,"category":"01","question":"Which modality?",
              "answer":{"type":"choice","options":["CT","MRI","X-ray"],"gold":[1]}},
             {"id":"q2","stage":2,"category":"12","parents":["q1"],"question":"Where?",
              "answer":{"type":"box","gold":["r1"],"iou_ok":0.5}}]}"#,
        )
        .expect("valid")
    }

    #[test]
    fn gold_context_holds_the_answers_of_the_parents() {
        let case = case();
        let known = gold_context(&case, &case.chain[1]);
        assert_eq!(known, [ContextAnswer { question: "Which modality?".into(), answer: "MRI".into() }]);
        assert_eq!(gold_context(&case, &case.chain[0]), []);
    }

    fn text(prompt: &Prompt) -> String {
        match prompt.conversation.messages.last().and_then(|message| message.content.last()) {
            Some(Part::Text { text }) => text.clone(),
            other => panic!("no text at the end: {other:?}"),
        }
    }

    #[test]
    fn letters_follow_the_shown_order_and_the_answer_follows_the_letters() {
        let case = case();
        let frame =
            PromptOptions { answer_form: AnswerForm::Letter, order: Some(vec![2, 1, 0]), ..PromptOptions::default() };
        let shown = prompt(&case, &case.chain[0], &frame);
        assert_eq!(text(&shown), "Which modality?\nA. X-ray\nB. MRI\nC. CT\nAnswer with one letter.");
        assert_eq!(
            (shown.options, shown.stored, shown.answer.as_str()),
            (vec!["A".into(), "B".into(), "C".into()], vec![2, 1, 0], "B")
        );
    }

    #[test]
    fn inserted_text_and_context_stand_at_their_places() {
        let case = case();
        let insert = |place, text: &str| InsertedText { place, text: text.into() };
        let frame = PromptOptions {
            context: vec![ContextAnswer { question: "Which modality?".into(), answer: "MRI".into() }],
            inserts: vec![
                insert(Place::System, "S"),
                insert(Place::BeforeQuestion, "B"),
                insert(Place::AfterOptions, "A"),
            ],
            ..PromptOptions::default()
        };
        let shown = prompt(&case, &case.chain[1], &frame);
        assert_eq!(shown.conversation.messages[0].role, Role::System);
        assert_eq!(
            text(&shown),
            "Known so far:\n- Which modality? MRI\nB\nWhere?\nA\nAnswer with [left, top, right, bottom] in percent."
        );
        assert_eq!(shown.answer, "[10, 10, 30, 50]");
        let boxes_in = |format| {
            let mut case = case.clone();
            case.set_box_grid(|width, height| BoxGrid::new(format, [width / 2, height / 2]));
            let shown = prompt(&case, &case.chain[1], &PromptOptions::default());
            (text(&shown), shown.answer)
        };
        let asked = |unit: &str| format!("Where?\nAnswer with [left, top, right, bottom] {unit}.");
        assert_eq!(boxes_in(BoxFormat::PerMille), (asked("from 0 to 1000"), "[100, 100, 302, 500]".to_owned()));
        assert_eq!(boxes_in(BoxFormat::Pixels), (asked("in pixels"), "[10, 5, 30, 25]".to_owned()));
    }

    #[test]
    fn an_omitted_option_is_not_shown_and_the_others_keep_their_index() {
        let case = case();
        let frame =
            PromptOptions { answer_form: AnswerForm::Letter, order: Some(vec![2, 1]), ..PromptOptions::default() };
        let shown = prompt(&case, &case.chain[0], &frame);
        assert_eq!(text(&shown), "Which modality?\nA. X-ray\nB. MRI\nAnswer with one letter.");
        assert_eq!((shown.stored, shown.answer.as_str()), (vec![2, 1], "B"));
    }

    #[test]
    fn a_second_turn_repeats_the_answer_form() {
        let case = case();
        let first = prompt(&case, &case.chain[0], &PromptOptions::default());
        let second = first.clone().once_more(&case, &case.chain[0], AnswerForm::Text, "CT", "Are you sure?");
        assert_eq!(second.conversation.messages[0], first.conversation.messages[0]);
        let [_, reply, _] = &second.conversation.messages[..] else { panic!("three turns") };
        assert_eq!((reply.role, reply.supervised), (Role::Assistant, false));
        assert_eq!(text(&second), "Are you sure?\nAnswer with one option.");
        assert_eq!((second.options, second.answer), (first.options, first.answer));
    }

    #[test]
    fn letters_continue_after_z_with_two_letters() {
        assert_eq!(["A", "Z", "AA", "AZ", "BA"].map(str::to_owned), [0, 25, 26, 51, 52].map(letter));
    }
}
