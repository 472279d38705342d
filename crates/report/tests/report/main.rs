//! Reports of runs with mock models. Pages are written to `tmp/report*.html` and `tmp/plan.html` in the target folder
//! for inspection.

mod mock;
mod page;
mod plan;
mod read;
mod tables;
mod worst_case;
