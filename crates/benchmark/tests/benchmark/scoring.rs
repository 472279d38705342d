//! Letter scoring, averaged over orders of the options, on a mock model with a known preference for a letter.

use stepwise_benchmark::mock::grid;
use stepwise_benchmark::model::{
    Model, ModelError, Objective, OptionLikelihood, PixelGradient, PixelGrid, Query, QueryImage, Request, Response,
};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;
use stepwise_data::conversation::Part;
use stepwise_data::prompt::{AnswerForm, gold_text};
use stepwise_testing::benchmark::constructed::{BALANCED, cases, evaluate};
use stepwise_testing::benchmark::evaluate::summary;
use stepwise_testing::benchmark::suite::{parse_suite, suite};
use stepwise_testing::benchmark::values::expect;

/// Mock model whose preference for the letter A outweighs the right answer: a right option under another letter loses
/// against A.
struct LetterLover<'a> {
    cases: &'a [Case],
    queries: Vec<Query>,
}

impl Model for LetterLover<'_> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.queries.extend_from_slice(queries);
        Ok(queries.iter().map(|query| self.scores(query)).collect())
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(query.images.first().map(|shown| match shown {
            QueryImage::Image(picture) => grid(picture),
            QueryImage::Pixels(pixels) => PixelGrid::clone(pixels),
        }))
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        let gradient = |(query, _): &(Query, Objective)| {
            let grid = self.pixels(query)?.expect("a picture");
            Ok(PixelGradient { loss: 0.0, gradient: PixelGrid { values: vec![1.0; grid.values.len()], ..grid } })
        };
        attacked.to_vec().iter().map(gradient).collect()
    }
}

impl LetterLover<'_> {
    fn scores(&self, query: &Query) -> Response {
        let Request::Options(options) = &query.ask else { panic!("only options are asked for") };
        let case = self.cases.iter().find(|case| case.case_id == query.case_id).expect("a case");
        let gold = gold_text(case, case.chain.iter().find(|item| item.id == query.item_id).expect("an item"));
        let message = query.conversation.messages.last().expect("a turn");
        let lines: Vec<&str> = message
            .content
            .iter()
            .filter_map(|part| match part {
                Part::Text { text } => Some(text.lines()),
                Part::Image { .. } => None,
            })
            .flatten()
            .collect();
        let knows = |option: &String| lines.contains(&format!("{option}. {gold}").as_str()) || *option == gold;
        let loves = |option: &String| option == "A";
        let score = |option: &String| OptionLikelihood {
            loglikelihood: f64::from(u8::from(knows(option))) + 3.0 * f64::from(u8::from(loves(option))),
            tokens: 1,
        };
        Response::Options(options.iter().map(score).collect())
    }
}

fn letter_suite(scoring: Scoring, letter_permutations: Option<usize>) -> Suite {
    let suite = suite(
        "seed = 3",
        &[
            ("clean", "kind = \"clean\""),
            ("rebuttal", "kind = \"rebuttal_doubt\""),
            ("fgsm", "kind = \"fgsm\"\neps = 4"),
        ],
    );
    Suite { scoring, letter_permutations, answer_form: AnswerForm::Letter, ..suite }
}

#[test]
fn a_preference_for_a_letter_decides_one_order_and_not_the_average() {
    let cases = cases(BALANCED);
    // With one order, the yes/no question is right, and choices whose right option is first: 3, 4 and 6 of 12.
    let one_order = (12.0 + 3.0 + 4.0 + 6.0) / 48.0;
    for (scoring, permutations, expected) in [
        (Scoring::Loglikelihood, None, one_order),
        (Scoring::Letter, Some(1), one_order),
        (Scoring::Letter, None, 1.0),
        // All 24, 6 and 2 orders, because no choice has more than four options.
        (Scoring::Letter, Some(100), 1.0),
    ] {
        let suite = letter_suite(scoring, permutations);
        let plan = Plan::new(&suite, &cases);
        let run = evaluate(&plan, &mut LetterLover { cases: &cases, queries: Vec::new() });
        let summary = summary(&plan, &run, None);
        expect(&summary, "accuracy:clean", expected);
        expect(&summary, "accuracy:fgsm", expected);
        assert_eq!((summary.scoring, summary.parser.as_str()), (scoring, "parse/4"));
        assert_eq!(summary.scoring_version, "options/2");
    }
}

#[test]
fn every_rotation_is_asked_once_under_one_attack_and_repeats_its_own_letter() {
    let (suite, cases) = (letter_suite(Scoring::Letter, None), cases(2));
    let plan = Plan::new(&suite, &cases);
    let mut lover = LetterLover { cases: &cases, queries: Vec::new() };
    let run = evaluate(&plan, &mut lover);
    // The four questions have four, one, three and two orders, under three conditions.
    assert_eq!((lover.queries.len(), run.outcomes.len()), (2 * 3 * 10, 2 * 3 * 4));
    let of = |condition: &str| -> Vec<&Query> {
        let is = |query: &&Query| {
            (query.case_id.as_str(), query.item_id.as_str(), query.condition.as_str()) == ("case-000", "q1", condition)
        };
        lover.queries.iter().filter(is).collect()
    };
    let attacked: Vec<_> = of("fgsm")
        .into_iter()
        .map(|query| match &query.images[0] {
            QueryImage::Pixels(pixels) => pixels,
            QueryImage::Image(_) => panic!("not attacked"),
        })
        .collect();
    assert!(attacked.len() == 4 && attacked.iter().all(|pixels| std::sync::Arc::ptr_eq(pixels, attacked[0])));
    // Each second turn shows the letter of the chosen option in that order.
    let said: Vec<String> = of("rebuttal")
        .iter()
        .map(|query| match &query.conversation.messages[1].content[0] {
            Part::Text { text } => text.clone(),
            Part::Image { .. } => panic!("words"),
        })
        .collect();
    assert_eq!(said, ["A", "D", "C", "B"]);
    let outcome = run.outcomes.iter().find(|outcome| outcome.item_id == "q1").expect("asked");
    assert_eq!((outcome.scores.len(), outcome.position, outcome.answer.as_deref()), (4, Some(0), Some("CT")));
    let total: f64 = outcome.scores.iter().map(|score| score.loglikelihood.expect("finite").exp()).sum();
    assert!((total - 1.0).abs() < 1e-12, "probabilities of the options sum to one: {total}");
}

#[test]
fn a_suite_sets_how_letters_are_averaged() {
    let parse = |keys: &str| parse_suite(&format!("seed = 3\n{keys}"), &[("clean", "kind = \"clean\"")]);
    let letter = parse("scoring = \"letter\"\nletter_permutations = 4\n").expect("valid");
    assert_eq!(
        (letter.scoring, letter.letter_permutations, letter.form()),
        (Scoring::Letter, Some(4), AnswerForm::Letter)
    );
    let digests =
        ["", "scoring = \"letter\"\n", "scoring = \"letter\"\nletter_permutations = 4\n", "scoring = \"generate\"\n"]
            .map(|keys| parse(keys).expect("valid").digest());
    assert!((1..4).all(|place| !digests[..place].contains(&digests[place])), "{digests:?}");
    let said = parse("letter_permutations = 0\n").expect_err("neither letters nor a count").to_string();
    assert!(said.contains("letter_permutations: is 0") && said.contains("write `scoring = \"letter\"`"), "{said}");
}
