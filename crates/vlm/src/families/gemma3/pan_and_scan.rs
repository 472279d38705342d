//! Pan and scan of Gemma 3: equal crops along the longer side of a long image (`Gemma3ImageProcessor` of transformers).

use serde::Serialize;
use serde_json::Value;

use crate::images::settings::{SettingError, stated, whole, wrong};

/// Largest accepted crop size in pixels.
const LARGEST_CROP: u64 = 65_536;
/// Largest accepted number of crops of an image.
const MOST_CROPS: u64 = 256;

/// Settings of pan and scan. Field names are the names of `preprocessor_config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct PanAndScan {
    /// Smallest side of a crop in pixels. Images whose crops would be smaller have none.
    pan_and_scan_min_crop_size: u32,
    /// Largest number of crops.
    pan_and_scan_max_num_crops: u32,
    /// Smallest ratio of the longer side to the shorter one at which an image has crops.
    pan_and_scan_min_ratio_to_activate: f64,
}

impl PanAndScan {
    /// Returns whether the settings of a folder switch pan and scan on; false if they do not say.
    ///
    /// # Errors
    /// When the switch is neither true nor false.
    pub fn is_on(value: &Value) -> Result<bool, SettingError> {
        let field = "do_pan_and_scan";
        let Some(stated) = stated(value, field) else { return Ok(false) };
        stated.as_bool().ok_or_else(|| wrong(field, format!("is {stated}: true or false is expected")))
    }

    /// Reads the settings; absent ones are the defaults of `Gemma3Processor`: crops of at least 256 pixels, at most 4, from
    /// a ratio of 1.2.
    ///
    /// # Errors
    /// When a setting is malformed, or crops without pixels are possible.
    pub fn from_json(value: &Value) -> Result<Self, SettingError> {
        let (size, number) = ("pan_and_scan_min_crop_size", "pan_and_scan_max_num_crops");
        let settings = Self {
            pan_and_scan_min_crop_size: whole(value, size, LARGEST_CROP)?.unwrap_or(256) as u32,
            pan_and_scan_max_num_crops: whole(value, number, MOST_CROPS)?.unwrap_or(4) as u32,
            pan_and_scan_min_ratio_to_activate: ratio(value)?,
        };
        // Crops are as long as the image divided by their number, rounded up. The last one could begin behind the image if
        // they were shorter, in pixels, than their number.
        if settings.pan_and_scan_min_crop_size < settings.pan_and_scan_max_num_crops {
            let (size_is, most) = (settings.pan_and_scan_min_crop_size, settings.pan_and_scan_max_num_crops);
            let problem = format!("is {size_is}: at least {number} is expected, which is {most}");
            return Err(wrong(size, problem));
        }
        Ok(settings)
    }

    /// Returns the numbers of rows and columns of crops of an image of `width` x `height` pixels, each at least 1: one of
    /// them is 1. Both are 0 for an image without crops.
    pub fn rows_and_columns(&self, width: u32, height: u32) -> [u32; 2] {
        let (long, short) = (width.max(height), width.min(height));
        let ratio = f64::from(long) / f64::from(short);
        if ratio < self.pan_and_scan_min_ratio_to_activate {
            return [0; 2];
        }
        let nearest = (ratio + 0.5).floor() as u32;
        let number = nearest.min(long / self.pan_and_scan_min_crop_size).max(2).min(self.pan_and_scan_max_num_crops);
        if long.div_ceil(number).min(short) < self.pan_and_scan_min_crop_size {
            return [0; 2];
        }
        if width >= height { [1, number] } else { [number, 1] }
    }
}

/// Reads the ratio of sides from which on images have crops.
fn ratio(value: &Value) -> Result<f64, SettingError> {
    let field = "pan_and_scan_min_ratio_to_activate";
    let Some(stated) = stated(value, field) else { return Ok(1.2) };
    let number = stated.as_f64().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| wrong(field, format!("is {stated}: a number of at least 0 is expected")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(size: u32, most: u32, ratio: f64) -> PanAndScan {
        let value = json!({
            "pan_and_scan_min_crop_size": size, "pan_and_scan_max_num_crops": most,
            "pan_and_scan_min_ratio_to_activate": ratio,
        });
        PanAndScan::from_json(&value).expect("valid")
    }

    // Computed with `Gemma3ImageProcessorPil.pan_and_scan` of transformers 5.24: width, height, rows, columns.
    const EXPECTED_OF_DEFAULTS: &[[u32; 4]] = &[
        [512, 512, 0, 0],
        [512, 426, 1, 2],
        [512, 427, 0, 0],
        [600, 500, 1, 2],
        [640, 512, 1, 2],
        [768, 512, 1, 2],
        [640, 250, 0, 0],
        [1000, 256, 1, 3],
        [2000, 512, 1, 4],
        [512, 2000, 4, 1],
        [4000, 400, 1, 4],
        [300, 1500, 4, 1],
        [511, 300, 1, 2],
        [513, 300, 1, 2],
    ];

    const EXPECTED_OF_SMALL_CROPS: &[[u32; 4]] = &[
        [64, 24, 1, 3],
        [24, 64, 3, 1],
        [16, 16, 0, 0],
        [31, 20, 1, 2],
        [31, 16, 1, 2],
        [15, 90, 0, 0],
        [100, 16, 1, 6],
        [97, 16, 1, 6],
        [40, 16, 1, 2],
        [16, 41, 2, 1],
        [500, 20, 1, 7],
        [33, 33, 1, 2],
    ];

    #[test]
    fn numbers_of_crops_equal_those_of_transformers() {
        for (of, images) in
            [(settings(256, 4, 1.2), EXPECTED_OF_DEFAULTS), (settings(16, 7, 1.0), EXPECTED_OF_SMALL_CROPS)]
        {
            for [width, height, rows, columns] in images {
                assert_eq!(of.rows_and_columns(*width, *height), [*rows, *columns], "{of:?} {width} x {height}");
            }
        }
    }

    #[test]
    fn crops_always_have_pixels() {
        for size in 2..9 {
            for most in 1..=size {
                let of = settings(size, most, 0.0);
                for (width, height) in (1..120).flat_map(|width| [(width, size), (size, width), (width, 50)]) {
                    let [rows, columns] = of.rows_and_columns(width, height);
                    for (length, number) in
                        [(width, columns), (height, rows)].into_iter().filter(|(_, number)| *number > 0)
                    {
                        assert_eq!(length.div_ceil(length.div_ceil(number)), number, "{of:?} {width} x {height}");
                    }
                }
            }
        }
    }

    #[test]
    fn absent_settings_are_the_defaults_and_wrong_ones_are_named() {
        let absent = json!({ "pan_and_scan_min_crop_size": null, "do_pan_and_scan": null });
        assert_eq!(PanAndScan::from_json(&absent), Ok(settings(256, 4, 1.2)));
        assert_eq!(PanAndScan::is_on(&absent), Ok(false));
        for (field, value) in [
            ("pan_and_scan_min_crop_size", json!(0)),
            ("pan_and_scan_min_crop_size", json!(3)),
            ("pan_and_scan_max_num_crops", json!(1.5)),
            ("pan_and_scan_min_ratio_to_activate", json!(-1)),
            ("pan_and_scan_min_ratio_to_activate", json!("wide")),
        ] {
            let error = PanAndScan::from_json(&json!({ field: value })).expect_err(field).to_string();
            assert!(error.starts_with(&format!("{field}: is ")), "{error}");
        }
        let error = PanAndScan::is_on(&json!({ "do_pan_and_scan": 1 })).expect_err("refused").to_string();
        assert_eq!(error, "do_pan_and_scan: is 1: true or false is expected");
    }
}
