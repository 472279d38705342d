//! Questions on flat images. Attacks on a linear model have a closed form here.

use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::Linear;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;

const SIDE: u32 = 32;

/// Returns a case with a flat image 1 to 12 grey levels above or below the decision threshold. Images an odd number of
/// levels away have the right label. The others have the opposite label, so that they are answered wrongly.
pub fn case(number: usize) -> Case {
    let gold = number.is_multiple_of(2) != (number % 4 >= 2);
    serde_json::from_value(json!({
        "schema": "case/1", "case_id": format!("{number:02}"), "group_id": format!("{number:02}"), "split": "test",
        "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "ct",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": SIDE, "height": SIDE}],
        "chain": [{"id": "q", "stage": 2, "category": "09", "question": "Is it bright?",
                   "answer": {"type": "yesno", "gold": gold}}]
    }))
    .expect("a valid case")
}

/// Returns the image of a case.
pub fn load(case: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    let number: usize = case.case_id.parse()?;
    let distance = number as u8 / 2 + 1;
    let level = if number.is_multiple_of(2) { 128 + distance } else { 128 - distance };
    Ok(Arc::new(RgbImage::from_pixel(SIDE, SIDE, Rgb([level; 3]))))
}

/// Returns a suite with both white-box attacks, transfer and noise at two sizes.
pub fn suite() -> Suite {
    let mut text = "name = \"c\"\nversion = 1\nseed = 1\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n".to_owned();
    for eps in [8, 4] {
        for kind in ["fgsm", "pgd", "transfer", "random_sign"] {
            text.push_str(&format!("[[condition]]\nid = \"{kind}_{eps}\"\nkind = \"{kind}\"\neps = {eps}\n"));
        }
    }
    Suite::parse(&text, "c.toml".as_ref()).expect("valid")
}

/// Linear model whose decision threshold is grey level 128.
pub const LINEAR: Linear = Linear { weight: 1000.0, threshold: 128.0 / 255.0 };
