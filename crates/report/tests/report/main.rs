//! Reports of runs with mock models. Pages are written to `tmp/report*.html`, `tmp/plan.html` and `tmp/cases*.html` in the target folder
//! for inspection.

mod cases;
mod mock;
mod model_table;
mod page;
mod plan;
mod read;
mod tables;
mod worst_case;
