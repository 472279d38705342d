use proptest::prelude::*;
use stepwise_data::prompt::letter;
use stepwise_testing::files::tiny;

use super::*;

fn processor() -> Processor {
    Processor::from_folder(&tiny()).expect("loads")
}

/// The tiny processor with another chat template.
fn with_template(template: &str) -> Processor {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["tokenizer.json", "preprocessor_config.json", "processor_config.json"] {
        std::fs::copy(tiny().join(file), folder.path().join(file)).expect(file);
    }
    std::fs::write(folder.path().join("chat_template.jinja"), template).expect("written");
    Processor::from_folder(folder.path()).expect("loads")
}

fn asked(texts: &[&str]) -> Conversation {
    let mut conversation = Conversation::default();
    conversation.push(Role::User, texts.iter().copied().map(Part::text).collect());
    conversation
}

fn refusal(processor: &Processor, conversation: &Conversation) -> String {
    processor.encode(conversation, &[], true).expect_err("refused").to_string()
}

#[test]
fn text_with_special_tokens_is_refused_by_name() {
    let processor = processor();
    let words =
        ["<image>", "<end_of_utterance>", "<row_1_col_1>", "<global-img>", "<|im_start|>", "<fake_token_around_image>"];
    for token in words {
        for texts in [&[token][..], &["a", &format!("see {token}.")]] {
            let error = refusal(&processor, &asked(texts));
            assert!(error.contains(&format!("contains {token:?}")), "{error}");
        }
        let answered = asked(&["a"]).answered(token);
        assert!(processor.encode(&answered, &[], false).is_err(), "{token}");
        assert!(processor.encode_options(&asked(&["a"]), &[], &[token.to_owned()]).is_err(), "{token}");
    }
    assert!(processor.encode(&asked(&["< image > <row_7_col_9> <|im_stop|>"]), &[], true).is_ok());
}

#[test]
fn parts_that_join_to_special_tokens_are_refused() {
    let processor = processor();
    for [left, right, token] in [["<ima", "ge>", "<image>"], ["<end_of_", "utterance>", "<end_of_utterance>"]] {
        assert!(refusal(&processor, &asked(&[left, right])).contains(&format!("contains {token:?}")));
        // A grid for the forged image does not help.
        assert!(processor.encode(&asked(&[left, right]), &[ImageGrid::whole(64, 64)], true).is_err());
    }
    let joining = with_template("{% for m in messages %}<{{ m.content[0].text }}>{% endfor %}<end_of_utterance>");
    assert!(refusal(&joining, &asked(&["image"])).contains("contains \"<image>\""));
    assert!(joining.encode(&asked(&["picture"]), &[], true).is_ok());
}

#[test]
fn images_and_grids_must_agree() {
    let processor = processor();
    let mut conversation = Conversation::default();
    conversation.push(Role::User, vec![Part::Image { index: 0 }, Part::text("x")]);
    assert!(processor.encode(&conversation, &[], true).is_err());
    assert!(processor.encode(&conversation, &[ImageGrid::whole(64, 64); 2], true).is_err());
    let encoded = processor
        .encode(&conversation, &[ImageGrid { rows: 2, columns: 1, ..ImageGrid::whole(64, 64) }], true)
        .expect("encodes");
    let spans: Vec<_> = encoded.images.iter().map(|span| (span.len, span.image, span.tile)).collect();
    assert_eq!(spans, [(4, 0, 0), (4, 0, 1), (4, 0, 2)]);
    let silent = with_template("{% for m in messages %}{{ m.role }}{% endfor %}");
    assert!(refusal(&silent, &conversation).contains("0 times for 1 images"));
}

#[test]
fn only_text_of_the_assistant_may_be_supervised() {
    let processor = processor();
    let message = |role, content| Message { role, content, supervised: true };
    let user = Conversation { messages: vec![message(Role::User, vec![Part::text("a")])] };
    assert!(refusal(&processor, &user).contains("turn 0 is supervised"));
    let mut picture = asked(&["a"]);
    picture.messages.push(message(Role::Assistant, vec![Part::Image { index: 0 }]));
    assert!(processor.encode(&picture, &[ImageGrid::whole(64, 64)], false).is_err());
}

#[test]
fn an_answer_that_shares_a_token_with_its_prompt_is_refused() {
    let template = "{% for m in messages %}{{ ' th' if m.role == 'assistant' else 'u: ' }}{{ m.content[0].text }}\
                    <end_of_utterance>{% endfor %}{% if add_generation_prompt %} th{% endif %}";
    let sharing = with_template(template);
    let encode = |answer: &str| sharing.encode(&asked(&["a"]).answered(answer), &[], false);
    let error = encode("e").expect_err("refused").to_string();
    assert!(error.contains("a token spans the boundary"), "{error}");
    assert!(encode("9").is_ok());
    assert!(sharing.encode_options(&asked(&["a"]), &[], &["e".to_owned()]).is_err());
}

#[test]
fn no_option_is_the_beginning_of_another() {
    let processor = processor();
    let options: Vec<String> = (0..60)
        .map(letter)
        .chain(["effusion", "effusion left", "effusion left and small"].map(str::to_owned))
        .collect();
    let (_, answers) = processor.encode_options(&asked(&["a"]), &[], &options).expect("encodes");
    for (place, answer) in answers.iter().enumerate() {
        let begins = |other: &usize| *other != place && answers[*other].starts_with(answer);
        assert_eq!((0..answers.len()).find(begins), None, "{}", options[place]);
    }
    let empty = processor.encode_options(&asked(&["a"]), &[], &[String::new()]).expect_err("refused").to_string();
    assert!(empty.contains("the option \"\" has no tokens -> write"), "{empty}");
}

#[test]
fn a_template_that_contradicts_its_generation_prompt_is_refused() {
    let template = "{% for m in messages %}{{ m.role }}{{ m.content[0].text }}\n{% endfor %}\
                    {% if add_generation_prompt %}Reply: {% endif %}";
    let error = with_template(template).encode(&asked(&["a"]).answered("b"), &[], false).expect_err("refused");
    assert!(error.to_string().contains("differently from its generation prompt"), "{error}");
}

#[test]
fn a_supervised_turn_without_text_is_refused() {
    // The blank before the answer belongs to the prompt, and trailing blanks are not supervised, so an empty answer
    // leaves no supervised text.
    let template = "{% for m in messages %}{{ ' ' if m.role == 'assistant' }}{{ m.content[0].text }}{% endfor %}\
                    {% if add_generation_prompt %}{{ ' ' }}{% endif %}";
    let processor = with_template(template);
    assert!(processor.encode(&asked(&["a"]).answered("9"), &[], false).is_ok());
    assert!(processor.encode(&asked(&["a"]).answered(""), &[], false).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For all texts, the supervised tokens are the answer and its end token, and so are the tokens of an option.
    #[test]
    fn the_supervised_tokens_are_the_answer(question in ".{0,40}", answer in "\\PC{1,30}", rows in 0_usize..3) {
        thread_local!(static PROCESSOR: Processor = processor());
        PROCESSOR.with(|processor| {
            let mut conversation = Conversation::default();
            let parts = vec![Part::text(question.clone()), Part::Image { index: 0 }, Part::text(question.clone())];
            conversation.push(Role::User, parts);
            let grids = [ImageGrid { rows, columns: rows, ..ImageGrid::whole(64, 64) }];
            let options = [answer.clone()];
            let (prompt, answers) = processor.encode_options(&conversation, &grids, &options).expect("encodes");
            let encoded = processor.encode(&conversation.answered(&answer), &grids, false).expect("encodes");
            let targets: Vec<u32> =
                encoded.ids.iter().zip(&encoded.supervised).filter(|(_, on)| **on).map(|(id, _)| *id).collect();
            prop_assert_eq!(&targets, &answers[0]);
            prop_assert_eq!(targets.last().copied(), processor.token_id("<end_of_utterance>"));
            prop_assert_eq!(processor.decode(&answers[0]), answer.trim());
            prop_assert!(encoded.ids.starts_with(&prompt.ids));
            prop_assert!(prompt.supervised.iter().all(|on| !on));
            let spans: usize = encoded.images.iter().map(|span| span.len).sum();
            prop_assert_eq!(spans, processor.image_tokens(grids[0]));
            Ok(())
        })?;
    }
}
