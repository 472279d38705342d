#![doc = include_str!("../README.md")]

mod error;
mod generated;
mod picture;
mod workspace;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use error::Error;

const USAGE: &str = "usage: cargo xtask generate [--check]\n\n\
    generate           write the generated files\n\
    generate --check   write nothing, and fail when a committed file differs from the code\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["generate"] => generated::write(root()).map(|written| listed("written", &written)),
        ["generate", "--check"] => generated::check(root()).map(|()| "all generated files are current\n".to_owned()),
        _ => Err(Error::Usage(USAGE)),
    };
    let (text, code) = match done {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (format!("error: {error}\n"), ExitCode::from(2)),
    };
    // Nobody can be told when stderr itself is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
    code
}

/// Root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn listed(what: &str, files: &[&str]) -> String {
    match files {
        [] => "all generated files were current\n".to_owned(),
        files => files.iter().map(|file| format!("{what} {file}\n")).collect(),
    }
}
