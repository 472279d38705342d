//! Pages: complete, self-contained, with hostile text escaped.

use stepwise_benchmark::mock::Planted;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::Case;
use stepwise_report::{CsvFile, Report, ReportInput, render};
use stepwise_testing::benchmark::constructed::{self, cases};
use stepwise_testing::benchmark::suite::{suite_of, uncapped};

use crate::mock::{Learner, hostile_cases, learned, plain, results};
use crate::read::{keep, rows, text};

/// Asserts that a page is well-formed, that its links have targets and its drawings a text, that no number is infinite,
/// and that every table can be saved and opened without harm.
pub fn assert_sound(page: &str, tables: &[CsvFile]) {
    // Embedded images and files are removed first, because base64 can contain any letters.
    let words: String =
        page.split("base64,").map(|part| part.split_once('"').map_or(part, |(_, after)| after)).collect();
    assert!(!words.contains("NaN") && !words.contains("inf%") && !words.contains(">inf"));
    // Opened tags are closed, and every link inside the page has exactly one target.
    for tag in ["section", "div", "table", "figure", "svg", "span", "details", "dl", "tr", "p", "nav", "ul", "g"] {
        let opened = page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for link in page.split("href=\"#").skip(1).filter_map(|part| part.split('"').next()) {
        assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "#{link}");
    }
    // Every drawing has a text alternative or is marked as decorative.
    for drawing in page.split("<svg").skip(1).filter_map(|part| part.split('>').next()) {
        assert!(drawing.contains("aria-label=\"") || drawing.contains("aria-hidden=\"true\""), "{drawing}");
    }
    // Every table is a file with a unique name and rows of equal length, and no cell is a spreadsheet formula.
    for table in tables {
        assert_eq!(tables.iter().filter(|other| other.name == table.name).count(), 1, "{}", table.name);
        assert!(page.contains(&format!("download=\"{}\"", table.name)), "{}", table.name);
        let rows = rows(table);
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{}: {}", table.name, table.text);
        assert!(rows.iter().flatten().all(|field| !field.starts_with(['=', '+', '@'])), "{}", table.name);
    }
}

#[test]
fn the_page_is_complete_and_self_contained_and_hostile_text_is_escaped() {
    let (Report { html: page, tables }, _) = learned(&uncapped(), &hostile_cases(), 3);
    keep("report.html", &page);
    // The page fetches nothing and runs no script; addresses occur only in escaped text.
    assert!(!page.contains("<script") && !page.contains("onerror=alert(1)>") && !page.contains("<link"));
    assert!(!page.contains("\"https://") && page.contains("&quot;https://example.org/x.png&quot;"));
    assert!(!page.contains("<b>&amp;</b>") && page.contains("=1+case-") && page.contains("&quot;&gt;&lt;b&gt;&amp;"));
    assert!(page.contains("default-src 'none'"));
    for part in [
        "Robust accuracy: gain over the untouched base",
        "Gain over the base, condition by condition",
        "Accuracy by clinical stage",
        "First error in each chain",
        "Right and wrong hints",
        "Use of the image and wrong hints",
        "Accuracy by epoch",
        "Forgetting by stage",
        "Effective robustness",
        "Pixel attacks and checks of their strength",
        "Main metrics",
        "Worst cases",
        "Denominators",
        "Largest log-likelihood of the option and the end of its turn",
        "data:image/png;base64,",
        "data:text/csv;charset=utf-8;base64,",
        "only a choice has options to reorder",
    ] {
        assert!(page.to_lowercase().contains(&part.to_lowercase()), "{part} is missing");
    }
    assert_sound(&page, &tables);
}

#[test]
fn the_visible_text_equals_the_snapshot() {
    let (report, _) = learned(&uncapped(), &cases(60), 3);
    insta::assert_snapshot!(text(&report.html));
}

/// Epoch 3 is better but rejected by the guard; the page is about epoch 1, which is delivered.
#[test]
fn the_delivered_epoch_comes_first_and_the_others_stand_beside_it() {
    let (_, summaries) = learned(&uncapped(), &cases(60), 3);
    let labels = ["1", "2", "3"];
    let mut epochs = results(&labels, &summaries[1..]);
    (epochs[0].remark, epochs[2].remark) = ("delivered", "outside the guard");
    let warning = "the delivered checkpoint is not better than the untouched base in robust_accuracy";
    let input = ReportInput { delivered: Some(0), warning: Some(warning), ..plain(&summaries[0], &epochs) };
    let report = render(&input);
    keep("report-delivered.html", &report.html);
    assert_sound(&report.html, &report.tables);
    let (page, last) = (text(&report.html), summaries[3].gain("robust_accuracy").and_then(|gain| gain.value));
    let (head, rest) = page.split_once("Gain over the base, condition by condition\nAccuracy of").expect("sections");
    assert!(rest.starts_with(" epoch 1 minus"), "{rest}");
    assert!(head.contains("(epoch 1), on 240 items") && !head.contains("(epoch 3), on"), "{head}");
    let last = format!("+{:.1}", last.expect("a gain") * 100.0);
    assert!(head.contains(&format!("epoch 3 {last} (outside the guard)")), "{head}");
    assert!(head.contains("The delivered checkpoint is not better than the untouched base"), "{head}");
    let table = report.tables.iter().find(|table| table.name == "epochs.csv").expect("epochs");
    let remarks: Vec<String> = rows(table).into_iter().map(|row| row[row.len() - 1].clone()).collect();
    assert_eq!(remarks, ["remark", "", "delivered", "", "outside the guard"]);
    // Marks of all scatter plots have names.
    for chart in ["hints", "sight", "effective"] {
        let section = report.html.split(&format!("<section id=\"{chart}\"")).nth(1).expect("a section");
        let section = section.split("</section>").next().expect("it ends");
        for name in ["base", "1", "2", "3"] {
            assert!(section.contains(&format!(">{name}</text>")), "{chart}: {name}");
        }
    }
}

#[test]
fn a_chart_without_its_conditions_is_left_out() {
    let suite = suite_of("seed = 1", &["clean"]);
    let sections = |cases: &[Case], epochs: usize| {
        let (report, _) = learned(&suite, cases, epochs);
        let ids = report.html.split("<section id=\"").skip(1).filter_map(|part| part.split('"').next());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let cases = cases(8);
    let always = ["metrics", "denominators", "method"];
    assert_eq!(sections(&cases, 0), [&["conditions", "stages", "chains", "subgroups"][..], &always].concat());
    let trained = ["conditions", "stages", "chains", "subgroups", "epochs", "retention", "forgetting", "training"];
    assert_eq!(sections(&cases, 1), [&trained[..], &always].concat());
    let mut unchained = cases;
    unchained.iter_mut().for_each(|case| case.chain.truncate(1));
    assert_eq!(sections(&unchained, 0), [&["conditions", "stages"][..], &always].concat());
}

#[test]
fn a_page_of_the_base_alone_or_of_no_outcomes_is_sound() {
    let suite = uncapped();
    let cases = cases(4);
    let plan = Plan::new(&suite, &cases);
    let run = constructed::evaluate(&plan, &mut Planted::new(&cases, Learner { epoch: 0 }));
    for outcomes in [run.outcomes.as_slice(), &[]] {
        let base = Summary::new(&suite, &run.skips(&plan), outcomes, None);
        let same = [Summary::new(&suite, &[], outcomes, Some(outcomes))];
        for epochs in [vec![], results(&["1"], &same)] {
            let report = render(&plain(&base, &epochs));
            assert_sound(&report.html, &report.tables);
            assert!(report.html.ends_with("</html>\n"));
        }
    }
}

/// Also writes the page for inspection.
#[test]
#[ignore = "takes minutes"]
fn a_page_of_the_whole_suite_is_sound() {
    let mut suite = Suite::full();
    for condition in &mut suite.conditions {
        condition.max_items = condition.max_items.map(|most| most.min(60));
    }
    let (report, _) = learned(&suite, &cases(60), 4);
    keep("report-full.html", &report.html);
    assert_sound(&report.html, &report.tables);
}
