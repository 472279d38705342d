use stepwise_data::conversation::Conversation;

use super::*;

fn prompt(options: &[&str]) -> (Prompt, Answer) {
    let texts: Vec<String> = options.iter().map(|text| (*text).to_owned()).collect();
    let prompt = Prompt {
        conversation: Conversation::default(),
        images: Vec::new(),
        options: texts.clone(),
        stored: (0..texts.len()).collect(),
        answer: String::new(),
    };
    (prompt, Answer::Choice { options: texts, gold: vec![0], refusal: None })
}

fn chosen(reply: &str, options: &[&str]) -> Option<usize> {
    let (prompt, answer) = prompt(options);
    match read(reply, &prompt, &answer, AnswerForm::Text, LIMITS)? {
        FlexibleAnswer::Option(place) => Some(place),
        FlexibleAnswer::Text(text) => panic!("{text}"),
    }
}

/// Largest coordinates of boxes in percent.
const LIMITS: [u32; 2] = [100, 100];

const SCANS: [&str; 3] = ["CT", "MRI", "X-ray"];

#[test]
fn chatty_replies_name_their_option() {
    for reply in [
        "MRI",
        "B",
        "The answer is B.",
        "The answer is B. MRI.",
        "The correct answer is: **B**",
        "**Answer:** B",
        "It is **MRI**.",
        "**B.** MRI",
        "Option B",
        "Option B.",
        "option (B)",
        "Answer: MRI",
        "answer - b",
        "<answer>MRI</answer>",
        "Some words first. <answer> B. MRI </answer>",
        "The result is \\boxed{B}",
        "B. MRI",
        "B. MRI\nThe bright fluid is typical of T2 weighting.",
        "B. MRI. The bright fluid may be typical of T2.",
        "B. MRI because a CT shows bone.",
        "MRI, since the fluid is bright",
        "It is an MRI.",
        "The fluid is bright. Bone is dark. A CT would differ.\nAnswer: B",
        "Let me look at the image.\nB. MRI",
        "<think>It could be CT or MRI.</think>The answer is MRI.",
        "Final answer: B",
        "I choose B.",
    ] {
        assert_eq!(chosen(reply, &SCANS), Some(1), "{reply}");
    }
    assert_eq!(chosen("The answer is no finding.", &["a mass", "no finding"]), Some(1));
    assert_eq!(chosen("The answer is T2*.", &["T2", "T2*"]), Some(1));
    assert_eq!(chosen("The answer is left lung.", &["lung", "left lung"]), Some(1));
}

#[test]
fn negations_hedges_and_two_options_are_no_answer() {
    for reply in [
        "",
        "No, not MRI",
        "No, not MRI.",
        "It is not MRI.",
        "It isn't an MRI.",
        "The answer is not B.",
        "CT or MRI",
        "The answer is A or B.",
        "The answer is A. No, the answer is B.",
        "A. CT. The answer is B.",
        "Both A and B",
        "It might be MRI.",
        "MRI, possibly",
        "I think it is MRI",
        "The answer is probably B.",
        "B. MRI. But I am not sure.",
        "I cannot determine the modality.",
        "An image of a brain.",
        "A brain is shown.",
        "D",
        "The answer is D.",
        "A. MRI",
        "Neither CT nor MRI",
    ] {
        assert_eq!(chosen(reply, &SCANS), None, "{reply}");
    }
}

#[test]
fn yes_and_no_begin_a_reply() {
    let (mut prompt, _) = prompt(&["yes", "no"]);
    prompt.options = vec!["yes".into(), "no".into()];
    let said =
        |reply: &str| read(reply, &prompt, &Answer::Yesno { gold: true, pair_of: None }, AnswerForm::Text, LIMITS);
    for (reply, place) in [
        ("Yes", 0),
        ("Yes, there is an effusion.", 0),
        ("**Yes**, there is.", 0),
        ("No, there is no effusion.", 1),
        ("No. The lung is clear.", 1),
        ("The answer is no.", 1),
        ("Answer: Yes", 0),
        ("The lung is white on the left.\nYes.", 0),
    ] {
        assert_eq!(said(reply), Some(FlexibleAnswer::Option(place)), "{reply}");
    }
    for reply in [
        "Yes, there is no effusion.",
        "Yes and no",
        "Yes, maybe.",
        "Yes, there may be an effusion.",
        "No effusion is seen",
        "There is an effusion.",
        "Yes. The answer is no.",
        "No. Yes.",
        "Not really",
        "I am not sure, yes?",
    ] {
        assert_eq!(said(reply), None, "{reply}");
    }
}

#[test]
fn numbers_and_boxes_are_found_in_words() {
    let (prompt, _) = prompt(&[]);
    let number = Answer::Number { gold: 3.0, unit: Some("mm".into()), abs_tol: None, rel_tol: None };
    let value = |reply: &str| read(reply, &prompt, &number, AnswerForm::Text, LIMITS);
    let text = |text: &str| Some(FlexibleAnswer::Text(text.to_owned()));
    assert_eq!(value("3.5 mm"), text("3.5 mm"));
    assert_eq!(value("The width is about 3.5 mm."), text("3.5"));
    assert_eq!(value("Between two walls. The answer is 3.5 mm."), text("3.5"));
    for reply in
        ["3 to 4 mm", "The width is 3.5 cm.", "It is 3 by 4 mm.", "I am not sure, 3 mm.", "It is not 3 mm.", ""]
    {
        assert_eq!(value(reply), None, "{reply}");
    }
    let boxed = Answer::Box { gold: Vec::new(), iou_ok: 0.5 };
    let found = |reply: &str| read(reply, &prompt, &boxed, AnswerForm::Text, LIMITS);
    assert_eq!(found("The mass is at [10, 20, 30, 40]."), text("[10, 20, 30, 40]"));
    assert_eq!(found("[10, 20, 30, 40] and [1,2,3,4]"), text("[10, 20, 30, 40], [1,2,3,4]"));
    for reply in ["no box", "[1, 2, 3]", "It is not at [10, 20, 30, 40].", "[3, 2"] {
        assert_eq!(found(reply), None, "{reply}");
    }
    let words = Answer::Text { gold: vec!["left lung".into()], aliases: Vec::new() };
    assert_eq!(read("The answer is left lung.", &prompt, &words, AnswerForm::Text, LIMITS), text("left lung"));
    assert_eq!(read("left lung", &prompt, &words, AnswerForm::Text, LIMITS), text("left lung"));
}

proptest::proptest! {
    #[test]
    fn no_reply_crashes_the_reading_and_strict_answers_stay(reply in "\\PC{0,60}", place in 0usize..3) {
        let _ = chosen(&reply, &SCANS);
        proptest::prop_assert_eq!(chosen(SCANS[place], &SCANS), Some(place));
    }
}
