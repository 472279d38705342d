//! Fields of `preprocessor_config.json` that several families have.

use serde_json::Value;

use super::resize::Resample;

/// Largest accepted side of a square image in pixels.
pub(crate) const LARGEST_SIDE: u64 = 1024;

/// Error of a preprocessing setting that is missing, malformed or not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct SettingError {
    /// Name of the field; a dot separates a nested field from its parent.
    pub field: &'static str,
    /// Problem, and the expected value.
    pub problem: String,
}

/// Makes the error of the field `field`.
pub(crate) fn wrong(field: &'static str, problem: String) -> SettingError {
    SettingError { field, problem }
}

/// Returns the value of a field. `null` counts as absent, as in Python.
pub(crate) fn stated<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

/// Returns a switch, true by default as in the original classes.
pub(crate) fn flag(value: &Value, field: &'static str) -> Result<bool, SettingError> {
    let Some(stated) = stated(value, field) else { return Ok(true) };
    stated.as_bool().ok_or_else(|| wrong(field, format!("is {stated}: true or false is expected")))
}

/// Refuses switches that are false.
pub(crate) fn only_true(value: &Value, switches: &[&'static str]) -> Result<(), SettingError> {
    for switch in switches {
        if !flag(value, switch)? {
            return Err(wrong(switch, "is false: only true is supported".to_owned()));
        }
    }
    Ok(())
}

/// Returns a whole number from 1 to `most`; `None` if the field is absent.
pub(crate) fn whole(value: &Value, field: &'static str, most: u64) -> Result<Option<u64>, SettingError> {
    let Some(stated) = stated(value, field) else { return Ok(None) };
    let number = stated.as_u64().filter(|number| (1..=most).contains(number));
    number.map(Some).ok_or_else(|| wrong(field, format!("is {stated}: a whole number from 1 to {most} is expected")))
}

/// Returns the resampling filter; `default` if the field is absent.
pub(crate) fn resample(value: &Value, default: Resample) -> Result<Resample, SettingError> {
    let Some(stated) = stated(value, "resample") else { return Ok(default) };
    let filter = stated.as_u64().and_then(|number| u8::try_from(number).ok()).map(Resample::try_from);
    match filter {
        Some(Ok(filter)) => Ok(filter),
        _ => Err(wrong("resample", format!("is {stated}: 1 (Lanczos), 2 (bilinear) and 3 (bicubic) are supported"))),
    }
}

/// Returns the side of a square size, `{"height": N, "width": N}` or `N`.
pub(crate) fn square(value: &Value, field: &'static str) -> Result<u32, SettingError> {
    let size = stated(value, field);
    let side = |name: &str| size.and_then(|size| size.get(name).or(Some(size))).and_then(Value::as_u64);
    match (side("height"), side("width")) {
        (Some(height), Some(width)) if height == width && (1..=LARGEST_SIDE).contains(&height) => Ok(height as u32),
        _ => {
            let found = size.map_or("missing".to_owned(), Value::to_string);
            Err(wrong(field, format!("is {found}: a square with sides up to {LARGEST_SIDE} is expected")))
        }
    }
}

/// Accepts 1/255 only: attacks and perturbations are bounded in 0..1, so pixels must lie there before normalisation.
pub(super) fn rescale_factor(value: &Value) -> Result<f64, SettingError> {
    let Some(stated) = stated(value, "rescale_factor") else { return Ok(1.0 / 255.0) };
    match stated.as_f64() {
        Some(factor) if (factor * 255.0 - 1.0).abs() < 1e-6 => Ok(factor),
        _ => Err(wrong("rescale_factor", format!("is {stated}: only 1/255 is supported"))),
    }
}

/// Returns three numbers that `allowed` accepts, one for each colour channel; `default` if the field is absent.
pub(super) fn channels(
    value: &Value,
    field: &'static str,
    default: [f64; 3],
    allowed: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<[f64; 3], SettingError> {
    let Some(stated) = stated(value, field) else { return Ok(default) };
    let numbers: Option<Vec<f64>> = stated.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let channels = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    channels
        .filter(|channels| channels.iter().all(|number| allowed(*number)))
        .ok_or_else(|| wrong(field, format!("is {stated}: {expected}, one per colour channel, are expected")))
}
