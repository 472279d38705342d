//! Page about a table of models.

use stepwise_benchmark::mock::{HintFollower, Oracle, Planted, Policy};
use stepwise_benchmark::model_table::{Entry, ModelTable};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;
use stepwise_report::Report;
use stepwise_report::model_table::{ModelTableInput, render};
use stepwise_testing::benchmark::constructed::{BALANCED, Looker, cases, evaluate};
use stepwise_testing::benchmark::suite;

use crate::mock::Prior;
use crate::page::assert_sound;
use crate::read::{keep, rows, table, text};

fn outcomes(suite: &Suite, cases: &[Case], policy: impl Policy) -> Vec<Outcome> {
    evaluate(&Plan::new(suite, cases), &mut Planted::new(cases, policy)).outcomes
}

fn page(conditions: &[(&str, &str)]) -> Report {
    let (suite, cases) = (suite::suite("seed = 5", conditions), cases(2 * BALANCED));
    let all = [
        ("<b>right</b>", outcomes(&suite, &cases, Oracle)),
        ("=follower", outcomes(&suite, &cases, HintFollower(Looker))),
        ("blind", outcomes(&suite, &cases, Prior)),
    ];
    let entries: Vec<Entry<'_>> = all.iter().map(|(name, outcomes)| Entry { name, outcomes }).collect();
    let found = ModelTable::new(&suite, &entries).expect("comparable");
    let notes = ["group 2 (other): asked <otherwise>".to_owned()];
    render(&ModelTableInput { title: "four <models>", facts: &[], table: &found, notes: &notes })
}

const CONDITIONS: [(&str, &str); 7] = [
    ("clean", "kind = \"clean\""),
    ("hint_plus", "kind = \"hint_plus\"\ncontrol = \"hint_zero\""),
    ("hint_minus", "kind = \"hint_minus\"\ncontrol = \"hint_zero\""),
    ("hint_zero", "kind = \"hint_zero\"\ncontrol = \"clean\""),
    ("blank", "kind = \"blank\"\ncontrol = \"clean\""),
    ("swap_near", "kind = \"swap_near\"\ncontrol = \"swap_same\""),
    ("swap_same", "kind = \"swap_same\"\ncontrol = \"clean\""),
];

#[test]
fn the_page_is_complete_and_loads_nothing() {
    let Report { html, tables } = page(&CONDITIONS);
    keep("model_table.html", &html);
    assert_sound(&html, &tables);
    assert!(
        !html.contains("http:") && !html.contains("https:") && !html.contains("<script") && !html.contains("<link")
    );
    assert!(!html.contains("<b>right") && html.contains("asked &lt;otherwise&gt;"));
    let words = text(&html);
    for part in [
        "Accuracy by clinical stage",
        "Right and wrong hints",
        "Use of the image and wrong hints",
        "Accuracy by condition",
        "Sensitivity to wording",
        "Differences between models",
    ] {
        assert!(words.contains(part), "{part} is missing in {words}");
    }
    // One panel for each model, with the lines of both others.
    assert_eq!(html.matches("polyline class=\"line others\"").count(), 3 * 2);
}

#[test]
fn numbers_of_the_page_are_those_of_the_table() {
    let report = page(&CONDITIONS);
    let values = rows(table(&report, "values_accuracy.csv"));
    assert_eq!(values[0][..2], ["model", "accuracy_clean"]);
    assert_eq!(values.iter().map(|row| row[1].as_str()).collect::<Vec<_>>()[1..3], ["1", "1"]);
    let conditions = rows(table(&report, "conditions.csv"));
    assert_eq!(conditions.iter().skip(1).map(|row| row[0].as_str()).collect::<Vec<_>>(), CONDITIONS.map(|(id, _)| id));
    // The second model sees the image and follows every hint; the others answer without the image, the first one rightly.
    let sight = rows(table(&report, "sight_plane.csv"));
    assert_eq!(sight[0][..3], ["model", "number", "image_score"]);
    assert_eq!(sight[1..].iter().map(|row| row[2].as_str()).collect::<Vec<_>>(), ["0.5", "1", "0.5"]);
    // Three pairs in each column in which all models have a value.
    let pairs = rows(table(&report, "pairs.csv"));
    assert!(pairs.iter().filter(|row| row[0] == "clean").count() == 3, "{pairs:?}");
}

#[test]
fn charts_without_their_conditions_are_left_out() {
    let Report { html, tables } = page(&[CONDITIONS[0], CONDITIONS[4]]);
    assert_sound(&html, &tables);
    assert!(
        ["hints", "sight", "wording"].iter().all(|id| !html.contains(&format!("id=\"{id}\"")))
            && html.contains("id=\"stages\"")
    );
}
