//! Fuzz target for case files.

use stepwise_data::check::{CheckOptions, Files, Findings, check_file, load, summary};
use stepwise_data::dataset::CASE_FILE;
use stepwise_data::prompt::gold_context;
use stepwise_data::prompt::{AnswerForm, PromptOptions, prompt};

use crate::support::{folder, refused, write};

/// Image and mask files that the cases can refer to.
const FILES: [(&str, &[u8]); 3] = [
    ("images/image.png", include_bytes!("../pictures/image.png")),
    ("masks/body.png", include_bytes!("../pictures/body.png")),
    ("masks/finding.png", include_bytes!("../pictures/finding.png")),
];

/// Checks `cases.jsonl` in a folder with one image and two masks. Accepted cases are made into prompts, written, and
/// read again.
///
/// # Errors
/// When a line is not a case, or breaks a rule.
///
/// # Panics
/// When accepted cases differ after writing and reading, or an error gives no advice.
pub fn cases(data: &[u8]) -> Result<(), String> {
    let place = folder();
    for folder in ["images", "masks"] {
        std::fs::create_dir(place.path().join(folder)).expect("the folder for temporary files can be written to");
    }
    FILES.iter().for_each(|(name, bytes)| write(place.path(), name, bytes));
    write(place.path(), CASE_FILE, data);
    let options = CheckOptions { files: Files::Contents, ..CheckOptions::default() };
    let (dataset, Findings { problems, .. }) = check_file(place.path(), &options);
    let refusals: Vec<String> = problems.iter().map(refused).collect();
    if !refusals.is_empty() {
        return Err(refusals.join("\n"));
    }
    let mut dataset = dataset.expect("without a problem there are cases");
    let _ = summary(&dataset);
    for case in &dataset.cases {
        for item in &case.chain {
            for answer_form in [AnswerForm::Text, AnswerForm::Letter] {
                let _ = prompt(
                    case,
                    item,
                    &PromptOptions { answer_form, context: gold_context(case, item), ..PromptOptions::default() },
                );
            }
        }
        for image in &case.images {
            dataset.picture(image).expect("a checked image");
        }
    }
    dataset.file = place.path().join("again.jsonl");
    dataset.save().expect("what was read can be written");
    let again = load(&dataset.file).expect("what was written can be read");
    assert_eq!(again, dataset);
    Ok(())
}
