//! `stepwise report STUDY`.

use std::path::PathBuf;

use stepwise_benchmark::report::study::{StudyInput, render};
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::study::{ArmEndpoint, EFFECTIVE, Endpoint, StudySummary};
use stepwise_trainer::study::Study;
use stepwise_trainer::study::collect::collect;
use stepwise_trainer::study::manifest::Manifest;

use crate::exit::{Failure, Outcome};
use crate::folder;
use crate::markup;
use crate::table::{Table, number, p_value, with_interval};

/// Arguments of `report`.
#[derive(clap::Args)]
pub struct Args {
    /// The study, the TOML file that was run.
    study: PathBuf,
    /// Where the report goes; `report` below the study's folder when left out.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let study = Study::load(&args.study).map_err(Failure::input)?;
    let manifest = Manifest::plan(&study).map_err(Failure::input)?;
    let runs = collect(&study, &manifest).map_err(Failure::input)?;
    let summary = StudySummary::new(&study.suite, &runs, Bootstrap::default());
    let report = render(&StudyInput { summary: &summary, runs: &runs });
    let tables = tables(&summary);
    let joined = |of: fn(&Table) -> String| tables.iter().map(of).collect::<Vec<_>>().join("\n");

    let out = args.out.clone().unwrap_or_else(|| study.file.output_dir.join("report"));
    folder::make(&out.join("tables"))?;
    let json = serde_json::to_string_pretty(&summary).map_err(Failure::run)?;
    folder::write(&out.join("report.html"), &report.html)?;
    folder::write(&out.join("report.md"), &joined(markup::markdown))?;
    folder::write(&out.join("report.tex"), &joined(markup::latex))?;
    folder::write(&out.join("summary.json"), &json)?;
    for table in &report.tables {
        folder::write(&out.join("tables").join(&table.name), &table.text)?;
    }
    if args.json {
        say!("{json}");
        return Ok(());
    }
    say!("{}", tables.iter().map(Table::text).collect::<Vec<_>>().join("\n\n"));
    say!("\nreport  {}", out.join("report.html").display());
    say!(
        "tables  {} and {}, CSV in {}",
        out.join("report.md").display(),
        out.join("report.tex").display(),
        out.join("tables").display()
    );
    Ok(())
}

/// What a paper shows: arms by primary endpoints, their differences with tests, and effective robustness.
fn tables(summary: &StudySummary) -> Vec<Table> {
    let primary: Vec<(&String, &Endpoint)> =
        summary.endpoints.iter().filter(|(_, endpoint)| endpoint.primary).collect();
    let effective: Vec<(&String, &Endpoint)> =
        summary.endpoints.iter().filter(|(id, _)| id.starts_with(EFFECTIVE)).collect();
    let mut tables = vec![values(summary, &primary), differences(summary, &primary)];
    if !effective.is_empty() {
        let mut table = differences(summary, &effective);
        table.title = format!("effective robustness less {}, log-odds", summary.reference);
        table.notes.clear();
        tables.push(table);
    }
    tables
}

fn values(summary: &StudySummary, endpoints: &[(&String, &Endpoint)]) -> Table {
    let mut table =
        Table::new(format!("study {}: arms by primary endpoints, mean over seeds", summary.name), ["arm", "seeds"]);
    table.head.extend(endpoints.iter().map(|(id, _)| (*id).clone()));
    let cell = |estimate: &stepwise_benchmark::summary::Estimate| match (estimate.value, estimate.ci) {
        (Some(value), Some([low, high])) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        (value, _) => number(value),
    };
    let base = endpoints.iter().map(|(_, endpoint)| cell(&endpoint.base));
    table.rows.push(["base".to_owned(), String::new()].into_iter().chain(base).collect());
    for (place, (name, seeds)) in summary.arms.iter().enumerate() {
        let found = endpoints.iter().map(|(_, endpoint)| cell(&endpoint.arms[place].estimate));
        table
            .rows
            .push([name.clone(), format!("{} of {}", seeds.len(), summary.seeds)].into_iter().chain(found).collect());
    }
    table.notes.push(format!(
        "95 % intervals over seeds and then {} groups; {} draws; suite {}",
        summary.groups, summary.resamples, summary.suite.name
    ));
    table
}

fn differences(summary: &StudySummary, endpoints: &[(&String, &Endpoint)]) -> Table {
    let title = format!("less {}, paired by seed and item", summary.reference);
    let mut table =
        Table::new(title, ["arm", "endpoint", "difference [95 % interval]", "seeds that agree", "p", "p adjusted"]);
    for (place, (name, _)) in summary.arms.iter().enumerate() {
        let of_arm = endpoints.iter().filter_map(|(id, endpoint)| row(name, id, &endpoint.arms[place]));
        table.rows.extend(of_arm);
    }
    table.notes.push(
        "p: swap test over groups, two-sided; adjusted by Holm over all arms and primary endpoints. * adjusted p below 0.05 and an \
         interval without zero"
            .to_owned(),
    );
    table
}

fn row(arm: &str, id: &str, found: &ArmEndpoint) -> Option<Vec<String>> {
    let difference = found.difference.as_ref()?;
    let p = |p: Option<f64>| p.map_or_else(|| "-".to_owned(), p_value);
    let mark = if difference.is_sure() { " *" } else { "" };
    Some(vec![
        arm.to_owned(),
        id.strip_prefix(EFFECTIVE).unwrap_or(id).to_owned(),
        with_interval(&difference.estimate),
        format!("{} of {}", difference.agreeing, difference.by_seed.len()),
        p(difference.p),
        p(difference.p_adjusted) + mark,
    ])
}
